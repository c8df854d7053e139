"""The outcome of a finished run: summary, hand-off, and the closing message."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, PyTree
from ml_collections import ConfigDict

from jdnet_jax import __version__, handoff
from jdnet_jax.config import views
from jdnet_jax.config.defaults import total_steps
from jdnet_jax.config.routing import ENSEMBLE, STUDENT
from jdnet_jax.data import Dataset
from jdnet_jax.figures import calibration, intervals, rejection
from jdnet_jax.figures.classification import Result
from jdnet_jax.files import array_file, atomic
from jdnet_jax.handoff.digest import sha256
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.learning.networks import Network
from jdnet_jax.models.multiply_adds import multiply_adds
from jdnet_jax.run import evaluation_file, metrics, mistakes_file
from jdnet_jax.run.workdir import Workdir


def card(config: ConfigDict, network: Network, class_names: tuple[str, ...], summary: Mapping[str, Any]) -> ModelCard:
    """The student's `model.json`.

    Args:
        config: config of the run.
        network: the student at its evaluation image size.
        class_names: class names of the dataset.
        summary: the content of `summary.json`.
    """
    spec = network.module.input_spec
    size = network.image_size
    view = config.dataset.view
    if view == views.BOTH and spec.channels == 3:
        view = views.PHOTO  # the sum of both parts is what it saw
    return ModelCard(
        model=network.model,
        options=dict(network.options),
        parameters=summary["student"]["params"],
        classes=class_names,
        image_size=size,
        mean=spec.mean,
        std=spec.std,
        shorter_side=round(size / config.crop_fraction) if config.fit == "crop" else size,
        view=view,
        fit=config.fit,
        temperature=summary["student"]["calibration"]["temperature"],
        not_sure_below=summary["student"]["not_sure"]["below"],
        dtype=config.compute_dtype,
        trained={
            "with": f"jdnet_jax {__version__}, jax {jax.__version__}",
            "on": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            **{key: summary[key] for key in ("recipe", "dataset", "protocol", "step", "seed")},
        },
        accuracy={role: summary["student"][role] for role in ("val", "test")},
        sha256=summary["student"]["sha256"],
    )


@dataclass(frozen=True)
class Tested:
    """The test results of a finished run.

    Attributes:
        step: step of the checkpoint that was tested.
        student: the student's variables in it.
        parameters: network -> its number of parameters.
        results: split (`val`, `test`) -> network -> its result.
        logits: split -> the student's logits and the labels, in the split's order.
        calibration: see `calibration.of_splits`.
        not_sure: see `rejection.of_splits`.
    """

    step: int | None
    student: Mapping[str, PyTree]
    parameters: Mapping[str, int]
    results: Mapping[str, Mapping[str, Result]]
    logits: Mapping[str, tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]]
    calibration: Mapping[str, Any]
    not_sure: Mapping[str, Any]


def summary(
    config: ConfigDict, dataset: Dataset, networks: Mapping[str, Network], tested: Tested, throughput: float | None
) -> dict[str, Any]:
    """The content of `summary.json`.

    Args:
        config: config of the run.
        dataset: dataset of the run.
        networks: networks of the run at their evaluation image sizes.
        tested: the test results.
        throughput: images a second in training; None where it is not known.
    """
    results = tested.results
    entries: dict[str, dict[str, Any]] = {
        name: {
            "model": network.model,
            "params": tested.parameters[name],
            "multiply_adds": multiply_adds(network.module, network.image_size),
            **{role: results[role][name].summary() for role in results},
        }
        for name, network in networks.items()
    }
    entries[STUDENT]["sha256"] = sha256(tested.student)
    entries[STUDENT]["calibration"] = tested.calibration
    entries[STUDENT]["not_sure"] = tested.not_sure
    content = {
        "recipe": config.recipe,
        "dataset": config.dataset.name,
        "protocol": dataset.protocol,
        "step": tested.step,
        "steps": total_steps(config, dataset.sizes["train"]),
        "seed": config.seed,
        "images_per_second": throughput,
        "student": entries[STUDENT],
        "teachers": {name: entry for name, entry in entries.items() if name != STUDENT},
    }
    if ENSEMBLE in results["test"]:
        frozen = {name: entries[name] for name, network in networks.items() if not network.trainable}
        scores = {role: results[role][ENSEMBLE].summary() for role in results}
        content["ensemble"] = ensemble(frozen, scores)
    return content


def write(
    config: ConfigDict,
    dataset: Dataset,
    student: Network,
    tested: Tested,
    summary: Mapping[str, Any],
    place: Workdir,
) -> None:
    """Writes the hand-off, `evaluation.npz`, and last `summary.json`, which marks the run as finished.

    Raises:
        UserError: one of them could not be written.
    """
    handoff.save(place.student, tested.student, card(config, student, dataset.class_names, summary))
    temperature = tested.calibration["temperature"]
    arrays = evaluation_file.of_run(tested.logits, temperature, tested.results["test"], dataset, config)
    array_file.write(place.evaluation, arrays)
    if "test/path" in arrays:
        atomic.write_text(place.mistakes, mistakes_file.text(arrays, dataset.class_names))
    place.finish(summary)


def ensemble(teachers: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `ensemble` of `summary.json`: the mean of the frozen teachers' softmax, and the cost of all of them.

    Args:
        teachers: teacher -> its entry in the summary.
        scores: split -> the scores of the mean.
    """
    cost = {key: sum(entry[key] for entry in teachers.values()) for key in ("params", "multiply_adds")}
    return {"teachers": list(teachers), **cost, **scores}


