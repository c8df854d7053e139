"""The section on calibration: a reliability diagram of the student before and after temperature scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from markupsafe import Markup

from jdnet_jax.figures import calibration, rejection
from jdnet_jax.report import chart, html
from jdnet_jax.report.chart import Line
from jdnet_jax.report.run_record import RunRecord


def section(run: RunRecord) -> Markup:
    """The diagram on test; a sentence where the run is not finished."""
    name, title = "calibration", "Calibration"
    if not run.evaluation or run.summary is None:
        return html.section(name, title, html.paragraph("The temperature is fitted when the run is finished."))
    calibrated = run.summary["student"]["calibration"]
    errors = calibrated["test"]
    hits = run.evaluation["test/prediction"] == run.evaluation["test/label"]
    drawn = [_line("temperature 1", run.evaluation["test/confidence"], hits, 1)]
    described = (
        f"Reliability of the student on test. Expected calibration error {errors['ece_before']:.4f} at temperature 1"
    )
    if calibrated["temperature"] != 1.0:
        drawn.append(_line(f"temperature {calibrated['temperature']:.2f}", run.evaluation["test/calibrated"], hits, 0))
        described += f", {errors['ece_after']:.4f} at {calibrated['temperature']:.3f}"
    described += "."
    whole = (0.0, 1.0)
    drawing = chart.lines(
        drawn,
        title=described,
        x_name="probability of the answer",
        percent=True,
        x_percent=True,
        x_range=whole,
        y_range=whole,
        diagonal=True,
    )
    return html.section(
        name,
        title,
        html.paragraph(
            "Across: the probability that the student gives its answer. Up: the share of those answers that are right. "
            "On the diagonal the probabilities can be trusted; below it the student is overconfident. The temperature, "
            f"which changes no answer, is {calibration.origin(calibrated, run.summary['student']['val']['count'])}."
        ),
        html.grid([html.figure(drawing, described)]),
        _none_of_these(run.summary["student"].get("not_sure")),
    )


def _none_of_these(rejected: Mapping[str, Any] | None) -> Markup:
    """The cost of the threshold on probabilities; empty for a run of an earlier version."""
    if rejected is None:
        return Markup("")
    said = (
        "Photos of other things: the student answers every photo, even one that shows none of its classes; "
        f"{rejection.origin(rejected)}."
    )
    if rejected["below"]:
        said += (
            f" Its cost on test: {rejection.cost(rejected['test'])}. How many photos of other things it rejects is not "
            "known, as there were none: give some to predict, which counts them."
        )
    return html.paragraph(said)


def _line(name: str, confidence: Float[np.ndarray, " n"], hits: Bool[np.ndarray, " n"], style: int) -> Line:
    bins = calibration.bins(confidence, hits)
    filled = bins.count > 0
    mean, share, count = (values[filled].tolist() for values in (bins.confidence, bins.accuracy, bins.count))
    notes = [
        f"{html.cell(m)} sure, {html.cell(s)} right ({c:,} photos)" for m, s, c in zip(mean, share, count, strict=True)
    ]
    return Line(name, mean, share, style, notes)
