"""The comparison as one picture: a dot for each run, and a bar for the mean and the deviation of each recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from jdnet_jax.compare.table import words
from jdnet_jax.report import chart

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 800, 30, 130, 270, 12, 44
_DIFFERENCE = 100  # pixels from the drawing's end to the differences

_STYLE = """
.paper { fill: #ffffff; } text { font: 13px system-ui, sans-serif; fill: #1a1a1a; } .soft { fill: #555555; }
.rule { stroke: #d9d9d9; } .dot { fill: #0072b2; fill-opacity: .55; } .bar { stroke: #c24e00; stroke-width: 3; }
.mean { fill: #c24e00; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #141414; } text { fill: #ececec; } .soft { fill: #b0b0b0; } .rule { stroke: #3a3a3a; }
  .dot { fill: #56b4e9; } .bar { stroke: #f0883e; } .mean { fill: #f0883e; }
}
"""


def draw(table: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """Draws test top-1 as an SVG file.

    Args:
        table: from `table.rows`; recipes without a run are left out.
        baseline: the recipe that the others are compared with.
    """
    shown = [row for row in table if "top1" in row]
    spans = [row["top1"]["mean"] + sign * (row["top1"]["deviation"] or 0.0) for row in shown for sign in (-1, 1)]
    values = [value for row in shown for value in row["top1"]["values"]] + spans
    ticks = chart.ticks(min(values), max(values), 6) if values else [0.0, 1.0]
    height = _TOP + _ROW * len(shown) + _BOTTOM

    def across(value: float) -> float:
        return _LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (_WIDTH - _LEFT - _RIGHT)

    parts = [Markup('<rect class="paper" width="{}" height="{}"/>').format(_WIDTH, height)]
    for tick in ticks:
        x, bottom = across(tick), height - _BOTTOM
        parts.append(Markup('<path class="rule" d="M{:.1f} {}V{}"/>').format(x, _TOP, bottom))
        parts.append(
            Markup('<text class="soft" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                x, bottom + 18, chart.number(tick, percent=True)
            )
        )
    parts.append(
        Markup('<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (_LEFT + _WIDTH - _RIGHT) / 2, height - 8, "test top-1: each seed, mean and deviation"
        )
    )
    parts.append(
        Markup('<text class="soft" x="{}" y="{}">{}</text>').format(
            _WIDTH - _RIGHT + _DIFFERENCE, height - 8, f"less {baseline} (95 %, seeds and photos)"
        )
    )
    for i, row in enumerate(shown):
        parts += _recipe(row, _TOP + _ROW * (i + 0.5), across)
    title = "Test top-1: " + "; ".join(f"{row['recipe']} {_words(row)}" for row in shown)
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img">'
        "<title>{2}</title><style>{3}</style>{4}</svg>\n"
    ).format(_WIDTH, height, title, Markup(_STYLE), Markup("").join(parts))


def _recipe(row: Mapping[str, Any], y: float, across: Any) -> list[Markup]:
    mean, deviation = row["top1"]["mean"], row["top1"]["deviation"] or 0.0
    parts = [
        Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(_LEFT - 12, y + 4, row["recipe"]),
        Markup('<path class="bar" d="M{:.1f} {:.1f}H{:.1f}"/>').format(
            across(mean - deviation), y, across(mean + deviation)
        ),
        Markup('<rect class="mean" x="{:.1f}" y="{:.1f}" width="4" height="16"/>').format(across(mean) - 2, y - 8),
    ]
    for seed, value in zip(row["seeds"], row["top1"]["values"], strict=True):
        parts.append(
            Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"><title>{}</title></circle>').format(
                across(value), y, f"{row['recipe']}, seed {seed}: {value:.2%}"
            )
        )
    parts.append(Markup('<text x="{}" y="{:.1f}">{}</text>').format(_WIDTH - _RIGHT + 12, y + 4, _words(row)))
    if row["difference"]:
        place = _WIDTH - _RIGHT + _DIFFERENCE
        told = words(row["difference"], 1)
        parts.append(Markup('<text x="{}" y="{:.1f}">{}</text>').format(place, y + 4, told))
    return parts


def _words(row: Mapping[str, Any]) -> str:
    figure = row["top1"]
    text = f"{100 * figure['mean']:.1f}"
    return f"{text} %" if figure["deviation"] is None else f"{text} ± {100 * figure['deviation']:.1f} %"
