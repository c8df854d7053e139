"""The table of the options of networks and of this project's datasets: type and range of their values.

What a config writes below `student.options`, `teachers.*.options` and `dataset.options`. This module imports neither
JAX nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping

from jdnet_jax.config.keys import MAX_IMAGE_SIZE, SEED
from jdnet_jax.config.values import Choice, Number, Options, Several, Text, Values, Whole, YesNo

_BELOW_1 = Number(0, 1, below=True)

#: Options of networks by name; the zoo knows which network has which.
NETWORK_OPTIONS: Mapping[str, Values] = {
    "width": Whole(1, 4096),
    "hidden": Whole(1, 2**16),
    "drop_rate": _BELOW_1,
    "drop_path_rate": _BELOW_1,
}

_HELD_OUT = Number(0, 1, above=True, below=True)
_MAPS: Mapping[str, Values] = {"val_fraction": _HELD_OUT, "split_seed": Whole(-(2**63), 2**63 - 1)}
_FOLDER: Mapping[str, Values] = {**_MAPS, "test_fraction": _HELD_OUT}
_UEC_FOOD: Mapping[str, Values] = {
    "fold": Whole(0, 4),
    "train": Choice(("complement", "other_lists")),
    "crop": Choice(("full", "box")),
    "margin": Number(0, 100),
    "dedupe": YesNo(),
}
#: Options of this project's datasets, by the dataset's name.
DATASET_OPTIONS: Mapping[str, Mapping[str, Values]] = {
    "synthetic_meals": {"size": Whole(16, MAX_IMAGE_SIZE), "counts": Several(Whole(1, 10**7), count=3), "seed": SEED},
    "image_folder": {
        **_FOLDER,
        **dict.fromkeys(("val_fraction", "test_fraction"), _BELOW_1),  # 0 = by the number of photos
        "folds": Whole(0, 1000),
        "fold": Whole(0, 999),
    },
    "masked_folder": _FOLDER,
    "parquet": {
        **_FOLDER,
        "names": Options(),  # a tuple of them, or the file that holds them
        "test": Choice(("test", "validation", "holdout")),
        "image_column": Text(),
        "label_column": Text(),
    },
    "foodseg103": _MAPS,
    "uec_foodpix": _MAPS,
    "grocery_store": {
        "labels": Choice(("fine", "coarse")),
        "val": Choice(("official", "holdout")),
        "masks": Text(empty=True),
    },
    "uec_food100": _UEC_FOOD,
    "uec_food256": _UEC_FOOD,
}
