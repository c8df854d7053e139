"""Trains a teacher and a student together: `python -m jdnet_jax.main --config=configs/demo.py`.

The same command continues an interrupted run. With `--folds=5` it trains five students on a folder of photos, so that
each photo is tested on once, by one that has not seen it; the workdir then holds a run for each fold, and `folds.md`.

After SIGTERM or SIGINT (Ctrl-C) it finishes the step, saves everything, and exits with status 75. A second signal ends
it at once, and so does the first one if there is nothing to save; the run then continues from the checkpoint before. If
one of several processes that train together dies, the others stop with status 75; if one fails, with 2. Other statuses:
0 the run is finished, 2 a mistake, which the last line explains.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from absl import flags, logging
from ml_collections import ConfigDict

from jdnet_jax.config import check, recipes
from jdnet_jax.files import user_files
from jdnet_jax.process import command_line, config_files, log
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.interruption import EXIT_STATUS, Interrupted, Interruption
from jdnet_jax.process.progress import say, show
from jdnet_jax.run.workdir import check_name

__doc__ = f"{__doc__}\nRecipes, the argument of most configs (--config=FILE:RECIPE):\n{recipes.text()}\n"

command_line.define_config("The run's config file, such as configs/demo.py.")
flags.declare_key_flag("config")  # --help lists it
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder. Default: runs/<name of the config file>.")
_FOLDS = flags.DEFINE_integer("folds", 0, "Cross-validation: how many parts a folder of photos is divided into.")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, for a run of several processes.")
_PROCESSES = flags.DEFINE_integer("processes", None, "How many processes train together.", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process", None, "The number of this process, from 0.", lower_bound=0)


def main(argv: list[str]) -> int:
    """Trains, and returns the exit status."""
    if len(argv) > 1:
        raise UserError(f"unexpected argument {argv[1]!r}: options begin with --, such as --config={argv[1]}")
    config = command_line.required_config()
    check.check(config)  # before anything is made, or JAX imported
    if _FOLDS.value:
        return _cross_validate(config)
    workdir = str(user_files.expanded(check_name(_WORKDIR.value or _default_workdir())))
    _log_to(Path(workdir))
    with Interruption():  # importing, and waiting for the other processes, can take long; the run listens separately
        command_line.set_up_libraries()

        from jdnet_jax import train
        from jdnet_jax.process import together
        from jdnet_jax.run import outcome

        together.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
        try:
            with together.together():
                summary = train.train_and_evaluate(config, workdir, _command())
        except Interrupted as interrupted:
            say(str(interrupted))
            return EXIT_STATUS
    if not together.is_first():
        return 0
    show(outcome.conclusion(summary, workdir))
    named = config_files.shortest(command_line.config_file())
    show(_next_steps(workdir, named, summary["recipe"], config.dataset.data_dir))
    return 0


def _cross_validate(config: ConfigDict) -> int:
    if _FOLDS.value < 2:
        raise UserError(f"--folds={_FOLDS.value}: the photos are divided into 2 parts or more; 5 is usual")
    if _PROCESSES.value or _COORDINATOR.value:
        raise UserError("--folds trains in separate processes: leave out --coordinator, --processes and --process")

    from jdnet_jax.compare import folds

    workdir = user_files.expanded(check_name(_WORKDIR.value or f"{_default_workdir()}-folds")).absolute()
    return folds.run(config, _FOLDS.value, workdir, say, show)


def _default_workdir() -> str:
    name, _, argument = Path(command_line.config_file()).name.partition(":")
    return str(Path("runs") / "-".join([Path(name).stem, *([argument] if argument else [])]))


def _command() -> str:
    return f"{command_line.shown('main')} {shlex.join(sys.argv[1:])}"


def _log_to(workdir: Path) -> None:
    """Logs to files in the workdir; the first line of each warning also goes to the screen."""
    logs = workdir / "logs"
    logging.use_absl_handler()
    try:
        logs.mkdir(parents=True, exist_ok=True)
        command_line.log_printable()
        logging.get_absl_handler().use_absl_log_file("main", str(logs))
    except OSError as error:
        reason = error.strerror or "nothing can be written there"  # as absl says it, without a number
        raise UserError(f"--workdir={workdir} cannot be made or written to ({reason}): choose another") from error
    logging.set_verbosity(logging.INFO)
    logging.set_stderrthreshold("fatal")
    log.show_warnings()


def _next_steps(workdir: str, config: str, recipe: str, data_dir: str = "") -> str:
    """The next steps with the trained student, as commands that work as printed.

    Args:
        workdir: workdir of the run.
        config: the value of `--config`, with its argument.
        recipe: recipe of the run.
        data_dir: folder of its data; '' where the config needs none.
    """
    data = f" --config.dataset.data_dir={shlex.quote(data_dir)}" if data_dir else ""
    place = shlex.quote(workdir)
    train, stage = command_line.shown("main"), config.partition(":")[2].split(",")
    name = shlex.quote(config.partition(":")[0])
    steps = {
        "a file for a phone": f"{command_line.shown('export')} --from={place} --format=tflite --output=student.tflite",
        "a page with the camera": f"{command_line.shown('demo')} --model={place}",
        "what the student sees in a photo": f"{command_line.shown('predict')} --model={place} photo.jpg",
        "each class on test": f"{command_line.shown('evaluate')} --model={place}",
    }
    if "stage=teacher" in stage:
        steps = {
            "another teacher": f"{train} --config={name}:stage=teacher,model=NAME{data}",
            "when all are trained, the student": f"{train} --config={name}{data}",
        }
    elif recipe in recipes.MEAL_RECIPES:
        steps["without discriminators"] = f"{train} --config={name}:meal_none{data}"
    elif recipe != "ce" and not stage[0]:
        steps["the student without its teacher, to compare"] = f"{train} --config={name}:ce{data}"
    return "\n".join(["next:", *(f"  {what + ':':<46} {command}" for what, command in steps.items())])


def run(argv: list[str] | None = None) -> None:
    """Runs the command by `command_line.run`."""
    command_line.run(main, argv)


if __name__ == "__main__":
    run()
