"""Pieces of a page; every text that comes from outside is escaped."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from importlib import resources

import numpy as np
from jaxtyping import UInt8
from markupsafe import Markup
from PIL import Image

from jdnet_jax import __version__

_QUALITY = 80  # of the JPEGs
_OPTION = re.compile(r"(--[\w=.]*\w)")  # the parts at odd numbers of a split


# The policy keeps the page from loading anything, whatever a class or a folder is called.
_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="generator" content="jdnet_jax {version}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>
<p>{path}</p>
<nav aria-label="sections">{links}</nav></header>
<main>{sections}</main>
<script>{script}</script>
</body>
</html>
""")


def document(title: str, subject: str, sections: Sequence[tuple[str, str, Markup]]) -> str:
    """A complete page that needs no network.

    Args:
        title: title of the page.
        subject: the folder that it is about.
        sections: anchor, word in the navigation, and the section itself.
    """
    return _PAGE.format(
        version=__version__,
        title=title,
        path=subject,
        style=_own("style.css"),
        script=_own("page.js"),
        links=Markup(" ").join(Markup('<a href="#{}">{}</a>').format(anchor, word) for anchor, word, _ in sections),
        sections=Markup("").join(content for _, _, content in sections),
    )


def _own(name: str) -> Markup:
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def section(name: str, title: str, *parts: Markup) -> Markup:
    """A section with a heading and an anchor."""
    return Markup('<section id="{0}" aria-labelledby="{0}-title"><h2 id="{0}-title">{1}</h2>{2}</section>').format(
        name, title, Markup("").join(parts)
    )


def paragraph(text: str) -> Markup:
    """A paragraph of plain text; options of commands, such as --folds=5, are not broken over lines."""
    marked = [Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(_OPTION.split(text))]
    return Markup("<p>{}</p>").format(Markup("").join(marked))


def details(summary: str, content: Markup) -> Markup:
    """A part that opens on a click."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)


def figure(content: Markup, caption: str) -> Markup:
    """A picture or chart with its caption."""
    return Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(content, caption)


def grid(figures: Iterable[Markup]) -> Markup:
    """Figures side by side, as many as fit."""
    return Markup('<div class="grid">{}</div>').format(Markup("").join(figures))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], *, sortable: bool = False) -> Markup:
    """A table whose first column heads the rows; it scrolls separately if it is too wide.

    Args:
        caption: what it shows.
        heads: headings of the columns.
        rows: cells; numbers are shown by `cell`, None and nan as a dash.
        sortable: whether a press on a head sorts the rows by that column.
    """
    if sortable:
        head = Markup("").join(
            Markup('<th scope="col"><button type="button">{}</button></th>').format(name) for name in heads
        )
    else:
        head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in heads)
    body = Markup("").join(Markup("<tr>{}</tr>").format(_row(row)) for row in rows)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table{1}><caption><span>{0}</span></caption>'
        "<thead><tr>{2}</tr></thead><tbody>{3}</tbody></table></div>"
    ).format(caption, Markup(' class="sortable"') if sortable else "", head, body)


def _row(row: Sequence[object]) -> Markup:
    first, *rest = row
    cells = [Markup('<th scope="row">{}</th>').format(first)]
    for value in rest:
        if isinstance(value, Markup | str):
            cells.append(Markup("<td>{}</td>").format(value))
        else:
            cells.append(Markup('<td class="number" data-value="{}">{}</td>').format(_sort_key(value), cell(value)))
    return Markup("").join(cells)


def _sort_key(value: object) -> object:
    return "" if value is None or value != value else value


def cell(value: object) -> str:
    """A number of a table: shares as percent, counts with separators, a dash where there is none."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{100 * value:.1f} %"
    return f"{value:,}"


def photo(image: Image.Image | UInt8[np.ndarray, "h w 3"], alt: str, side: int) -> Markup:
    """A picture inside the page, shown with this side in CSS pixels and kept at up to twice as many."""
    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.thumbnail((2 * side, 2 * side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img alt="{0}" width="{1}" height="{1}" src="data:image/jpeg;base64,{2}">').format(alt, side, data)
