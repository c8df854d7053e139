"""The page of a check: the classes, the findings, and a batch as training would see it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup
from ml_collections import ConfigDict

from jdnet_jax.check.folder import Finding, FolderCheck
from jdnet_jax.config import views
from jdnet_jax.data import pipeline
from jdnet_jax.data.folder_listing import SPLITS
from jdnet_jax.files import atomic
from jdnet_jax.report import html

_SIDE = 128  # of a photo, in CSS pixels


def write(check: FolderCheck, config: ConfigDict, output: Path) -> None:
    """Writes the page.

    Args:
        check: result of the check.
        config: config of the planned run.
        output: the file.

    Raises:
        UserError: it could not be written.
    """
    batches = pipeline.train_batches(
        check.dataset,
        batch_size=config.batch_size,
        image_size=config.image_size,
        seed=config.seed,
        start_step=0,
        augment=config.augment,
        fit=config.fit,
    )
    facts = [html.paragraph(f"{_sentence(fact)}.") for fact in check.facts]
    findings = [_finding(finding) for finding in check.findings] or [html.paragraph("Nothing suspicious.")]
    seen = html.paragraph(
        f"The first batch of training, {config.batch_size} photos of {config.image_size} pixels, cropped and changed "
        "at random as the config says, with their labels."
    )
    sections = [
        ("classes", "classes", html.section("classes", "Classes", *facts, _classes(check))),
        ("found", "found", html.section("found", "Found", *findings)),
        (
            "batch",
            "what training sees",
            html.section("batch", "What training sees", seen, sheet(next(batches), check.dataset.class_names)),
        ),
    ]
    title = f"{sum(check.dataset.sizes.values()):,} photos of {len(check.counts)} classes"
    atomic.write_text(output, html.document(title, config.dataset.data_dir, sections))


def sheet(batch: Mapping[str, np.ndarray], class_names: tuple[str, ...]) -> Markup:
    """The photos of a batch with their labels.

    Args:
        batch: from `pipeline.train_batches`.
        class_names: class names in the order of the labels.
    """
    figures = []
    for number, image in enumerate(views.images_for(3, batch)):
        name = class_names[batch["label"][number]]
        if "share" in batch and (share := float(batch["share"][number])) < 1:
            name = f"{share:.0%} {name}, {1 - share:.0%} {class_names[batch['mixed_label'][number]]}"
        figures.append(html.figure(html.photo(np.asarray(image), f"a photo of {name}", _SIDE), name))
    return Markup('<div class="sheet">{}</div>').format(Markup("").join(figures))


def _classes(check: FolderCheck) -> Markup:
    rows = [[name, *(row[split] for split in SPLITS)] for name, row in check.counts.items()]
    return html.table("Photos of each class; press a head to sort", ["class", *SPLITS], rows, sortable=True)


def _finding(finding: Finding) -> Markup:
    names = Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(name) for name in finding.names))
    return html.details(f"{_sentence(finding.what)}: {finding.advice}", names)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
