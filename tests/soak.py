"""Many kills: runs that are killed again and again must end with the same bits and lines as an untouched one.

    python -m tests.soak KILLS [SEED]

Each run gets ten kills at drawn moments (while compiling, in a step, in a save, in an evaluation) and is then compared
with the untouched run. Prints one line a kill and a table at the end; exit status 1 at the first difference. A kill
takes as long as a start of the program, about ten seconds on an idle core.
"""

import random
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests import kills

KILLS_PER_RUN = 10


def main(wanted: int, seed: int = 0) -> int:
    """Returns the exit status."""
    rng = random.Random(seed)
    args = (*kills.FLAGS, "--config.steps=120")
    done: list[kills.Kill] = []
    with tempfile.TemporaryDirectory(prefix="jdnet-jax-soak-") as name:
        folder = Path(name)
        prepared = str(folder / "tfds")  # by the untouched run
        kills.train_to_the_end(args, folder / "untouched", prepared)
        untouched = kills.result(folder / "untouched")
        while len(done) < wanted:
            workdir = folder / f"after-{len(done)}"
            for _ in range(min(KILLS_PER_RUN, wanted - len(done))):
                moment = rng.choice(kills.MOMENTS)
                kill = kills.kill_once(args, workdir, prepared, moment, rng)
                if kill is None:
                    break
                done.append(kill)
                start = "" if kill.start is None else f", {kill.start:.1f} s after the start to the first step"
                print(f"kill {len(done)}/{wanted}: {moment}{start}", flush=True)
            kills.train_to_the_end(args, workdir, prepared)
            if kills.result(workdir) != untouched:
                print(f"{workdir} differs from the untouched run after kill {len(done)} (seed {seed})")
                return 1
    starts = [kill.start for kill in done if kill.start is not None]
    moments = ", ".join(f"{count} {moment}" for moment, count in sorted(Counter(kill.moment for kill in done).items()))
    print(f"{len(done)} kills ({moments}): every run ended with the same bits and lines; sha256 {_digest(untouched)}")
    if starts:
        print(f"from a start to the end of its first step: median {statistics.median(starts):.1f} s")
    return 0


def _digest(result: list[dict]) -> str:
    return result[0]["student"]["sha256"]


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
