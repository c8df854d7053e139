"""Many kills: runs that are killed again and again must end with the same bits and lines as an untouched one.

    python -m tests.soak KILLS [SEED]

Each run gets ten kills at drawn moments (while compiling, in a step, in a save, in an evaluation) and is then compared
with the untouched run. Prints a line a kill and a summary at the end; exit status 1 at the first difference. A kill
takes little longer than a start of the program; with its share of the compared runs 10 to 20 seconds on one core.
"""

import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from jdnet_jax.run import metrics
from tests import kills

KILLS_PER_RUN, STEPS = 10, 120
_BATCH = 8  # of `tests.commands.SMALL`


def main(wanted: int, seed: int = 0) -> int:
    """Returns the exit status."""
    rng, began = random.Random(seed), time.monotonic()
    args = (*kills.FLAGS, f"--config.steps={STEPS}")
    moments: Counter[str] = Counter()
    redone: list[int] = []
    lost: list[float] = []  # seconds
    with tempfile.TemporaryDirectory(prefix="jdnet-jax-soak-") as name:
        folder = Path(name)
        prepared = str(folder / "tfds")  # by the untouched run
        kills.train_to_the_end(args, folder / "untouched", prepared)
        untouched = kills.result(folder / "untouched")
        a_step = _BATCH / metrics.median_throughput(folder / "untouched" / "metrics.jsonl")
        while moments.total() < wanted:
            workdir = folder / f"after-{moments.total()}"
            before = None
            for left in range(min(KILLS_PER_RUN, wanted - moments.total()), -1, -1):
                moment = rng.choice(kills.MOMENTS)
                if left:
                    start = kills.kill_once(args, workdir, prepared, moment, rng)
                else:
                    start = kills.train_to_the_end(args, workdir, prepared)
                if before is not None:
                    redone.append(before.reached - start.resumed)
                    if start.first_step is not None:
                        lost.append(start.first_step + max(0, redone[-1] - 1) * a_step)
                if not start.killed:
                    break
                before = start
                moments[moment] += 1
                print(f"kill {moments.total()}/{wanted}: {moment}, at or after step {start.reached}", flush=True)
            ended = kills.result(workdir)
            if ended != untouched:
                pairs = enumerate(zip(ended, untouched, strict=False))
                entry = next((i for i, (ours, theirs) in pairs if ours != theirs), "at the end")
                print(f"after kill {moments.total()} (seed {seed}) entry {entry} differs from the untouched run's")
                return 1
    by_moment = ", ".join(f"{count} {moment}" for moment, count in sorted(moments.items()))
    print(f"{moments.total()} kills ({by_moment}): every run ended with the same bits and lines")
    print(f"sha256 of the student: {untouched[0]['student']['sha256']}; no step was lost; done again, at least:")
    print(f"  steps a kill: mean {statistics.mean(redone):.1f}, most {max(redone)}")
    print(
        f"  seconds a kill, with the start: mean {statistics.mean(lost):.1f}, most {max(lost):.1f} ({len(lost)} kills)"
    )
    print(f"{(time.monotonic() - began) / moments.total():.1f} s a kill in all")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
