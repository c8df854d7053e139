"""The training input against a torchvision DataLoader on the same JPEG files, side by side on this machine.

    JDNET_PARITY_PYTHON=PYTHON_WITH_TORCHVISION python -m tests.benchmarks.input_vs_torchvision GROCERY_FOLDER

Two sets: the train photos of the Grocery Store Dataset as they are, and the same photos as JPEG of 512 x 512 pixels.
Ours is `python -m jdnet_jax.benchmark input` with `configs/grocery.py` at 224 px and torchvision's crop, deterministic
order and position included; it hands over uint8, which the train step normalises on the device. The two run by turns,
three times each; the figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.benchmarks.other_python import other_python

ROUNDS, SECONDS, BATCH = 3, 5, 32
SPLITS = ("train", "val", "test")


def ours(folder: Path, store: Path) -> dict[str, float]:
    """Images a second of each stage."""
    command = [
        *(sys.executable, "-m", "jdnet_jax.benchmark", "input", "--json", f"--seconds={SECONDS}"),
        *("--config=configs/grocery.py", f"--config.dataset.data_dir={folder}", "--config.image_size=224"),
        *("--config.augment.crop_scale=(0.08,1.0)", f"--config.batch_size={BATCH}"),
    ]
    env = {**os.environ, "TFDS_DATA_DIR": str(store)}
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["images_per_second"]


def torchvision(list_file: Path) -> float:
    """Images a second of the DataLoader."""
    script = Path(__file__).with_name("torchvision_loader.py")
    command = [other_python(), script, list_file, str(SECONDS), str(BATCH)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def enlarged(dataset: Path, target: Path) -> Path:
    """The dataset with its photos as 512 x 512 JPEG of quality 90."""
    for name in ("classes.csv", *(f"{split}.txt" for split in SPLITS)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(dataset / name, target / name)
    for split in SPLITS:
        for path in photos(dataset, split):
            copy = target / path.relative_to(dataset)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.convert("RGB").resize((512, 512), Image.Resampling.BICUBIC).save(copy, quality=90)
    return target


def photos(dataset: Path, split: str) -> list[Path]:
    """Paths of a split's photos."""
    lines = (dataset / f"{split}.txt").read_text().splitlines()
    return [dataset / line.split(",")[0].strip() for line in lines if line.strip()]


def compare(name: str, dataset: Path, work: Path) -> None:
    """Prints one row for each stage."""
    list_file = work / f"{name}.txt"
    list_file.write_text("\n".join(map(str, photos(dataset, "train"))))
    stages: list[dict[str, float]] = []
    loader: list[float] = []
    for _ in range(ROUNDS):
        stages.append(ours(dataset, work / "tfds"))
        loader.append(torchvision(list_file))
    median = {stage: statistics.median(found[stage] for found in stages) for stage in stages[0]}
    other = statistics.median(loader)
    print(f"{name}: torchvision {other:,.0f} images/s ({', '.join(f'{rate:.0f}' for rate in loader)})")
    for stage, rate in median.items():
        print(f"  {stage:<9}{rate:>8,.0f} images/s   {rate / other:.2f}x torchvision")
    print(f"  the whole pipeline runs at {median['batch'] / median['decode']:.0%} of decoding alone", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="the folder with classes.csv and the split files")
    dataset = parser.parse_args().dataset.absolute()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        compare("as they are", dataset, work)
        compare("512 px", enlarged(dataset, work / "512"), work)


if __name__ == "__main__":
    main()
