"""Photos that the user names as files and folders, and the views of them that a model sees."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from jaxtyping import UInt8
from PIL import Image

from jdnet_jax.config import views
from jdnet_jax.data import augment, image_check, photo_file, photo_limits
from jdnet_jax.data import masks as mask_files
from jdnet_jax.data.folder_walk import files_below, is_photo_name
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.data.parallel import in_order
from jdnet_jax.files import user_files
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import overlay
from jdnet_jax.process.errors import UserError


@dataclass(frozen=True)
class Photo:
    """A photo that was read, or the reason why it could not be.

    Attributes:
        path: path as the user named it, or below the folder that they named.
        view: what the model sees, upright; None where the photo cannot be read.
        problem: why it cannot be read; '' where it can.
        picture: the whole photo, upright, RGB, at most of the requested size; None where none was requested or the
            photo cannot be read.
    """

    path: Path
    view: UInt8[np.ndarray, "size size channels"] | None
    problem: str = ""
    picture: Image.Image | None = None


def find(names: Sequence[str]) -> list[Path]:
    """The files that names mean, in their order; a folder means the photos below it, sorted.

    A missing file and a folder without photos are kept as they are: `read` reports what is wrong with them.
    Overlays of an earlier call in a folder are skipped.
    """
    files: list[Path] = []
    for path in (user_files.expanded(name) for name in names):
        files += (_below(path) if path.is_dir() else []) or [path]
    return files


def read(
    paths: Iterable[Path], card: ModelCard, *, picture_size: int = 0, masks: Path | None = None
) -> Iterator[Photo]:
    """The photos in the order of their paths, read in threads a few at a time.

    Args:
        paths: the photos' files.
        card: the model card.
        picture_size: longer side of `Photo.picture` in pixels; 0 for none.
        masks: for a model that looks at a part: the mask of all photos, or a folder with `<photo's name>.png` for each,
            or that at the end of the photo's path, as `segment` writes them.

    Raises:
        UserError: the model looks at a part and there are no masks, or it looks at the whole and there are.
    """
    if (card.view == views.PHOTO) != (masks is None):
        raise UserError(
            f"the model looks at {card.view}: " + ("leave out --mask" if masks else "give the food's masks by --mask")
        )

    def one(path: Path) -> Photo:
        try:
            if path.is_dir():
                raise UnreadablePhotoError("a folder without photos")
            record = photo_file.record_of(path)
            seen = view(record, card, None if masks is None else _mask_of(path, masks))
            return Photo(path, seen, picture=_picture(record, picture_size) if picture_size else None)
        except UnreadablePhotoError as error:
            return Photo(path, None, str(error))

    with photo_limits.quiet_pillow():
        yield from in_order(one, paths)


def view(record: bytes, card: ModelCard, mask: Path | None = None) -> UInt8[np.ndarray, "size size channels"]:
    """The view of a record of `photo_file` for a model, the same pixels as in training's evaluation.

    Args:
        record: record of the photo.
        card: the model card.
        mask: the file of the food's mask, for a model that looks at a part.

    Raises:
        UnreadablePhotoError: the photo is truncated or damaged, or the mask cannot be used.
    """
    encoded = None
    if mask is not None:
        region = mask_files.read(mask) > 0
        mask_files.check_size(record, region)
        encoded = tf.constant(mask_files.encode(region))
    try:
        seen = augment.central_view(
            tf.constant(record), card.image_size, card.crop_fraction, fit=card.fit, mask=encoded
        ).numpy()
        return seen if mask is None else views.seen(seen[..., :3], seen[..., 3:], card.view)
    except tf.errors.InvalidArgumentError:
        raise UnreadablePhotoError("truncated or not an image") from None


def view_of(photo: str | os.PathLike[str] | np.ndarray, card: ModelCard) -> UInt8[np.ndarray, "size size 3"]:
    """The view of a file, or of pixels as a viewer shows them, for a model of whole photos.

    Raises:
        UserError: it cannot be read.
    """
    try:
        if isinstance(photo, np.ndarray):
            return view(photo_file.record_of_pixels(photo), card)
        with photo_limits.quiet_pillow():
            return view(photo_file.record_of(user_files.expanded(photo)), card)
    except UnreadablePhotoError as error:
        raise UserError(f"{'an array' if isinstance(photo, np.ndarray) else photo}: {error}") from error


def _mask_of(photo: Path, masks: Path) -> Path:
    """The mask of a photo: the one whose path shares the longest end with the photo's path."""
    if not masks.is_dir():
        return masks
    parts = photo.absolute().with_suffix(".png").parts[1:]
    ends = (masks.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end.is_file()), masks / parts[-1])


def _below(folder: Path) -> list[Path]:
    return [file for file in files_below(folder) if is_photo_name(file) and not file.name.endswith(overlay.SUFFIX)]


def _picture(record: bytes, size: int) -> Image.Image:
    picture = Image.fromarray(image_check.decode(record))
    picture.thumbnail((size, size), reducing_gap=2.0)
    return picture
