"""A dataset of TFDS's catalogue prepared with a few drawn photos instead of its own."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds


def prepare_drawn(name: str, counts: dict[str, int], data_dir: Path, monkeypatch) -> None:
    """Prepares `name` in `data_dir`: its registered features and splits, `counts` examples of noise a split."""
    builder = tfds.builder(name, data_dir=data_dir)
    features = builder.info.features
    height, width, channels = (side or 24 for side in features["image"].shape)
    others = {
        key: 0 if isinstance(feature, tfds.features.ClassLabel) else "drawn"
        for key, feature in features.items()
        if key not in ("image", "label")
    }

    def examples(split: str, count: int):
        rng = np.random.default_rng(len(split))
        for i in range(count):
            image = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
            yield i, {"image": image, "label": i % features["label"].num_classes, **others}

    def splits(*_):
        return {split: examples(split, count) for split, count in counts.items()}

    monkeypatch.setattr(type(builder), "_split_generators", splits)
    builder.download_and_prepare()