def conclusion(summary: Mapping[str, Any], workdir: str | Path) -> str:
    """The message at the end of a run: figures, files, and what to try next."""
    place = Workdir(workdir)
    photos = summary["student"]["test"]["count"]
    bracket = "; in brackets the 95 % interval" if photos < intervals.MANY_PHOTOS else ""
    lines = ["", f"test top-1 on {photos:,} images ({summary['recipe']}, {summary['dataset']}){bracket}:"]
    for name, entry in {STUDENT: summary["student"], **summary["teachers"]}.items():
        size = f"{entry['params'] / 1e6:.2f} M parameters ({entry['model']})"
        lines.append(f"{_accuracy(name, entry['test'])}   {size}")
    if together := summary.get("ensemble"):
        size = f"{together['params'] / 1e6:.2f} M parameters (the mean of {' + '.join(together['teachers'])})"
        lines.append(f"{_accuracy(ENSEMBLE, together['test'])}   {size}")
    lines += _beside_the_probe(metrics.read(place.metrics), summary["student"]["val"])
    if early := summary.get("ended_early"):
        lines.append(f"  {early['why']}")
    if calibrated := summary["student"].get("calibration"):  # a run that an earlier version finished has none
        at_1 = f" ({calibrated['test']['ece_before']:.3f} at 1)" if calibrated["temperature"] != 1 else ""
        lines.append(
            f"  the student's probabilities at temperature {calibrated['temperature']:.2f}, "
            f"{calibration.origin(calibrated, summary['student']['val']['count'])}: calibration error "
            f"{calibrated['test']['ece_after']:.3f} on test{at_1}"
        )
    if turned_away := summary["student"].get("not_sure"):
        spent = f"; on test {rejection.cost(turned_away['test'])}" if turned_away["below"] else ""
        lines.append(f"  none of these: {rejection.origin(turned_away)}{spent}")
    if photos < intervals.ENOUGH_PHOTOS:
        lines.append(f"  {photos} photos are few for a test: {intervals.advice(summary['dataset'])}")
    lines.append(f"in {place.path}:")
    if place.mistakes.exists():
        lines.append("  mistakes.csv    the test photos that the student got wrong, the most confident first")
    lines += [
        "  report.html     curves, mistakes, calibration, activation maps: open it in a browser",
        "  student/        the student alone, ready for export (model.json describes it)",
        "  summary.json    these figures and more    config.json   the config they come from",
        "  metrics.jsonl   every logged step         tensorboard/  the same as curves: tensorboard --logdir "
        + shlex.quote(str(place.path)),
        "  checkpoints/    the whole state at the last steps and at the best on val",
    ]
    return "\n".join(lines)


def _accuracy(name: str, scores: Mapping[str, Any]) -> str:
    """A network's figures on one split, with the intervals of few photos."""
    top1, top5 = (intervals.share(scores[key], scores["count"], of=key == "top1") for key in ("top1", "top5"))
    return f"  {name:<10} {top1}   top-5 {top5}   macro-F1 {scores['macro_f1']:.3f}"


def _beside_the_probe(logged: Sequence[Mapping[str, Any]], val: Mapping[str, Any]) -> list[str]:
    """The student on val beside the linear classifier that was fitted before training, where there was one."""
    before = next((line["val/probe/top1"] for line in logged if line.get("val/probe/top1") is not None), None)
    if before is None:
        return []
    probe, student = (intervals.share(top1, val["count"]) for top1 in (before, val["top1"]))
    better = val["top1"] > before
    return [
        f"  on val the student has {student}, and a linear classifier had {probe} before training"
        + ("" if better else ": it was no worse, and the recipe probe gives it without training")
    ]
