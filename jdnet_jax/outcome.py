"""What a finished run says of itself: the description of its student, and the words for the person who ran it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from jdnet_jax import __version__, views
from jdnet_jax.inference.model_card import ModelCard
from jdnet_jax.networks import Network
from jdnet_jax.routing import ENSEMBLE, STUDENT
from jdnet_jax.workdir import Workdir


def card(config: ConfigDict, network: Network, class_names: tuple[str, ...], summary: Mapping[str, Any]) -> ModelCard:
    """The student's `model.json`.

    Args:
        config: of the run.
        network: the student.
        class_names: of the dataset.
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
        dtype=config.compute_dtype,
        trained={
            "with": f"jdnet_jax {__version__}, jax {jax.__version__}",
            "on": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
            **{key: summary[key] for key in ("recipe", "dataset", "protocol", "step", "seed")},
        },
        accuracy={role: summary["student"][role] for role in ("val", "test")},
        sha256=summary["student"]["sha256"],
    )


def ensemble(teachers: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Any]) -> dict[str, Any]:
    """The entry `ensemble` of `summary.json`: the mean of the frozen teachers' softmax, and what all of them cost.

    Args:
        teachers: their entries in the summary.
        scores: of their mean on each split.
    """
    cost = {key: sum(entry[key] for entry in teachers.values()) for key in ("params", "multiply_adds")}
    return {"teachers": list(teachers), **cost, **scores}


def conclusion(summary: Mapping[str, Any], workdir: str | Path) -> str:
    """What a person reads at the end of a run: the figures, what lies where, what to try next."""
    place = Workdir(workdir)
    lines = [
        "",
        f"test top-1 on {summary['student']['test']['count']} images ({summary['recipe']}, {summary['dataset']}):",
    ]
    for name, entry in {STUDENT: summary["student"], **summary["teachers"]}.items():
        test = entry["test"]
        lines.append(
            f"  {name:<10} {test['top1']:7.2%}   top-5 {test['top5']:.2%}   macro-F1 {test['macro_f1']:.3f}   "
            f"{entry['params'] / 1e6:.2f} M parameters ({entry['model']})"
        )
    if together := summary.get("ensemble"):
        test = together["test"]
        lines.append(
            f"  {ENSEMBLE:<10} {test['top1']:7.2%}   top-5 {test['top5']:.2%}   macro-F1 {test['macro_f1']:.3f}   "
            f"{together['params'] / 1e6:.2f} M parameters (the mean of {' + '.join(together['teachers'])})"
        )
    if found := summary["student"].get("calibration"):  # a run that an earlier version finished has none
        lines.append(
            f"  the student's probabilities at temperature {found['temperature']:.2f}, fitted on val: calibration "
            f"error {found['test']['ece_after']:.3f} on test ({found['test']['ece_before']:.3f} at 1)"
        )
    lines += [
        f"in {place.path}:",
        "  report.html     curves, mistakes, calibration, activation maps: open it in a browser",
        "  student/        the student alone, ready for export (model.json says what it is)",
        "  summary.json    these figures and more    config.json   the config they come from",
        "  metrics.jsonl   every logged step         tensorboard/  the same as curves: tensorboard --logdir "
        + str(place.path),
        "  checkpoints/    the whole state at the last steps and at the best on val",
    ]
    return "\n".join(lines)
