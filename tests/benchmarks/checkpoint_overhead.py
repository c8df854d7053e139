"""What checkpoints cost: the share of a run's time that goes to writing them.

    taskset -c 0 python -m tests.benchmarks.checkpoint_overhead --config=configs/demo.py --runs=3

A run is trained as always, but saves only at every other of its checkpoints, so that periods with and without a save
take turns within it: two runs of one config may differ in speed by a third on a shared machine, two neighbouring
periods hardly. A period begins just before the state is handed over and ends just before the next checkpoint would be,
so it holds the copy of the state, the steps during which it is written, and an evaluation where there is one. The
share is that of pairs of neighbouring periods. The data must be prepared, and nothing else may run.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from unittest import mock

import numpy as np
from absl import flags

from jdnet_jax.process import command_line

command_line.define_config("The config to train.")
_RUNS = flags.DEFINE_integer("runs", 3, "How many runs; every other begins without a save.", lower_bound=1)


def main(argv: list[str]) -> int:
    """Prints the table."""
    config = command_line.required_config()
    command_line.log_warnings_only()
    command_line.set_up_libraries()

    import jax

    from jdnet_jax import train

    config.select = "last"  # half of the checkpoints are missing

    def periods(first_saves: bool) -> list[tuple[bool, float]]:
        """Of one run: whether each period began with a save, and its seconds."""
        began: list[tuple[bool, float]] = []
        save = train.Checkpoints.save

        def every_other(self, state, *rest):
            jax.block_until_ready(state)
            saves = first_saves == (len(began) % 2 == 0)
            began.append((saves, time.monotonic()))
            if saves:
                save(self, state, *rest)

        with (
            tempfile.TemporaryDirectory(prefix="jdnet-jax-overhead-") as workdir,
            mock.patch.object(train.Checkpoints, "save", every_other),
        ):
            train.train_and_evaluate(config, workdir)
        return [(saves, end - start) for (saves, start), (_, end) in itertools.pairwise(began)]

    shares: list[float] = []
    seconds: list[float] = []
    for number in range(_RUNS.value):
        # The first period holds what every run does once.
        measured = periods(first_saves=number % 2 == 0)[1:]
        for (saves, one), (_, other) in zip(measured[::2], measured[1::2], strict=False):
            with_save, without = (one, other) if saves else (other, one)
            shares.append((with_save - without) / with_save)
            seconds += [one, other]
        listed = ", ".join(f"{took:.2f}{' with a save' if saves else ''}" for saves, took in measured)
        print(f"run {number + 1}, seconds of its periods: {listed}", flush=True)
    low, high = np.quantile(_bootstrap_medians(shares), (0.025, 0.975))
    print(
        f"a save takes {statistics.median(shares):+.2%} of its period of {statistics.median(seconds):.2f} s "
        f"(median of {len(shares)} pairs; 95 % bootstrap interval {low:+.2%} to {high:+.2%})"
    )
    return 0


def _bootstrap_medians(shares: list[float]) -> np.ndarray:
    draws = np.random.default_rng(0).integers(len(shares), size=(10_000, len(shares)))
    return np.median(np.asarray(shares)[draws], axis=1)


if __name__ == "__main__":
    command_line.run(main, sys.argv)
