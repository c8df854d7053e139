"""A student as TFLite under LiteRT (XNNPACK) against the same network from timm as ONNX under ONNX Runtime.

    JDNET_PARITY_PYTHON=PYTHON python -m tests.benchmarks.tflite_vs_onnxruntime HANDOFF [--calibrate=FOLDER]

PYTHON has timm, torch, onnx, onnxscript and onnxruntime. timm loads the student's exported weights, so that both are
one network. One photo at a time on one CPU. TFLite's figures include normalisation, softmax and activation map; ONNX
Runtime gets normalised images and gives logits. The files are run by turns, five times each, and the figure is the
median of the fastest round: whatever else a machine does can only slow one down.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from jdnet_jax import handoff
from jdnet_jax.benchmark import student
from jdnet_jax.export import exporter
from jdnet_jax.export.exporter import Request
from jdnet_jax.files.size_on_disk import size_on_disk
from tests.benchmarks.other_python import other_python

ROUNDS, SECONDS = 5, 4


def timm(*args: object) -> str:
    """Runs timm_onnxruntime.py and returns what it printed."""
    script = Path(__file__).with_name("timm_onnxruntime.py")
    command = [other_python(), script, *map(str, args)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def compare(source: Path, calibrate: Path | None, work: Path) -> None:
    """Prints a row for each file."""
    _, card = handoff.load(source)
    files = {"TFLite float32": work / "float32.tflite", "TFLite int8": work / "int8.tflite"}
    for quantize, output in zip(("none", "int8"), files.values(), strict=True):
        exporter.export(Request(source, "tflite", quantize, output, calibrate, allow_loss=True))
    weights, onnx = work / "student.safetensors", work / "timm.onnx"
    exporter.export(Request(source, "safetensors", "none", weights))
    timm("export", card.model, weights, len(card.classes), card.image_size, onnx)

    latencies: dict[str, list[float]] = {name: [] for name in ("timm, ONNX Runtime", *files)}
    for _ in range(ROUNDS):
        latencies["timm, ONNX Runtime"].append(json.loads(timm("run", onnx, SECONDS).splitlines()[-1])["median"])
        for row in student.measure([*files.values()], [1], SECONDS)["models"]:
            name = next(name for name, path in files.items() if str(path) == row["model"])
            latencies[name].append(row["latency"]["1"]["median"])
    best = {name: min(found) for name, found in latencies.items()}
    print(f"{card.model}, {card.image_size} px, {len(card.classes)} classes; one photo on one CPU")
    for name, found in latencies.items():
        rounds = ", ".join(f"{value:.2f}" for value in found)
        print(f"  {name:<20}{best[name]:>7.2f} ms   ({rounds})")
    ratio = {name: best[name] / best["TFLite float32"] for name in best}
    print(f"  ONNX Runtime takes {ratio['timm, ONNX Runtime']:.2f} times as long as TFLite float32")
    print(f"  int8 is {1 / ratio['TFLite int8']:.2f} times as fast as float32", end=", ")
    sizes = {name: size_on_disk(path) for name, path in files.items()}
    share = sizes["TFLite int8"] / sizes["TFLite float32"]
    print(f"its file {share:.4f} of the size ({sizes['TFLite int8']:,} of {sizes['TFLite float32']:,} bytes)")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a workdir or a hand-off of a network that timm has too")
    parser.add_argument("--calibrate", type=Path, help="a folder of photos, where the run's dataset is not prepared")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(args.source, args.calibrate, Path(folder))


if __name__ == "__main__":
    main()
