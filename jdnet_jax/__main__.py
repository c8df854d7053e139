"""All commands by one name: `jdnet COMMAND ...`, which is `python -m jdnet_jax.COMMAND ...`; `jdnet` lists them.

`jdnet train PHOTOS` is `python -m jdnet_jax.main --config=image_folder --config.dataset.data_dir=PHOTOS`. This module
imports neither JAX nor TensorFlow.
"""

from __future__ import annotations

import difflib
import runpy
import sys

from jdnet_jax.process import command_line

#: Command -> its module, what it takes, and what it does.
COMMANDS = {
    "train": (
        "main",
        "PHOTOS [--folds=5] | --config=NAME",
        "train a student and its teacher; the same command continues a run",
    ),
    "check": ("check", "PHOTOS", "what training would make of a folder of photos, before it: counts, split, copies"),
    "predict": (
        "predict",
        "--model=RUN PHOTO ...",
        "the most probable classes, and where the student looked",
    ),
    "evaluate": ("evaluate", "--model=RUN", "accuracy on a split or on a folder of photos, clean or perturbed"),
    "export": ("export", "--from=RUN --format=tflite --output=FILE", "the student as a file for a phone or a browser"),
    "demo": ("demo", "--model=RUN", "the student in a web page, with the camera"),
    "push": ("push", "OWNER/NAME --from=RUN", "the student on the Hugging Face hub, with a page about it"),
    "report": ("report", "--workdir=RUN", "the run as one HTML file, also while it goes on"),
    "compare": ("compare", "--config=NAME --recipes=ce,jdnet", "several recipes over several seeds, in one table"),
    "segment": ("segment", "--input=PHOTOS --output=MASKS", "masks of the food in photos"),
    "models": ("models", "[NAME ...]", "the networks: parameters, multiply-adds, stages"),
    "benchmark": ("benchmark", "MODE --config=NAME", "what this machine does with a config"),
}


def main() -> None:
    """Runs the command that the first argument names, with the remaining arguments."""
    _, *arguments = sys.argv
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return
    name, *rest = arguments
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        print(f"error: there is no command {name!r}: {hint}the commands are {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"jdnet {name}", *rest]
    if name == "train":
        sys.argv = command_line.with_photos(sys.argv)
    command_line.started_as_jdnet = True
    runpy.run_module(f"jdnet_jax.{COMMANDS[name][0]}", run_name="__main__", alter_sys=True)


def overview() -> str:
    """The overview of the commands, with arguments and purpose."""
    lines = ["jdnet: train a large teacher and a small student together, so that the student recognises food", ""]
    for name, (_, takes, does) in COMMANDS.items():
        lines += [f"  jdnet {name} {takes}", f"      {does}"]
    return "\n".join([*lines, "", "jdnet COMMAND --help says what each takes."])


if __name__ == "__main__":
    main()
