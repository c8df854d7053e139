"""What region of interest and context are worth on `synthetic_meals`: one network on each view, and RveRNet on both.

    python -m tests.benchmarks.rvernet_ablation --seeds=0,1,2 --workdir=runs/rvernet_ablation --config.epochs=8

Trains `configs/rvernet_demo.py` for each view and seed, one after the other; runs that are finished are not run again,
and one that was interrupted goes on. Then it prints a table: top-1 and macro-F1 on test, and the macro-F1 of `ketchup`
against `chili_paste`, which are one sauce: of the test photos of these two, as predicted by the larger of their two
probabilities. A guess at random has about 0.5 there, and a network that always says one of them 0.33. Other flags are
passed on to every run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from jdnet_jax.views import BOTH, CONTEXT, PHOTO, ROI

AMBIGUOUS = ("chili_paste", "ketchup")
VIEWS = (ROI, CONTEXT, PHOTO, BOTH)


def main(argv: list[str]) -> None:
    """Runs what is missing, and prints the table."""
    own = {"--seeds": "0", "--workdir": "runs/rvernet_ablation"}
    passed_on = []
    for argument in argv:
        key, _, value = argument.partition("=")
        if key in own:
            own[key] = value
        else:
            passed_on.append(argument)
    seeds = [int(seed) for seed in own["--seeds"].split(",")]
    figures: dict[str, list[tuple[float, float, float]]] = {}
    for seed in seeds:
        for view in VIEWS:
            workdir = Path(own["--workdir"]) / f"{view}-seed{seed}"
            command = [sys.executable, "-m", "jdnet_jax.main", f"--config=configs/rvernet_demo.py:{view}"]
            subprocess.run([*command, f"--config.seed={seed}", f"--workdir={workdir}", *passed_on], check=True)
            figures.setdefault(view, []).append(measure(workdir))
    print(f"{'view':<12} {'top-1':>16} {'macro-F1':>16} {'F1 of the pair':>16}   seeds {own['--seeds']}")
    for view, rows in figures.items():
        print(f"{view:<12} " + " ".join(f"{spread(column):>16}" for column in zip(*rows, strict=True)))


def measure(workdir: Path) -> tuple[float, float, float]:
    """Top-1 and macro-F1 on test as the run found them, and the macro-F1 of the ambiguous pair."""
    from jdnet_jax import evaluation, views
    from jdnet_jax.inference import flax_runner, labelled_photos
    from jdnet_jax.workdir import Workdir

    place = Workdir(workdir)
    runner = flax_runner.load(workdir)
    pair = [runner.card.classes.index(name) for name in AMBIGUOUS]
    confusion = np.zeros((2, 2), np.int64)
    for batch in labelled_photos.of_dataset(place.dataset_config(), "test", runner.card).batches:
        wanted = batch["mask"] & np.isin(batch["label"], pair)
        if wanted.any():
            images = views.images_for(runner.card.channels, batch)[wanted]
            given = runner.run(images).probabilities[:, pair].argmax(1)
            np.add.at(confusion, ((batch["label"][wanted] == pair[1]).astype(int), given), 1)
    test = json.loads(place.summary.read_text())["student"]["test"]
    return test["top1"], test["macro_f1"], evaluation.macro_f1(confusion)


def spread(values: tuple[float, ...]) -> str:
    """Mean and standard deviation over the seeds, in %; of one seed its value."""
    mean = f"{100 * np.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * np.std(values, ddof=1):.2f}"


if __name__ == "__main__":
    main(sys.argv[1:])
