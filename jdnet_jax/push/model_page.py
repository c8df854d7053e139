"""The page of a student on the hub, `README.md`: description, tests and their limits, and use.

Metadata stand in front as YAML, by which the hub finds and sorts models.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.data.wording import listed
from jdnet_jax.figures import calibration, intervals, rejection
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.models import hub, pretrained
from jdnet_jax.process.printable import printable

_CLASSES = 200  # at most, that are named


def text(
    repository: str,
    card: ModelCard,
    summary: Mapping[str, Any] | None,
    starts: Mapping[str, tuple[str, str]] | None,
    files: Sequence[str],
    licence: str,
) -> str:
    """The page.

    Args:
        repository: `OWNER/NAME`.
        card: card of the student.
        summary: the content of `summary.json`; None where only the hand-off is there.
        starts: network -> its model and the source of its initial weights; None where it is not known.
        files: names of the exported files beside the weights.
        licence: the hub's name of one, such as `apache-2.0`; '' where none is stated.

    Raises:
        ImportError: `huggingface_hub` is not installed.
    """
    name = repository.partition("/")[2]
    parts = [
        f"---\n{_metadata(name, card, licence, distilled=len(starts or {}) > 1)}\n---\n\n# {_escaped(name)}",
        f"A network that tells {len(card.classes)} classes of photos apart ({_escaped(card.model)}, "
        f"{_parameters(card)}, {card.image_size} x {card.image_size} pixels), trained with "
        f"{_escaped(str(card.trained.get('with', 'jdnet_jax')))}.",
        _use(repository, files),
        "## Data",
        _data(card),
        "## How good it is",
        _accuracy(card),
        _calibration(card, summary),
        "## What it was not tested on",
        _untested(card),
        "## Where its weights began, and licences",
        _licences(starts, licence),
        "## Classes",
        _escaped(listed(card.classes, _CLASSES)) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(name: str, card: ModelCard, licence: str, *, distilled: bool) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    dataset = str(card.trained.get("dataset", "photos"))
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=re.sub(r"[^\w.-]+", "-", dataset),
            dataset_name=dataset,
            dataset_split=role,
            metric_type=kind,
            metric_name=shown,
            metric_value=card.accuracy[role][key],
        )
        for role in ("val", "test")
        for kind, key, shown in (("accuracy", "top1", "top-1"), ("f1", "macro_f1", "macro-F1"))
        if key in card.accuracy.get(role, {})
    ]
    data = ModelCardData(
        license=licence or None,
        library_name="jdnet_jax",
        pipeline_tag="image-classification",
        tags=["jax", "flax", "food", *(["knowledge-distillation"] if distilled else [])],
        model_name=name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _parameters(card: ModelCard) -> str:
    return "size unknown" if card.parameters is None else f"{card.parameters / 1e6:.2f} M parameters"


def _use(repository: str, files: Sequence[str]) -> str:
    lines = [
        "```python",
        "import jdnet_jax  # in its folder: pip install -e '.[hub]'",
        "",
        f'student = jdnet_jax.load("hf-hub:{repository}")',
        'print(student.predict("photo.jpg")[0].top)',
        "```",
        "",
        "`model.safetensors` has the weights under timm's names, `model.json` describes the model and how photos are "
        "prepared, and `SHA256SUMS` has their checksums, which loading checks.",
    ]
    if files:
        lines[-1] += (
            f" For phones and browsers: {', '.join(f'`{name}`' for name in files)}; pixels (RGB, 0 to 255) go in, and "
            "probabilities come out."
        )
    return "\n".join(lines)


def _data(card: ModelCard) -> str:
    told = [f"Trained and tested on {_escaped(str(card.trained.get('dataset', 'unknown data')))}."]
    if protocol := card.trained.get("protocol"):
        told.append(f"Protocol: {_escaped(str(protocol))}.")
    recipe = {key: card.trained[key] for key in ("recipe", "step", "seed") if key in card.trained}
    if recipe:
        told.append("Trained by " + ", ".join(f"{key} {_escaped(str(value))}" for key, value in recipe.items()) + ".")
    return " ".join(told)


def _accuracy(card: ModelCard) -> str:
    rows = [
        f"| {role} | {intervals.share(figures['top1'], figures['count'], always=True)} "
        f"| {intervals.share(figures['top5'], figures['count'], always=True, of=False)} | {figures['macro_f1']:.3f} |"
        for role in ("test", "val")
        if {"top1", "top5", "macro_f1", "count"} <= (figures := card.accuracy.get(role, {})).keys()
    ]
    if not rows:
        return "Its accuracy is not stated."
    return "\n".join(
        [
            "| photos of | top-1 | top-5 | macro-F1 |",
            "|---|---|---|---|",
            *rows,
            "",
            "In brackets the 95 % interval (Wilson): the range that other photos of the same kind could give. Only "
            "val served for choices, such as those of the step and the temperature; test was used once, at the end.",
        ]
    )


def _calibration(card: ModelCard, summary: Mapping[str, Any] | None) -> str:
    told = f"The logits are divided by the temperature {card.temperature:.3f} before the softmax"
    figures = summary and summary["student"].get("calibration")
    if not summary or not figures:
        return f"{told}."
    origin = calibration.origin(figures, summary["student"]["val"]["count"])
    at_1 = f" ({figures['test']['ece_before']:.3f} at temperature 1)" if figures["temperature"] != 1 else ""
    return f"{told}; it was {origin}. Expected calibration error on test: {figures['test']['ece_after']:.3f}{at_1}."


def _untested(card: ModelCard) -> str:
    what = [
        "Photos from other cameras, kitchens, days and countries than those of the data above: expect less there.",
        _other_things(card),
        "Several dishes in one photo, or food that is mostly hidden.",
        "Allergens, ingredients, calories or freshness, of which it says nothing. It is not for decisions on health.",
    ]
    if card.accuracy.get("test") is None:
        what.insert(0, "A test set: none is stated.")
    return "\n".join(f"- {line}" for line in what)


def _other_things(card: ModelCard) -> str:
    told = f"Anything that is none of its {len(card.classes)} classes"
    if not card.not_sure_below:
        return f"{told}, of which it names one all the same."
    return (
        f"{told}: where its best class is below {rejection.limit(card.not_sure_below)} (`not_sure_below` in "
        '`model.json`) the answer should be "not sure". How many photos of other things that rejects is not known.'
    )


def _licences(starts: Mapping[str, tuple[str, str]] | None, licence: str) -> str:
    lines = [f"- {name}: {_start(*start)}" for name, start in (starts or {}).items()]
    if STUDENT not in (starts or {}):
        lines.insert(0, "- Its initial weights are not stated.")
    student_licence = f"`{licence}`" if licence else "not stated by who published it"
    lines.append(
        f"- This model: {student_licence}. The licences of its initial weights and of the photos bind its users too."
    )
    return "\n".join(lines)


def _start(model: str, source: str) -> str:
    """The origin of a network's weights, with the licence if it is stated."""
    if source == "random":
        return f"{_escaped(model)}, drawn at random"
    if hub.is_id(source):
        repository = source.removeprefix("hf-hub:").partition("@")[0]
        return f"{_escaped(model)} from https://huggingface.co/{repository}, which states its licence"
    if source == "imagenet" and (package := pretrained.package(model)):
        return f"{_escaped(model)} trained on ImageNet, from the package {package} ({_package_licence(package)})"
    return f"{_escaped(model)} from {_escaped(Path(source).name)}, whose licence is not known here"


def _package_licence(package: str) -> str:
    try:
        about = importlib.metadata.metadata(package).json
    except importlib.metadata.PackageNotFoundError:
        return "which is not installed here"
    expression = about.get("license_expression") or about.get("license")
    if expression and expression != "UNKNOWN":
        return f"licence {_escaped(str(expression)[:100])}"
    return f"its metadata state no licence; see {about.get('home_page') or 'https://pypi.org/project/' + package}"


def _escaped(text: str) -> str:
    """A name, escaped so that Markdown shows it letter by letter."""
    return re.sub(r"([\\`*_\[\]<>|&#])", r"\\\1", printable(text))
