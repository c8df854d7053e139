"""TFDS builders by the dataset's name: this project's and TFDS's."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_datasets as tfds

from jdnet_jax.data import prepared
from jdnet_jax.process.errors import UserError


def create(name: str, data_dir: str, options: dict[str, Any]) -> tfds.core.DatasetBuilder:
    """The builder of a dataset; nothing is downloaded or prepared.

    Args:
        name: `config.dataset.name`.
        data_dir: `config.dataset.data_dir`: the raw files of our builders, '' for the public source; the TFDS data
            directory of TFDS's builders, '' for the default.
        options: `config.dataset.options`.

    Raises:
        UserError: there is no such dataset, or it does not have an option.
    """
    data_dir = os.path.expanduser(data_dir)
    if name in OURS:
        ours = OURS[name]
        for option in options:
            if option not in ours.options:
                has = ", ".join(ours.options) or "none"
                raise UserError(f"dataset.options.{option} is not an option of {name}; its options: {has}")
        with prepared.opening(Path(store() or tfds.core.constants.DATA_DIR), name):
            return ours.create(data_dir, store(), **options)
    if data_dir and not tf.io.gfile.isdir(data_dir):
        raise UserError(
            f"dataset.data_dir={data_dir!r} is not a folder: name TFDS's data directory (make it first where the data "
            "is still to be downloaded), or leave it empty for the default"
        )
    try:
        with prepared.opening(Path(data_dir or store() or tfds.core.constants.DATA_DIR), name):
            return tfds.builder(name, data_dir=data_dir or store(), **options)
    except tfds.core.DatasetNotFoundError:
        known = [*OURS, *tfds.list_builders(with_community_datasets=False)]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise UserError(
            f"dataset.name={name!r} is neither a dataset of this project ({', '.join(OURS)}) nor registered with "
            f"TensorFlow Datasets, nor prepared in dataset.data_dir={data_dir!r}{hint}"
        ) from None
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(
            f"dataset.name={name!r} with options {options} cannot be opened: {first_line(error)}"
        ) from error


def _grocery_store(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data import grocery_store

    return grocery_store.create(raw_dir, store, **options)


def _image_folder(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data import image_folder

    return image_folder.create(raw_dir, store, **options)


def _parquet(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data import parquet

    return parquet.create(raw_dir, store, **options)


def _imaterialist_product_2019(raw_dir: str, store: str | None) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data import imaterialist_product_2019

    return imaterialist_product_2019.create(raw_dir, store)


def _masked_folder(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data import masked_folder

    return masked_folder.create(raw_dir, store, **options)


def _segmentation_maps(name: str) -> Callable[..., tfds.core.DatasetBuilder]:
    def create(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
        from jdnet_jax.data import segmentation_maps

        return segmentation_maps.create(name, raw_dir, store, **options)

    return create


def _synthetic_meals(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
    from jdnet_jax.data.synthetic_meals import SyntheticMeals, SyntheticMealsConfig

    if raw_dir:
        raise UserError(f"dataset.data_dir={raw_dir!r}: synthetic_meals is drawn, not read; leave data_dir empty")
    try:
        config = SyntheticMealsConfig(**options)
    except ValueError as error:
        raise UserError(f"dataset.options: {first_line(error)}") from error
    # TFDS needs its config object, or the name, for a config that it knows.
    return SyntheticMeals(
        data_dir=store, config=config.name if config.name in SyntheticMeals.builder_configs else config
    )


def _uec_food(num_classes: int) -> Callable[..., tfds.core.DatasetBuilder]:
    def create(raw_dir: str, store: str | None, **options: Any) -> tfds.core.DatasetBuilder:
        from jdnet_jax.data import uec_food

        return uec_food.create(num_classes, raw_dir, store, **options)

    return create


class Ours(NamedTuple):
    """A builder of this project.

    Attributes:
        create: (path of the raw files or '', TFDS data directory or None for the default, options) -> the builder.
        options: names of the options.
    """

    create: Callable[..., tfds.core.DatasetBuilder]
    options: tuple[str, ...]


_FOLDER_OPTIONS = ("val_fraction", "test_fraction", "split_seed")
_MAP_OPTIONS = ("val_fraction", "split_seed")
_UEC_FOOD_OPTIONS = ("fold", "train", "crop", "margin", "dedupe")

OURS = {
    "grocery_store": Ours(_grocery_store, ("labels", "val", "masks")),
    "image_folder": Ours(_image_folder, (*_FOLDER_OPTIONS, "folds", "fold")),
    "masked_folder": Ours(_masked_folder, _FOLDER_OPTIONS),
    "foodseg103": Ours(_segmentation_maps("foodseg103"), _MAP_OPTIONS),
    "uec_foodpix": Ours(_segmentation_maps("uec_foodpix"), _MAP_OPTIONS),
    "parquet": Ours(_parquet, ("names", "test", *_FOLDER_OPTIONS, "image_column", "label_column")),
    "imaterialist_product_2019": Ours(_imaterialist_product_2019, ()),
    "synthetic_meals": Ours(_synthetic_meals, ("size", "counts", "seed")),
    "uec_food100": Ours(_uec_food(100), _UEC_FOOD_OPTIONS),
    "uec_food256": Ours(_uec_food(256), _UEC_FOOD_OPTIONS),
}


MASKED = ("synthetic_meals", "masked_folder", "foodseg103", "uec_foodpix", "grocery_store with options.masks")


def store() -> str | None:
    """The TFDS data directory, read when asked for: TFDS itself reads the variable once, at import."""
    return os.path.expanduser(os.environ.get("TFDS_DATA_DIR", "")) or None


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its name."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
