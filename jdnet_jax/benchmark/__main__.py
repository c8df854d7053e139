"""Measures what this machine does with a config: `python -m jdnet_jax.benchmark input --config=configs/food101.py`.

`input`: images a second that the training input reaches, stage by stage.
"""

from __future__ import annotations

import contextlib
import json
import sys

from absl import flags

from jdnet_jax import command_line
from jdnet_jax.errors import UserError

KINDS = ("input",)

command_line.define_config("The config to measure, such as configs/food101.py.")
flags.declare_key_flag("config")  # --help lists it
_SECONDS = flags.DEFINE_float("seconds", 10.0, "How long each figure is measured, after a warm-up.", lower_bound=0.1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object instead of a table.")


def main(argv: list[str]) -> int:
    """Measures and prints, and returns the exit status."""
    if len(argv) != 2 or argv[1] not in KINDS:
        raise UserError(f"name what to measure: python -m jdnet_jax.benchmark {'|'.join(KINDS)} --config=...")
    config = command_line.required_config()
    command_line.set_up_libraries()

    from jdnet_jax.benchmark import input_pipeline

    with contextlib.redirect_stdout(sys.stderr):  # where TFDS's words about a preparation belong
        result = input_pipeline.measure(config, _SECONDS.value)
    print(json.dumps(result) if _JSON.value else input_pipeline.table(result))
    return 0


if __name__ == "__main__":
    command_line.run(main)
