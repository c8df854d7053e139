"""How the run went: accuracies, every loss term with its weight, learning rates, norms and speed over the steps."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from jdnet_jax.report import chart, html
from jdnet_jax.report.chart import Line
from jdnet_jax.report.run_record import RunRecord

_STYLES = 6  # of lines in the style sheet


def section(run: RunRecord) -> Markup:
    """All curves that `metrics.jsonl` has points for."""
    styles = line_styles(run)
    shown = [
        _figure(run, "top-1 on val", {name: f"val/{name}/top1" for name in run.networks}, styles, percent=True),
        _figure(
            run,
            "top-1 on the training batches, augmented",
            {name: f"accuracy/{name}" for name in run.networks},
            styles,
            percent=True,
        ),
        _figure(run, "cross-entropy on val", {name: f"val/{name}/loss" for name in run.networks}, styles),
        _figure(run, "loss: weighted sum of all terms", {"total": "loss/total"}, {}),
        *[
            _figure(run, f"loss: {_name(key)}, without its weight", {_name(key): key}, {})
            for key in run.keys("loss/")
            if key != "loss/total"
        ],
        _group(run, "weight/", "weights of the terms", styles),
        _group(run, "gradient_share/", "strength of the gradients into the student, cross-entropy 1", styles),
        _group(run, "gradient_cosine/", "cosine of the gradients into the student with cross-entropy", styles),
        _group(run, "learning_rate/", "learning rates", styles),
    ]
    shown = [figure for figure in shown if figure]
    if not shown:
        return html.section("curves", "Curves", html.paragraph("No step was logged yet."))
    more = [
        _group(run, "grad_norm/", "gradient norms", styles),
        _group(run, "param_norm/", "parameter norms", styles),
        _figure(run, "training images a second", {"images/s": "images_per_second"}, {}),
    ]
    rest = html.details("Norms and speed", html.grid(filter(None, more))) if any(more) else Markup("")
    return html.section("curves", "Curves", html.grid(shown), rest)


def line_styles(run: RunRecord) -> dict[str, int]:
    """Network -> number of its colour and dash."""
    return {name: i % _STYLES for i, name in enumerate(run.networks)}


def _name(key: str) -> str:
    return key.partition("/")[2]


def _group(run: RunRecord, prefix: str, title: str, styles: Mapping[str, int]) -> Markup:
    """All figures of a prefix in one chart; lines that lie on each other are one, with both names."""
    same: dict[tuple[object, ...], list[str]] = {}
    for key in run.keys(prefix):
        steps, values = run.series(key)
        same.setdefault((*steps, *values), []).append(key)
    keys = {", ".join(map(_name, together)): together[0] for together in same.values()}
    if len(keys) == 1:
        title = f"{title}: {next(iter(keys))}"
    own = {name: styles[name] for name in keys if name in styles}
    return _figure(run, title, keys, own)


def _figure(
    run: RunRecord, title: str, keys: Mapping[str, str], styles: Mapping[str, int], *, percent: bool = False
) -> Markup:
    drawn = []
    for i, (name, key) in enumerate(keys.items()):
        steps, values = run.series(key)
        if steps:
            drawn.append(Line(name, steps, values, styles.get(name, (i + (2 if len(keys) > 1 else 0)) % _STYLES)))
    if not drawn:
        return Markup("")
    last = "; ".join(f"{line.name} {chart.number(line.ys[-1], percent=percent)}" for line in drawn)
    described = f"{title} over the steps. At step {drawn[0].xs[-1]}: {last}."
    return html.figure(chart.lines(drawn, title=described, x_name="step", percent=percent), title)
