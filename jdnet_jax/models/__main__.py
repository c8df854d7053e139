"""The model zoo as a table: `python -m jdnet_jax.models`, or some of it: `... resnet50 'mobilenetv2_*'`.

Each network's parameters, multiply-adds for one image of its size, mean and deviation of the input (RGB in [0, 255]),
what its activation map is, and the feature maps that a student and a teacher can be compared by. Nothing is allocated.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence

from absl import flags

from jdnet_jax.process import command_line
from jdnet_jax.process.errors import UserError, unknown
from jdnet_jax.process.progress import Progress

_CLASSES = flags.DEFINE_integer("classes", 1000, "Length of the logits.", lower_bound=1)
_JSON = flags.DEFINE_bool("json", False, "Print one JSON object for each network, a line each.")


def main(argv: list[str]) -> int:
    """Prints the table, and returns the exit status."""
    command_line.log_warnings_only()

    from jdnet_jax.models import catalogue, names

    chosen = _matching(argv[1:], names())
    if not _JSON.value:
        print(catalogue.head())
    with Progress(len(chosen), 1).alive("describing") as now:
        for number, name in enumerate(chosen, 1):
            now(f"describing: network {number} of {len(chosen)}, {name},")
            row = catalogue.describe(name, _CLASSES.value)
            print(json.dumps(row) if _JSON.value else catalogue.line(row), flush=True)
    return 0


def _matching(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that match any of the patterns (as in a shell); all names if there are no patterns."""
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise UserError(unknown("model", pattern, names))
    return [name for name in names if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


if __name__ == "__main__":
    command_line.run(main)
