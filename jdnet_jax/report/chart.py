"""Line charts as inline SVG: ticks, a direct label for each line, and a value under the pointer.

They take their colours from the page's style sheet, so that they follow light and dark.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 360, 230  # of the drawing; about a phone's width, so that text is shown in its size

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 10, 36  # margins
_LETTER, _WIDEST = 6.6, 150  # width of a letter of a label, and of a label at most
_FINER = 0.75  # smallest ratio of the step between ticks to the requested step
_POINTS = 240  # of a line at most
_HITS = 40  # places of a line that tell their value
_LABEL = 13  # height of a label


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: label at its end, shown where there are several lines.
        xs: x of each point, ascending.
        ys: y of each point.
        style: number of its colour and dash, see `style.css`; the same network has the same one everywhere.
        notes: what the pointer shows at each point; empty for x and y.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: int = 0
    notes: Sequence[str] = ()


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """The ticks of an axis: about `count` multiples of 1, 2 or 5 times 10^k, from at most `low` to at least `high`."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= _FINER * rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def number(value: float, *, percent: bool = False) -> str:
    """A value as an axis or a label shows it."""
    if percent:
        return f"{100 * value:.4g} %"
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2g}"
    return f"{value:.4g}"


def thinned(xs: Sequence[float], ys: Sequence[float], count: int = _POINTS) -> tuple[Sequence[float], Sequence[float]]:
    """At most `count` points: means of equally many neighbours, at the last one's x; all if there are no more."""
    if len(xs) <= count:
        return xs, ys
    edges = [round(i * len(xs) / count) for i in range(count + 1)]
    parts = list(itertools.pairwise(edges))
    return [xs[end - 1] for _, end in parts], [sum(ys[a:b]) / (b - a) for a, b in parts]


def lines(
    drawn: Sequence[Line],
    *,
    title: str,
    x_name: str,
    percent: bool = False,
    x_percent: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> Markup:
    """A chart of lines over a common x.

    Args:
        drawn: at least one line of at least one point.
        title: what is shown, for those who do not see it.
        x_name: name of the x axis.
        percent: whether y is a share in [0, 1], shown in percent.
        x_percent: whether x is one.
        x_range: range of x; by default the points'.
        y_range: range of y, widened to round numbers; by default the points'.
        diagonal: whether to draw y = x.
    """
    all_x = [x for line in drawn for x in line.xs]
    all_y = [y for line in drawn for y in line.ys]
    x_low, x_high = x_range or (min(all_x), max(all_x))
    x_ticks = ticks(x_low, x_high)
    y_ticks = ticks(*(y_range or (min(all_y), max(all_y))))
    x_high = max(x_high, x_low + 1e-9)

    # A line alone needs no name at its end: the chart is about it.
    room = min(_WIDEST, _LETTER * max(len(line.name) for line in drawn)) if len(drawn) > 1 else 0
    right = WIDTH - _RIGHT - room

    def across(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (right - _LEFT)

    def up(y: float) -> float:
        return HEIGHT - _BOTTOM - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - _BOTTOM - _TOP)

    parts = [_y_tick(up(y), right, number(y, percent=percent)) for y in y_ticks]
    parts += [_x_tick(across(x), number(x, percent=x_percent)) for x in x_ticks if x_low <= x <= x_high]
    parts.append(_text((_LEFT + right) / 2, HEIGHT - 4, x_name, "middle"))
    if diagonal:
        parts.append(_path([(across(x_low), up(x_low)), (across(x_high), up(x_high))], "diagonal"))
    ends = []
    for line in drawn:
        xs, ys = (line.xs, line.ys) if line.notes else thinned(line.xs, line.ys)
        points = [(across(x), up(y)) for x, y in zip(xs, ys, strict=True)]
        parts.append(_path(points, f"line s{line.style}"))
        every = max(1, math.ceil(len(points) / _HITS))
        for i in [*range(0, len(points) - 1, every), len(points) - 1]:
            told = f"{x_name} {number(xs[i], percent=x_percent)}: {number(ys[i], percent=percent)}"
            note = f"{line.name}, {line.notes[i] if line.notes else told}"
            x, y = points[i]
            parts.append(_hit(x, y, note, line.style, shown=bool(line.notes)))
        ends.append((points[-1][1], line))
    if len(drawn) > 1:
        parts += _labels(ends, right + 4)
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="chart">{}</svg>').format(
        WIDTH, HEIGHT, title, Markup("").join(parts)
    )


def _labels(ends: Sequence[tuple[float, Line]], x: float) -> list[Markup]:
    """The names at the ends of the lines, moved apart where they would overlap."""
    placed: list[tuple[float, Line]] = []
    y = -math.inf
    for end, line in sorted(ends, key=lambda item: item[0]):
        y = max(end, y + _LABEL)
        placed.append((y, line))
    excess = max(0.0, placed[-1][0] - (HEIGHT - _BOTTOM))
    return [
        Markup('<text x="{:.1f}" y="{:.1f}" class="label t{}">{}</text>').format(
            x, y - excess + 4, line.style, line.name
        )
        for y, line in placed
    ]


def _path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    where = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return Markup('<path class="{}" d="M{}"/>').format(kind, where)


def _hit(x: float, y: float, note: str, style: int, *, shown: bool) -> Markup:
    """A point that shows its value: a visible dot, or one that appears under the pointer."""
    kind, radius = ("dot", 3) if shown else ("hit", 6)
    return Markup('<circle class="{} s{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
        kind, style, x, y, radius, note
    )


def _y_tick(y: float, right: float, text: str) -> Markup:
    line = Markup('<path class="grid" d="M{} {:.1f}H{:.1f}"/>').format(_LEFT, y, right)
    return line + _text(_LEFT - 5, y + 4, text, "end")


def _x_tick(x: float, text: str) -> Markup:
    line = Markup('<path class="axis" d="M{:.1f} {}v4"/>').format(x, HEIGHT - _BOTTOM)
    return line + _text(x, HEIGHT - _BOTTOM + 15, text, "middle")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)
