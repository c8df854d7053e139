"""Compares recipes over several seeds at one budget:

    python -m jdnet_jax.compare --config=configs/demo.py --recipes=ce,kd,dml,jdnet --seeds=5 --workdir=runs/compared

Each recipe, an argument of the config file, is trained with each seed as `jdnet_jax.main` would, in a separate process
and folder; the same command continues an interrupted comparison. Recipes that need a trained teacher share one that
is trained first. The workdir then holds `comparison.md`, `comparison.json` and `comparison.svg`. `--workdirs=A,B,C`
compares runs that exist. Runs with another budget, data, student, optimiser, schedule or augmentation are refused,
unless --allow_different; what a recipe defines is listed under the table.

Statuses: 0, all runs are there; 1, some failed, the table says which; 2, a mistake; 75, ended by SIGTERM, SIGINT or
SIGHUP.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from jdnet_jax.compare.plan import Run
from jdnet_jax.files import user_files
from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say, show
from jdnet_jax.run.workdir import Workdir, check_name, plain

if TYPE_CHECKING:
    from jdnet_jax.compare.results import Finished

command_line.define_config("The config file; its argument is a recipe. --config.NAME=VALUE holds for all of them.")
flags.declare_key_flag("config")  # --help lists it
_RECIPES = flags.DEFINE_list("recipes", None, "The recipes, such as ce,kd,jdnet: arguments of the config file.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "How many seeds: 0, 1, ...", lower_bound=1)
_WORKDIR = flags.DEFINE_string("workdir", None, "The folder of the comparison.")
_WORKDIRS = flags.DEFINE_list("workdirs", None, "Instead of a config: the folders of finished runs.")
_BASELINE = flags.DEFINE_string("baseline", "ce", "The recipe that the others are compared with.")
_JOBS = flags.DEFINE_integer("jobs", 1, "How many runs beside each other.", lower_bound=1)
_CORES = flags.DEFINE_integer("cores", 0, "CPU cores for each run, its own; 0: all, shared. Linux.", lower_bound=0)
_ALLOW_DIFFERENT = flags.DEFINE_bool(
    "allow_different", False, "Compare runs of different budgets, data or optimisers all the same."
)


def main(argv: list[str]) -> int:
    """Trains what is not trained yet, prints and writes the comparison, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: recipes are named as --recipes=ce,jdnet")
    return _existing(_WORKDIRS.value) if _WORKDIRS.value else _trained()


def _existing(paths: Sequence[str]) -> int:
    from jdnet_jax.compare import results

    if flags.FLAGS["config"].value is not None or _RECIPES.value:
        raise UserError(
            "--workdirs compares finished runs: leave out --config and --recipes, or train with these two and without "
            "--workdirs"
        )
    runs = [results.read(Workdir(path)) for path in paths]
    notes = [*_refuse(results.unlike_runs(runs)), *results.ended_early(runs)]
    recipes = list(dict.fromkeys(run.recipe for run in runs))
    _check_baseline(recipes)
    _conclude(runs, recipes, {}, notes, Path(_WORKDIR.value) if _WORKDIR.value else None)
    return 0


