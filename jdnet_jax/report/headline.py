"""The top of the report: the run, its progress, and its figures in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from jdnet_jax.config.routing import STUDENT
from jdnet_jax.figures import intervals
from jdnet_jax.figures.imbalance import ADVICE, Imbalance
from jdnet_jax.report import html
from jdnet_jax.report.run_record import RunRecord


def section(run: RunRecord) -> Markup:
    """The figures of each network, on test for a finished run, otherwise on val."""
    if run.summary is None:
        return html.section("figures", "So far", _progress(run), _so_far(run))
    entries = {STUDENT: run.summary["student"], **run.summary["teachers"]}
    count = run.summary["student"]["test"]["count"]
    rows = [_row(name, entry) for name, entry in entries.items()]
    heads = ["network", "model", "top-1", "top-5", "macro-F1", "top-1 on val", "parameters", "multiply-adds"]
    return html.section(
        "figures",
        "Figures",
        Markup('<p class="headline"><strong>{}</strong> is the top-1 of the student on test.{} {}</p>').format(
            _top1(run.summary["student"]["test"], always=True),
            _ratio(run.summary),
            "In brackets the 95 % interval.",
        ),
        html.table(
            f"On {count:,} test photo{'s' * (count != 1)}, step {run.summary['step']} of {run.summary['steps']}",
            heads,
            rows,
        ),
        _few_photos(run, count),
        _ended_early(run.summary),
        _probe(run),
        _imbalance(run),
        html.paragraph(_speed(run.summary)),
    )


def _row(name: str, entry: Mapping[str, Any]) -> list[object]:
    test = entry["test"]
    top5 = intervals.share(test["top5"], test["count"], of=False)
    figures = [_top1(test), top5, f"{test['macro_f1']:.3f}", _top1(entry["val"])]
    adds = entry.get("multiply_adds")  # a run that an earlier version finished has none
    return [name, entry["model"], *figures, f"{entry['params'] / 1e6:.2f} M", f"{adds / 1e6:.0f} M" if adds else "–"]


def _top1(scores: Mapping[str, Any], *, always: bool = False) -> str:
    return intervals.share(scores["top1"], scores["count"], always=always)


def _ratio(summary: Mapping[str, Any]) -> str:
    teachers = summary["teachers"]
    if not teachers:
        return ""
    name, entry = max(teachers.items(), key=lambda item: item[1]["params"])
    times = entry["params"] / summary["student"]["params"]
    return f" The network {name}, {times:.1f} times its size, has {_top1(entry['test'], always=True)}."


def _probe(run: RunRecord) -> Markup:
    """The accuracy of the linear probe before training, if the run has one."""
    _, top1 = run.series("val/probe/top1")
    if not top1 or run.summary is None:
        return Markup("")
    share = intervals.share(top1[0], run.summary["student"]["val"]["count"], always=True)
    return html.paragraph(f"Before training, a linear classifier on the student's initial features had {share} on val.")


def _few_photos(run: RunRecord, count: int) -> Markup:
    """Advice on a test with few photos, except for a fold of a cross-validation."""
    dataset = run.config["dataset"]
    if count >= intervals.ENOUGH_PHOTOS or dataset["options"].get("folds"):
        return Markup("")
    return html.paragraph(f"{count} photos are few for a test: {intervals.advice(dataset['name'])}.")


def _ended_early(summary: Mapping[str, Any]) -> Markup:
    return html.paragraph(f"Training {summary['ended_early']['why']}.") if "ended_early" in summary else Markup("")


def _imbalance(run: RunRecord) -> Markup:
    """The imbalance of the classes, if it is known and matters."""
    if run.summary is None or "imbalance" not in run.summary:
        return Markup("")
    imbalance = Imbalance(**run.summary["imbalance"])
    if not imbalance.matters:
        return Markup("")
    dataset, loss = run.config["dataset"], run.config["losses"]["ce"]["options"]
    done = dataset.get("balance") or loss.get("balance")
    said = "training compensates for that" if done else ADVICE
    return html.paragraph(f"Imbalance: {imbalance}; {said}.")


def _speed(summary: Mapping[str, Any]) -> str:
    rate = summary["images_per_second"]
    return f"Training ran at {rate:.0f} images/s (median of the logged ones)." if rate else ""


def _progress(run: RunRecord) -> Markup:
    step = run.lines[-1]["step"] if run.lines else 0
    total = f" of {run.config['steps']}" if run.config["steps"] else f"; {run.config['epochs']:g} epochs in all"
    return html.paragraph(f"The run is not finished: it has logged step {step}{total}. Run report again later.")


def _so_far(run: RunRecord) -> Markup:
    rows = []
    for name in run.networks:
        steps, top1 = run.series(f"val/{name}/top1")
        if steps:
            rows.append([name, top1[-1], max(top1), str(steps[-1])])
    if not rows:
        return Markup("")
    return html.table("On val", ["network", "top-1 now", "best top-1", "at step"], rows)
