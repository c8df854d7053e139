"""The section of mistakes: confusion matrices, the most confused pairs with photos, and each class."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from markupsafe import Markup

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.figures import classification
from jdnet_jax.report import html
from jdnet_jax.report.run_record import RunRecord
from jdnet_jax.run import mistakes_file

PAIRS = 20
PHOTOS = 100

_SIDE = 96  # of a photo, in CSS pixels
_NAMED = 40  # classes of a matrix whose names are written beside it, at most
_LETTER = 0.48  # width of a letter of a name, in cells
_WIDEST = (8.0, 14.0)  # a name is as wide as the matrix at most, within these limits
_CELL = 1.5  # side of a cell where there is room, in the page's letters
_SMALLEST, _LARGEST = 16.0, 44.0  # sides of a matrix
_PREFIX = "confusion/"
# Strengths of a cell's colour above which its text has another colour; see `style.css`.
_MIDDLE, _STRONG = 0.6, 0.88


def section(run: RunRecord) -> Markup:
    """Mistakes on test; a sentence where the run is not finished."""
    if not run.evaluation or not run.classes:
        return html.section(
            "mistakes", "Mistakes", html.paragraph("Mistakes are counted on test when the run is finished.")
        )
    confusion = {key.removeprefix(_PREFIX): run.evaluation[key] for key in run.evaluation if key.startswith(_PREFIX)}
    others = [
        html.details(f"Confusion matrix of {name}", _matrix(counts, run.classes, name))
        for name, counts in confusion.items()
        if name != STUDENT
    ]
    return html.section(
        "mistakes",
        "Mistakes",
        _pairs(run, confusion[STUDENT]),
        _photos(run),
        Markup("<h3>Confusion matrix of the student</h3>"),
        _matrix(confusion[STUDENT], run.classes, STUDENT),
        *others,
        Markup("<h3>Each class</h3>"),
        _per_class(confusion, run.classes),
    )


def _pairs(run: RunRecord, confusion: Int[np.ndarray, "classes classes"]) -> Markup:
    pairs = classification.most_confused(confusion, PAIRS)
    if not pairs:
        return html.paragraph("The student makes no mistake on test.")
    kept = zip(run.evaluation["confused/label"], run.evaluation["confused/prediction"], strict=True)
    photos = dict(zip(((int(a), int(b)) for a, b in kept), run.evaluation["confused/image"], strict=True))
    figures = []
    for label, prediction, count in pairs:
        truth, guess = run.classes[label], run.classes[prediction]
        picture = Markup("")
        if (label, prediction) in photos:
            picture = html.photo(
                photos[label, prediction], f"a photo of {truth} that the student takes for {guess}", _SIDE
            )
        figures.append(
            Markup(
                "<li>{}<p><strong>{}</strong> taken for <strong>{}</strong><br>{:,} of {:,} of its photos</p></li>"
            ).format(picture, truth, guess, count, int(confusion[label].sum()))
        )
    which = "most confused pair" if len(figures) == 1 else f"{len(figures)} most confused pairs"
    title = Markup("<h3>The {} of classes</h3>").format(which)
    return title + Markup('<ul class="pairs">{}</ul>').format(Markup("").join(figures))


def _photos(run: RunRecord) -> Markup:
    mistakes = list(mistakes_file.read(run.evaluation, run.classes))
    if not mistakes:
        return Markup("")
    shown = mistakes[:PHOTOS]
    photos = "photo" if len(mistakes) == 1 else "photos"
    caption = f"{len(mistakes):,} test {photos} that the student got wrong, the surest first"
    if len(shown) < len(mistakes):
        caption += f": {len(shown)} of them; mistakes.csv has all"
    heads = ["photo", "class", "taken for", "probability"]
    return Markup("<h3>Photos</h3>") + html.table(caption, heads, [list(mistake) for mistake in shown], sortable=True)


def _matrix(counts: Int[np.ndarray, "classes classes"], classes: tuple[str, ...], name: str) -> Markup:
    """A confusion matrix: rows are labels, columns predictions; colour grows with the root of the share of the row."""
    total = np.maximum(counts.sum(axis=1), 1)
    n = len(classes)
    named = n <= _NAMED
    widest = min(max(n, _WIDEST[0]), _WIDEST[1])
    margin = min(widest, _LETTER * max(map(len, classes)) + 0.6) if named else 0.0
    letters = int((margin - 0.6) / _LETTER + 1e-6)
    parts = []
    for row, column in zip(*map(np.ndarray.tolist, np.nonzero(counts)), strict=True):
        share = counts[row, column] / total[row]
        parts.append(
            Markup(
                '<rect class="{}" x="{}" y="{}" width="1" height="1" fill-opacity="{:.2f}">'
                "<title>{} taken for {}: {} of {}</title></rect>"
            ).format(
                "right" if row == column else "wrong",
                column,
                row,
                share**0.5,
                classes[row],
                classes[column],
                counts[row, column],
                total[row],
            )
        )
        if named:
            strength = "strong" if share**0.5 > _STRONG else "middle" if share**0.5 > _MIDDLE else "weak"
            parts.append(
                Markup('<text class="count {}" x="{}" y="{}">{}</text>').format(
                    strength, column + 0.5, row + 0.64, _short(int(counts[row, column]))
                )
            )
    if named:
        for i, whole in enumerate(classes):
            text = whole if len(whole) <= letters else f"{whole[: letters - 1]}…"
            shown = Markup("{}<title>{}</title>").format(text, whole)
            parts.append(Markup('<text x="-0.3" y="{}" text-anchor="end">{}</text>').format(i + 0.75, shown))
            parts.append(
                Markup('<text transform="translate({} {}) rotate(-90)" x="0.3">{}</text>').format(i + 0.75, 0, shown)
            )
    hits = np.trace(counts) / counts.sum()
    svg = Markup(
        '<svg class="matrix" style="max-width: {5:.1f}rem" viewBox="{0:.1f} {0:.1f} {1:.1f} {1:.1f}" role="img" '
        'aria-label="{2}"><rect class="frame" width="{3}" height="{3}"/>{4}</svg>'
    ).format(
        -margin,
        n + margin + 0.2,
        f"Confusion matrix of {name} on test: {html.cell(float(hits))} of the photos are on the diagonal",
        n,
        Markup("").join(parts),
        max(_SMALLEST, _CELL * (n + margin)) if named else _LARGEST,
    )
    caption = "A row is a true class, a column what was answered; the diagonal is right. Stronger: more of the row."
    caption += " In each cell how many photos." if named else " Point at a cell for its count."
    return html.figure(svg, caption)


def _short(count: int) -> str:
    """A count in three letters or four."""
    return str(count) if count < 1000 else f"{count / 1000:.1f}k" if count < 10_000 else f"{count / 1000:.0f}k"


def _per_class(confusion: dict[str, Int[np.ndarray, "classes classes"]], classes: tuple[str, ...]) -> Markup:
    figures = {name: classification.per_class(counts) for name, counts in confusion.items()}
    student = figures[STUDENT]
    others = [name for name in figures if name != STUDENT]
    rows = [
        [
            name,
            float(student.precision[i]),
            float(student.recall[i]),
            float(student.f1[i]),
            *[float(figures[other].f1[i]) for other in others],
            int(student.count[i]),
        ]
        for i, name in enumerate(classes)
    ]
    heads = ["class", "precision", "recall", "F1", *[f"F1 of {other}" for other in others], "photos"]
    return html.table("The student on each class of test; press a head to sort", heads, rows, sortable=True)
