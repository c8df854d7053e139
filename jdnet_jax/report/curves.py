"""The section of curves: accuracies, every loss term with its weight, learning rates, norms and speed by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from jdnet_jax.report import chart, html
from jdnet_jax.report.chart import Line
from jdnet_jax.report.run_record import RunRecord

_STYLES = 6  # of lines in the style sheet


# Titles of the kinds of loss terms; the network's name follows.
_TERMS = {
    "ce": "cross-entropy",
    "kl": "KL divergence",
    "mskd": "MSKD",
    "ial": "IAL",
    "dist": "DIST",
    "distill": "distillation",
    "similarity": "block similarity",
    "adversarial": "adversarial loss",
}


def section(run: RunRecord) -> Markup:
    """All curves that `metrics.jsonl` has two points for."""
    styles = line_styles(run)
    names = {key: term_name(_name(key), run.networks) for key in run.keys("loss/") if key != "loss/total"}
    shown = [
        _figure(run, "Top-1 on val", {name: f"val/{name}/top1" for name in run.networks}, styles, percent=True),
        _figure(
            run,
            "Top-1 on the training batches, augmented",
            {name: f"accuracy/{name}" for name in run.networks},
            styles,
            percent=True,
        ),
        _figure(run, "Cross-entropy on val", {name: f"val/{name}/loss" for name in run.networks}, styles),
        _figure(run, "Total loss, all terms weighted", {"total": "loss/total"}, {}),
        *[_figure(run, f"{_capital(name)}, unweighted", {name: key}, {}) for key, name in names.items()],
        _group(run, "weight/", "Weights of the terms", styles),
        _group(run, "gradient_share/", "Strength of the gradients into the student, cross-entropy 1", styles),
        _group(run, "gradient_cosine/", "Cosine of the gradients into the student with cross-entropy", styles),
        _group(run, "learning_rate/", "Learning rates", styles),
    ]
    shown = [figure for figure in shown if figure]
    if not shown:
        return html.section("curves", "Curves", html.paragraph("There are no curves before two steps are logged."))
    more = [
        _group(run, "grad_norm/", "Gradient norms", styles),
        _group(run, "param_norm/", "Parameter norms", styles),
        _figure(run, "Training images a second", {"images/s": "images_per_second"}, {}),
    ]
    rest = html.details("Norms and speed", html.grid(filter(None, more))) if any(more) else Markup("")
    constant = [
        html.paragraph(f"{title}, the same at every step: {values}.")
        for prefix, title in (("weight/", "Weights of the terms"), ("learning_rate/", "Learning rates"))
        if (values := _constants(run, prefix))
    ]
    return html.section("curves", "Curves", html.grid(shown), *constant, rest)


def line_styles(run: RunRecord) -> dict[str, int]:
    """Network -> number of its colour and dash."""
    return {name: i % _STYLES for i, name in enumerate(run.networks)}


def term_name(term: str, networks: Sequence[str]) -> str:
    """The display name of a loss term: `MSKD` for `mskd_teacher`; with the network if several have one.

    Args:
        term: its name in the objective.
        networks: networks of the run.
    """
    kind, _, network = term.partition("_")
    if kind not in _TERMS or not network:
        return term
    if kind == "ce":
        return f"{_TERMS[kind]} of {network}"
    return _TERMS[kind] if len(networks) <= 2 else f"{_TERMS[kind]} with {network}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _name(key: str) -> str:
    return key.partition("/")[2]


def _is_constant(run: RunRecord, key: str) -> bool:
    return len(set(run.series(key)[1])) == 1


def _constants(run: RunRecord, prefix: str) -> str:
    """The figures of a prefix that are the same at every step, in words."""
    constants = {key: run.series(key)[1][0] for key in run.keys(prefix) if _is_constant(run, key)}
    return ", ".join(f"{term_name(_name(key), run.networks)} {chart.number(value)}" for key, value in constants.items())


def _group(run: RunRecord, prefix: str, title: str, styles: Mapping[str, int]) -> Markup:
    """One chart of all changing figures with a prefix; lines that coincide are one, with both names."""
    same: dict[tuple[object, ...], list[str]] = {}
    for key in run.keys(prefix):
        if prefix in ("weight/", "learning_rate/") and _is_constant(run, key):
            continue
        steps, values = run.series(key)
        same.setdefault((*steps, *values), []).append(key)
    keys = {
        ", ".join(term_name(_name(key), run.networks) for key in together): together[0] for together in same.values()
    }
    if len(keys) == 1:
        title = f"{title}: {next(iter(keys))}"
    styled = {name: styles[name] for name in keys if name in styles}
    return _figure(run, title, keys, styled)


def _figure(
    run: RunRecord, title: str, keys: Mapping[str, str], styles: Mapping[str, int], *, percent: bool = False
) -> Markup:
    drawn = []
    for i, (name, key) in enumerate(keys.items()):
        steps, values = run.series(key)
        if len(steps) > 1:  # one point is no curve
            drawn.append(Line(name, steps, values, styles.get(name, (i + (2 if len(keys) > 1 else 0)) % _STYLES)))
    if not drawn:
        return Markup("")
    last = "; ".join(f"{line.name} {chart.number(line.ys[-1], percent=percent)}" for line in drawn)
    described = f"{title} over the steps. At step {drawn[0].xs[-1]}: {last}."
    return html.figure(chart.lines(drawn, title=described, x_name="step", percent=percent), title)
