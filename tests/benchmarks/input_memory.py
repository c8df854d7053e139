"""Memory of the training input over many epochs.

    python -m tests.benchmarks.input_memory configs/grocery.py --data_dir=FOLDER --epochs=20

Prints the resident memory of this process after each epoch, in MB. The first epochs fill buffers and the allocator's
pools; after them it stays where it is.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
from pathlib import Path

from jdnet_jax import data
from jdnet_jax.learning import host_batches

_PAGE = 4096


def resident() -> float:
    """Resident memory of this process in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="a config file")
    parser.add_argument("--data_dir", default="", help="config.dataset.data_dir")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location("config", args.config)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.dataset.data_dir = args.data_dir or config.dataset.data_dir
    dataset = data.prepare(config.dataset)
    batches = host_batches.training(dataset, config, seed=config.seed)
    print(f"{dataset.protocol}\nbefore: {resident():.0f} MB")
    for epoch in range(args.epochs):
        for _ in range(dataset.sizes["train"] // config.batch_size):
            next(batches)
        gc.collect()
        print(f"epoch {epoch + 1}: {resident():.0f} MB", flush=True)


if __name__ == "__main__":
    main()
