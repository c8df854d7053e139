"""Evaluates a finished model on photos whose classes are known: `python -m jdnet_jax.evaluate --model=runs/demo`.

The model is a workdir, a hand-off (`student/`), an exported file or `hf-hub:OWNER/NAME`. The photos are a split of the
dataset that a workdir was trained on or that `--config=FILE` names, or those of `--photos=FOLDER`, which holds a folder
for each class.

Top-1 on fewer than 1,000 photos has its 95 % interval (Wilson), as in "100 % of 16 (81 to 100)". If the model has a
threshold for "not sure" (`config.not_sure`), it also says how many of the photos that rejects, and top-1 on the
others.

`--perturb` also evaluates the same photos perturbed, in the pixels that the model sees (`perturbation` has the kinds),
and prints the losses, with 95 % bootstrap intervals over the photos. `--classes` keeps only the photos of some classes;
the model still chooses among all of its classes, and macro-F1 is the mean over the named ones.

A workdir's figures are those of its `summary.json`. One case differs a little: a student with another image size gets
photos that are resized to that size directly, as on a phone, not training's view made smaller.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict

from jdnet_jax.config import check
from jdnet_jax.files import user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.printable import printable
from jdnet_jax.process.progress import say, show
from jdnet_jax.run.workdir import Workdir

if TYPE_CHECKING:
    from jdnet_jax.handoff.model_card import ModelCard
    from jdnet_jax.inference.labelled_photos import LabelledPhotos
    from jdnet_jax.inference.perturbation import Perturbation
    from jdnet_jax.inference.robustness import Condition

command_line.define_config("A config with the dataset; not needed for a workdir, whose own dataset it replaces.")
flags.declare_key_flag("config")  # --help lists it
_MODEL = flags.DEFINE_string("model", None, "A workdir, a hand-off, an exported file, or hf-hub:OWNER/NAME.")
_SPLIT = flags.DEFINE_enum("split", "test", ("train", "val", "test"), "The split of the dataset.")
_PHOTOS = flags.DEFINE_string("photos", None, "Instead of a dataset: a folder with a folder of photos for each class.")
_CLASSES = flags.DEFINE_multi_string("classes", None, "Only the photos of these classes: a,b. May be repeated.")
_PERTURB = flags.DEFINE_multi_string(
    "perturb",
    None,
    "Also on perturbed photos: permutation:16 (patches of 16 pixels), translocation:60,-85 (pixels to the right and "
    "down, so this is upwards), blur:2, noise:20, jpeg:10. In pixels of the model's input; may be repeated.",
)
_PERTURB_ON = flags.DEFINE_enum(
    "perturb_on", None, ("roi", "context", "both"), "For a model of two inputs: which is perturbed; both by default."
)
_PERTURB_SEED = flags.DEFINE_integer("perturb_seed", 0, "Of what --perturb draws.", lower_bound=0)
_BOOTSTRAP = flags.DEFINE_integer(
    "bootstrap",
    None,
    "Drawings of the photos for 95 % intervals; 0 for none. By default 1000 with --perturb, and none without.",
    lower_bound=0,
)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object instead of tables.")


def main(argv: list[str]) -> int:
    """Evaluates, prints the figures, and returns the exit status."""
    perturbations = _perturbations()
    place, config = _asked(argv)
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.inference import labelled_photos, robustness
    from jdnet_jax.inference import open as opening

    runner = opening.open_model(place.path)
    with contextlib.redirect_stdout(sys.stderr):  # where TFDS's words about a preparation belong
        labelled = _labelled(place, runner.card, config)
        averaged = None
        if _CLASSES.value:
            labelled, averaged = labelled_photos.of_classes(labelled, _class_names(runner.card), runner.card)
        conditions = robustness.conditions(
            runner,
            labelled.batches,
            perturbations,
            seed=_PERTURB_SEED.value,
            on=_PERTURB_ON.value,
            draws=_draws(),
            averaged=averaged,
        )
    show(
        json.dumps(_as_json(runner.card, labelled, conditions))
        if _JSON.value
        else _table(runner.card, labelled, conditions)
    )
    return 0


def _asked(argv: list[str]) -> tuple[Workdir, ConfigDict | None]:
    """The model (a workdir, say) and the config that the flags name, after all checks that need no library."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: name the model as --model={argv[1]}")
    if not _MODEL.value:
        raise UserError("--model is missing: name a workdir, a hand-off (student/) or an exported file")
    config = flags.FLAGS["config"].value
    if _PHOTOS.value and (config is not None or _SPLIT.present):
        raise UserError("--photos replaces the dataset: leave out --config and --split")
    place = Workdir(_MODEL.value)
    elsewhere = place.path.exists() or _MODEL.value.startswith("hf-hub:")
    if not _PHOTOS.value and config is None and elsewhere and not place.config.is_file():
        raise UserError(
            f"--model={_MODEL.value} is not a workdir, so it does not say where its photos are: give the dataset with "
            "--config=configs/..., or --photos=FOLDER"
        )
    if config is not None:
        check.check(config)
    return place, config


