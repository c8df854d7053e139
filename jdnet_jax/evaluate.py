"""Evaluates a finished model on photos whose classes are known: `python -m jdnet_jax.evaluate --model=runs/demo`.

The model is a workdir, a hand-off (`student/`) or an exported file. The photos are a split of the dataset that a
workdir was trained on or that `--config=FILE` names, or those of `--photos=FOLDER`, which holds a folder a class.

A workdir's figures are those of its `summary.json`. One case differs a little: a student of a resolution of its own is
shown photos at that size, as on a phone, and not training's view made smaller.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict

from jdnet_jax import command_line, config_check
from jdnet_jax.errors import UserError
from jdnet_jax.progress import say
from jdnet_jax.workdir import Workdir

if TYPE_CHECKING:
    from jdnet_jax.inference.labelled_photos import LabelledPhotos
    from jdnet_jax.inference.model_card import ModelCard
    from jdnet_jax.inference.scoring import Scores

command_line.define_config("A config with the dataset; not needed for a workdir, whose own dataset it replaces.")
flags.declare_key_flag("config")  # --help lists it
_MODEL = flags.DEFINE_string("model", None, "A workdir, a hand-off (student/) or an exported file.")
_SPLIT = flags.DEFINE_enum("split", "test", ("train", "val", "test"), "The split of the dataset.")
_PHOTOS = flags.DEFINE_string("photos", None, "Instead of a dataset: a folder with a folder of photos for each class.")
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object instead of tables.")


def main(argv: list[str]) -> int:
    """Evaluates and prints, and returns the exit status."""
    place, config = _asked(argv)
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax.inference import open as opening
    from jdnet_jax.inference import scoring

    runner = opening.open_model(place.path)
    with contextlib.redirect_stdout(sys.stderr):  # where TFDS's words about a preparation belong
        labelled = _labelled(place, runner.card, config)
        scores = scoring.score(runner, labelled.batches)
    print(json.dumps(_as_json(runner.card, labelled, scores)) if _JSON.value else _table(runner.card, labelled, scores))
    return 0


def _asked(argv: list[str]) -> tuple[Workdir, ConfigDict | None]:
    """The model, which may be a workdir, and the config, after all checks that need no library."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: name the model as --model={argv[1]}")
    if not _MODEL.value:
        raise UserError("--model is missing: name a workdir, a hand-off (student/) or an exported file")
    config = flags.FLAGS["config"].value
    if _PHOTOS.value and (config is not None or _SPLIT.present):
        raise UserError("--photos names all of the photos: leave out --config and --split, which are of a dataset")
    place = Workdir(_MODEL.value)
    if not _PHOTOS.value and config is None and place.path.exists() and not place.config.is_file():
        raise UserError(
            f"--model={_MODEL.value} is not a workdir, so it does not say where its photos are: give the dataset with "
            "--config=configs/..., or --photos=FOLDER"
        )
    if config is not None:
        config_check.check(config)
    return place, config


def _labelled(place: Workdir, card: ModelCard, config: ConfigDict | None) -> LabelledPhotos:
    from jdnet_jax.inference import labelled_photos

    if _PHOTOS.value:
        return labelled_photos.of_folder(Path(_PHOTOS.value).expanduser(), card)
    if config is not None:
        return labelled_photos.of_dataset(config.dataset, _SPLIT.value, card)
    labelled = labelled_photos.of_dataset(place.dataset_config(), _SPLIT.value, card)
    before = card.trained.get("protocol")
    if before != labelled.source:
        say(f"note: {place.path} was trained on other data than this: {before}")
    return labelled


def _as_json(card: ModelCard, labelled: LabelledPhotos, scores: Scores) -> dict[str, Any]:
    from jdnet_jax import evaluation

    figures = evaluation.per_class(scores.result.confusion)
    return {
        "model": _MODEL.value,
        "network": card.model,
        "format": card.file_format,
        "dtype": card.dtype,
        "temperature": card.temperature,
        "photos": labelled.source,
        "split": None if _PHOTOS.value else _SPLIT.value,
        **scores.summary(),
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


def _table(card: ModelCard, labelled: LabelledPhotos, scores: Scores) -> str:
    from jdnet_jax import evaluation

    figures, summary = evaluation.per_class(scores.result.confusion), scores.summary()
    width = max(len("class"), *map(len, card.classes))
    lines = [f"{'class':<{width}}  precision  recall     F1  count"]
    lines += [
        f"{name:<{width}}  {_share(figures.precision[i]):>9}  {_share(figures.recall[i]):>6}  "
        f"{_share(figures.f1[i]):>5}  {figures.count[i]:>5}"
        for i, name in enumerate(card.classes)
    ]
    split = "" if _PHOTOS.value else f"{_SPLIT.value} of "
    lines += [
        "",
        f"{_MODEL.value}: {card.model}, {card.file_format} {card.dtype}, {card.image_size} px",
        f"on {split}{labelled.source}",
        f"  top-1 {summary['top1']:.2%}   top-5 {summary['top5']:.2%}   macro-F1 {summary['macro_f1']:.4f}   "
        f"({summary['count']} photos)",
        f"  expected calibration error {summary['ece']:.4f}   negative log-likelihood {summary['nll']:.4f}   "
        f"(temperature {card.temperature:.3f})",
    ]
    return "\n".join(lines)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


if __name__ == "__main__":
    command_line.run(main)
