"""Cross-validation of a folder of photos: one training for each fold, tested on the photos that were held out of it.

Together they test every photo once, which uses few photos best (Stone, JRSS B, 1974). The result is the accuracy of
the recipe on such photos. To get one student, train without `--folds`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from jdnet_jax.compare import launch, plan, results
from jdnet_jax.compare.plan import Run
from jdnet_jax.compare.results import Finished
from jdnet_jax.config import check
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.figures import classification, intervals
from jdnet_jax.files import array_file, atomic, user_files
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.interruption import EXIT_STATUS
from jdnet_jax.run.workdir import TEST_ANEW, Workdir

FOLDER = "image_folder"  # the dataset that knows folds


def run(config: ConfigDict, folds: int, folder: Path, say: Callable[[str], None], show: Callable[[str], None]) -> int:
    """Trains the folds that are not trained yet, one after the other, and writes `folds.md` and `folds.json`.

    Args:
        config: config of each fold's training.
        folds: number of folds, at least 2.
        folder: folder of the cross-validation; each fold has a workdir in it. The same call continues it.
        say: takes a line for the user who waits.
        show: takes the table.

    Returns:
        the exit status of the command: 0, all folds are there; 1, some failed; EXIT_STATUS, it was interrupted.

    Raises:
        UserError: the config has no folds, the folder holds something else, or the photos have changed meanwhile.
    """
    runs = make(config, folds, folder)
    plan.claim(runs)
    launcher = launch.Launcher(folder, 1, 0, say)
    ended = launcher.run_all(runs)
    if not ended:
        say("interrupted: the same command goes on from here")
    there = [results.read(one.place, one.recipe) for one in runs if one.place.finished() is not None]
    missing = [one.name for one in runs if one.place.finished() is None]
    if there:
        figures = pooled(there)
        failed = [f"{name} ({launcher.failed.get(name, 'not begun')})" for name in missing]
        text = markdown(figures, folds, failed)
        show(text.removesuffix("\n"))
        atomic.write_text(folder / "folds.md", text)
        atomic.write_text(folder / "folds.json", json.dumps({**figures, "missing": failed}, indent=2) + "\n")
        say(f"{folder}: folds.md, folds.json, and the run of each fold")
    if not ended:
        return EXIT_STATUS
    return 1 if missing else 0


def make(config: ConfigDict, folds: int, folder: Path) -> list[Run]:
    """The runs, one for each fold; see `run` for the arguments.

    Raises:
        UserError: the config has no folds, the folder is that of a run, or a network begins with a run on these photos.
    """
    name = config.dataset.name
    if name != FOLDER:
        raise UserError(f"--folds divides a folder of photos, but config.dataset.name is {name!r}: use {FOLDER!r}")
    if (folder / "config.json").exists():
        raise UserError(f"--workdir={folder} is the folder of one run: name another for the folds")
    for owner, entry in {STUDENT: config.student, **config.teachers}.items():
        init = entry.init if isinstance(entry.init, str) else entry.init.to_dict()
        if _learned_from(config.dataset.data_dir, init):
            raise UserError(
                f"--folds: {owner} begins with {init}, which was trained on these photos, those of most "
                "folds' tests: begin with weights from elsewhere, or train without --folds"
            )
    runs = []
    for fold in range(folds):
        fold_config = config.copy_and_resolve_references()
        fold_config.unlock()
        fold_config.dataset.options = {**config.dataset.options, "folds": folds, "fold": fold}
        check.check(fold_config)
        runs.append(
            Run(f"fold-{fold}", fold_config.recipe, fold_config.seed, fold_config, Workdir(folder / f"fold-{fold}"))
        )
    return runs


def _learned_from(photos: str, init: Any) -> bool:
    """Whether initial weights, of a branch too, are those of a run, or of its hand-off, on this folder of photos."""
    if not isinstance(init, str):
        return any(_learned_from(photos, part) for part in init.values())
    folder = user_files.expanded(init)
    for place in (Workdir(folder), Workdir(folder.parent)) if folder.is_dir() else ():
        if place.config.is_file():
            there = place.read_config("put back a copy, or begin with other weights")["dataset"]["data_dir"]
            return bool(there) and user_files.expanded(there).resolve() == user_files.expanded(photos).resolve()
    return False


def pooled(runs: Sequence[Finished]) -> dict[str, Any]:
    """The results of the finished folds, for each and pooled.

    Args:
        runs: at least one.

    Returns:
        `folds`: for each `fold`, `count`, and `top1` and `macro_f1` of every network on its test; `count`: photos that
        were tested on; `networks`: name -> `top1`, `top1_interval` (Wilson's, of all these photos) and `macro_f1`, from
        the sum of the folds' confusion matrices.

    Raises:
        UserError: the folds are of different photos, or a file of one is damaged.
    """
    first = runs[0]
    for run in runs[1:]:
        if _photos(run) != _photos(first):
            raise UserError(
                f"{run.path} was trained on other photos than {first.path}: delete the folds that were trained before "
                "the photos changed"
            )
    totals: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    for run in runs:
        arrays = array_file.read(run.path / "evaluation.npz", TEST_ANEW)
        entries = {STUDENT: run.summary["student"], **run.summary["teachers"]}
        for name in entries:
            counts = arrays[f"confusion/{name}"].astype(np.int64)
            totals[name] = totals[name] + counts if name in totals else counts
        rows.append(
            {
                "fold": run.config["dataset"]["options"]["fold"],
                "count": run.summary["student"]["test"]["count"],
                "networks": {n: {key: e["test"][key] for key in ("top1", "macro_f1")} for n, e in entries.items()},
            }
        )
    networks = {}
    for name, counts in totals.items():
        hits, count = int(np.trace(counts)), int(counts.sum())
        networks[name] = {
            "top1": hits / count,
            "top1_interval": list(intervals.wilson(hits, count)),
            "macro_f1": classification.macro_f1(counts),
        }
    return {"folds": rows, "count": sum(row["count"] for row in rows), "networks": networks}


def markdown(figures: dict[str, Any], folds: int, missing: Sequence[str] = ()) -> str:
    """The table of the folds with an explanation, as Markdown.

    Args:
        figures: from `pooled`.
        folds: number of folds in all.
        missing: names of the folds that are not there, with the reason.
    """
    names = list(figures["networks"])
    heads = ["fold", "test photos", *(f"{name}: {what}" for name in names for what in ("top-1", "macro-F1"))]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    rows = [*figures["folds"], {"fold": "all", "count": figures["count"], "networks": figures["networks"]}]
    for row in rows:
        cells = [str(row["fold"]), f"{row['count']:,}"]
        for name in names:
            entry = row["networks"][name]
            cells += [intervals.share(entry["top1"], row["count"]), f"{entry['macro_f1']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    top1 = [row["networks"][STUDENT]["top1"] for row in figures["folds"]]
    lines += [
        "",
        f"Each photo was tested on once, by a student that had not seen it; {folds} trainings. In brackets the 95 % "
        f"interval (Wilson). The students had {100 * min(top1):.3g} to {100 * max(top1):.3g} %. A class with one photo "
        "is never tested. All of this holds for photos like these: test with photos from another day, too.",
        *(f"- missing: {line}" for line in missing),
    ]
    return "\n".join(lines) + "\n"


def _photos(run: Finished) -> str:
    """The digest of the photos that a fold was trained on, from the end of its dataset's name."""
    return run.protocol.partition(":")[0].rpartition("_")[2]