def _trained() -> int:
    from jdnet_jax.compare import arms, launch, plan, results
    from jdnet_jax.process.interruption import EXIT_STATUS

    command_line.required_config()
    if not _RECIPES.value:
        raise UserError("--recipes is missing: name the arguments of the config to compare, such as --recipes=ce,jdnet")
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: name a folder for the comparison")
    _check_baseline(_RECIPES.value)
    _check_cores()
    folder = user_files.expanded(check_name(_WORKDIR.value)).absolute()
    file = command_line.config_file()
    options = file.partition(":")[2]
    if options and not all("=" in option for option in options.split(",")):
        raise UserError(f"--config={file}: leave out the recipe, which --recipes names")
    overrides = _overrides(sys.argv[1:])
    if any(override.startswith("--config.seed=") for override in overrides):
        raise UserError("--config.seed: a comparison has the seeds 0 to --seeds less 1: leave it out")
    runs = plan.make(file, _RECIPES.value, _SEEDS.value, overrides, folder)
    compared = [run for run in runs if run.recipe]
    _refuse(arms.unlike({run.name: plain(run.config) for run in compared}))
    plan.claim(runs)
    launcher = launch.Launcher(folder, _JOBS.value, _CORES.value, say)
    ended = launcher.run_all(runs)
    if not ended:
        say("interrupted: the same command goes on from here")
    finished = [results.read(run.place, run.recipe) for run in compared if run.place.finished() is not None]
    notes = [*_refuse(results.unlike_runs(finished)), *results.ended_early(finished)]
    missing = {recipe: _missing(compared, recipe, launcher.failed) for recipe in _RECIPES.value}
    _conclude(finished, _RECIPES.value, missing, notes, folder)
    if not ended:
        return EXIT_STATUS
    return 1 if any(missing.values()) else 0


def _missing(runs: Sequence[Run], recipe: str, failed: dict[str, str]) -> list[str]:
    gone = [run.name for run in runs if run.recipe == recipe and run.place.finished() is None]
    return [f"{name} ({failed.get(name, 'not begun')})" for name in gone]


def _refuse(lines: Sequence[str]) -> list[str]:
    """Refuses differences between the runs, or prints them as notes where they are allowed."""
    if lines and not _ALLOW_DIFFERENT.value:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise UserError(
            f"{lines[0]}{more}: compare runs with the same budget, data and training settings, or add --allow_different"
        )
    notes = [f"note: {line}" for line in lines]
    for note in notes:
        say(note)
    return notes


def _conclude(
    runs: Sequence[Finished],
    recipes: Sequence[str],
    missing: dict[str, list[str]],
    notes: Sequence[str],
    folder: Path | None,
) -> None:
    from jdnet_jax.compare import arms, figure, table
    from jdnet_jax.files import atomic

    rows = table.rows(runs, recipes, _BASELINE.value, missing)
    one_of_each = {run.recipe: run for run in reversed(runs)}
    described = [arms.described(name, one_of_each[name].config) for name in recipes if name in one_of_each]
    text = table.markdown(rows, _BASELINE.value, [*described, *notes])
    show(text.removesuffix("\n"))
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "comparison.md", text)
    told = {"baseline": _BASELINE.value, "recipes": rows, "defined": described, "notes": list(notes)}
    atomic.write_text(folder / "comparison.json", json.dumps(told, indent=2) + "\n")
    atomic.write_text(folder / "comparison.svg", figure.draw(rows, _BASELINE.value))
    say(f"{folder}: comparison.md, comparison.json, comparison.svg")


def _check_baseline(recipes: Sequence[str]) -> None:
    if _BASELINE.value not in recipes:
        raise UserError(f"--baseline={_BASELINE.value} is not compared: name one of {', '.join(recipes)}, or add it")


def _check_cores() -> None:
    if not _CORES.value:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise UserError("--cores needs Linux: leave it out")
    there = len(os.sched_getaffinity(0))
    if _CORES.value * _JOBS.value > there:
        raise UserError(
            f"--cores={_CORES.value} x --jobs={_JOBS.value} are more than the {there} cores of this machine"
        )


def _overrides(arguments: Sequence[str]) -> list[str]:
    """The flags among `arguments` that set values of the config, each as one word."""
    overrides: list[str] = []
    takes_value = False
    for argument in arguments:
        if takes_value and not argument.startswith("-"):
            overrides[-1] += f"={argument}"
            takes_value = False
            continue
        is_override = argument.lstrip("-").startswith(("config.", "noconfig.")) and argument.startswith("-")
        if is_override:
            overrides.append(argument)
        takes_value = is_override and "=" not in argument
    return overrides


if __name__ == "__main__":
    command_line.run(main)
