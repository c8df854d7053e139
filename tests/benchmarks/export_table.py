"""A run's student in every format: size, latency, accuracy on the whole test split, agreement with the student.

    python -m tests.benchmarks.export_table WORKDIR [--seconds=10]

The run's dataset must be prepared. A row for the hand-off and for each format that can be exported here; `agreement` is
the share of test photos that are given the student's class. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from jdnet_jax import data
from jdnet_jax.benchmark import student
from jdnet_jax.export import exporter, formats
from jdnet_jax.inference.open import open_model
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir


def test_split(workdir: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the run's whole test split."""
    card = open_model(workdir).card
    dataset = data.prepare(Workdir(workdir).dataset_config())
    batches = [
        *data.eval_batches(dataset, "test", batch_size=64, image_size=card.image_size, crop_fraction=card.crop_fraction)
    ]
    images, labels, mask = (np.concatenate([batch[key] for batch in batches]) for key in ("image", "label", "mask"))
    return images[mask], labels[mask]


def exports(workdir: Path, folder: Path) -> dict[str, Path]:
    """The hand-off and every file that can be exported, by what the table calls them."""
    found = {"hand-off (Flax float32)": workdir}
    for name, entry in [(name, entry) for name, entry in formats.FORMATS.items() if entry.runs_here]:
        for quantize in entry.quantizations:
            output = folder / f"{name}-{quantize}{entry.suffix}"
            try:
                exporter.export(exporter.Request(workdir, name, quantize, output, allow_loss=True))
            except UserError as error:
                print(f"{name} {quantize} is left out: {error}", flush=True)
                continue
            found[f"{name} {formats.DTYPES[quantize]}"] = output
    return found


def report(workdir: Path, seconds: float, folder: Path) -> None:
    """Prints the table."""
    images, labels = test_split(workdir)
    print("| format | MB | ms, 1 CPU, median (90 %) | peak MB | top-1 on test | agreement | largest difference |")
    print("|---|---|---|---|---|---|---|")
    theirs = None
    for name, path in exports(workdir, folder).items():
        row = student.measure_one(path, name, [1], seconds)
        probabilities = open_model(path).run(images).probabilities
        theirs = probabilities if theirs is None else theirs
        top1 = np.mean(probabilities.argmax(axis=1) == labels)
        agreement = np.mean(probabilities.argmax(axis=1) == theirs.argmax(axis=1))
        latency = row["latency"]["1"]
        print(
            f"| {name} | {row['bytes'] / 1e6:.2f} | {latency['median']:.2f} ({latency['p90']:.2f}) | "
            f"{(row['peak_memory'] or 0) / 1e6:.0f} | {top1:.2%} | {agreement:.2%} | "
            f"{np.abs(probabilities - theirs).max():.1e} |",
            flush=True,
        )
    print(f"{len(labels)} test photos of {images.shape[1]} px")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each latency is measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(args.workdir, args.seconds, Path(folder))


if __name__ == "__main__":
    main()