def _perturbations() -> dict[str, Perturbation]:
    from jdnet_jax.inference import perturbation

    for flag in (_PERTURB_ON, _PERTURB_SEED):
        if flag.present and not _PERTURB.value:
            raise UserError(f"--{flag.name} says how to perturb, but not what: give --perturb too, or leave it out")
    return perturbation.parse(_PERTURB.value or [])


def _draws() -> int:
    if _BOOTSTRAP.value is None:
        return 1000 if _PERTURB.value else 0
    return _BOOTSTRAP.value


def _class_names(card: ModelCard) -> list[str]:
    """The classes that a flag names; a class name may contain a comma."""
    names = ([value] if value in card.classes else value.split(",") for value in _CLASSES.value or ())
    return [name.strip() for argument in names for name in argument]


def _labelled(place: Workdir, card: ModelCard, config: ConfigDict | None) -> LabelledPhotos:
    from jdnet_jax.inference import labelled_photos

    if _PHOTOS.value:
        return labelled_photos.of_folder(user_files.expanded(_PHOTOS.value), card)
    if config is not None:
        return labelled_photos.of_dataset(config.dataset, _SPLIT.value, card)
    labelled = labelled_photos.of_dataset(place.dataset_config(), _SPLIT.value, card)
    before = card.trained.get("protocol")
    if before != labelled.source:
        say(f"note: {place.path} was trained on other data than this: {before}")
    return labelled


def _as_json(card: ModelCard, labelled: LabelledPhotos, conditions: Mapping[str, Condition]) -> dict[str, Any]:
    from jdnet_jax.figures import classification, intervals
    from jdnet_jax.inference import robustness

    scores = conditions[robustness.CLEAN].scores
    figures = classification.per_class(scores.result.confusion)
    return {
        "model": _MODEL.value,
        "network": card.model,
        "format": card.file_format,
        "dtype": card.dtype,
        "temperature": card.temperature,
        "photos": labelled.source,
        "split": None if _PHOTOS.value else _SPLIT.value,
        "only_classes": None if scores.averaged is None else [card.classes[number] for number in scores.averaged],
        **scores.summary(),
        "bootstrap": {"drawings": _draws(), "level": intervals.LEVEL, "seed": robustness.BOOTSTRAP_SEED},
        "perturb_seed": _PERTURB_SEED.value,
        "perturb_on": _PERTURB_ON.value,
        **robustness.as_json(conditions),
        "per_class": [
            {
                "class": name,
                "precision": _or_none(figures.precision[i]),
                "recall": _or_none(figures.recall[i]),
                "f1": _or_none(figures.f1[i]),
                "count": int(figures.count[i]),
            }
            for i, name in enumerate(card.classes)
        ],
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _table(card: ModelCard, labelled: LabelledPhotos, conditions: Mapping[str, Condition]) -> str:
    from jdnet_jax.figures import classification, intervals, rejection
    from jdnet_jax.inference import robustness

    scores = conditions[robustness.CLEAN].scores
    figures, summary = classification.per_class(scores.result.confusion), scores.summary()
    names = [printable(name) for name in card.classes]
    width = max(len("class"), *map(len, names))
    lines = [f"{'class':<{width}}  precision  recall     F1  count"]
    lines += [
        f"{name:<{width}}  {_share(figures.precision[i]):>9}  {_share(figures.recall[i]):>6}  "
        f"{_share(figures.f1[i]):>5}  {figures.count[i]:>5}"
        for i, name in enumerate(names)
    ]
    split = "" if _PHOTOS.value else f"{_SPLIT.value} of "
    lines += [
        "",
        f"{_MODEL.value}: {card.model}, {card.file_format} {card.dtype}, {card.image_size} px",
        f"on {split}{labelled.source}",
        f"  top-1 {intervals.share(summary['top1'], summary['count'])}   "
        f"top-5 {intervals.share(summary['top5'], summary['count'], of=False)}   macro-F1 {summary['macro_f1']:.4f}",
        f"  expected calibration error {summary['ece']:.4f}   negative log-likelihood {summary['nll']:.4f}   "
        f"(temperature {card.temperature:.3f})",
    ]
    if scores.not_sure:
        lines.append(f"  not sure below {rejection.limit(card.not_sure_below)}: {rejection.cost(scores.not_sure)}")
    if _PERTURB.value or _draws():
        lines += ["", f"{_how()}:", robustness.table(conditions)]
    return "\n".join(lines)


def _how() -> str:
    said = []
    if _PERTURB.value:
        on = f", of {_PERTURB_ON.value}" if _PERTURB_ON.value else ""
        said.append(f"perturbed{on} with seed {_PERTURB_SEED.value}")
    if _draws():
        said.append(f"in brackets the 95 % intervals over {_draws()} drawings of the photos")
    return "; ".join(said)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    command_line.run(main)
