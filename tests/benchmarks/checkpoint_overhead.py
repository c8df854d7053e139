"""What checkpoints cost: the share of a run's time that goes to writing them.

    python -m tests.benchmarks.checkpoint_overhead --config=configs/demo.py --config.steps=500 --rounds=3

A round trains the config twice, in turns with and without checkpoints at the config's period (by default at every
evaluation), and takes the time from the end of the first step to the end of training: steps, evaluations, and the wait
for the last save. The data must be prepared. Keep both cores free: the saves run beside the steps.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from unittest import mock

from absl import flags

from jdnet_jax import command_line

command_line.define_config("The config to train.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "How many pairs of runs.", lower_bound=1)


def main(argv: list[str]) -> int:
    """Prints the table."""
    config = command_line.required_config()
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    from jdnet_jax import train
    from jdnet_jax.progress import Progress

    config.select = "last"  # without checkpoints there is no other
    times: dict[str, float] = {}

    @contextlib.contextmanager
    def timed() -> Iterator[None]:
        restart_clock, finish = Progress.restart_clock, train._Run.finish

        def first_step_done(self, step):
            times["began"] = time.monotonic()
            restart_clock(self, step)

        def trained(self):
            times["ended"] = time.monotonic()
            return finish(self)

        with (
            mock.patch.object(Progress, "restart_clock", first_step_done),
            mock.patch.object(train._Run, "finish", trained),
        ):
            yield

    def seconds(saves: bool) -> float:
        without = contextlib.nullcontext() if saves else mock.patch.object(train.Checkpoints, "save", _left_out)
        with tempfile.TemporaryDirectory(prefix="jdnet-jax-overhead-") as workdir, timed(), without:
            train.train_and_evaluate(config, workdir)
        return times["ended"] - times["began"]

    shares = []
    for number in range(_ROUNDS.value):
        order = (True, False) if number % 2 else (False, True)
        took = {saves: seconds(saves) for saves in order}
        shares.append((took[True] - took[False]) / took[True])
        print(
            f"round {number + 1}: {took[True]:.2f} s with checkpoints, {took[False]:.2f} s without: {shares[-1]:+.2%}",
            flush=True,
        )
    print(f"checkpoints take {statistics.median(shares):+.2%} of the time (median of {len(shares)} rounds)")
    return 0


def _left_out(self: object, *args: object) -> None:
    """Saves nothing."""


if __name__ == "__main__":
    command_line.run(main, sys.argv)
