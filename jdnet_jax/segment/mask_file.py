"""Masks as PNG files that know how they were made, so that a segmentation that was interrupted can go on.

A mask is greyscale of 8 bits, 255 where the food is and 0 elsewhere, of the upright photo's size, as datasets decode it
(`photo_file`). What it was made with stands in a text chunk of the file itself; it appears under its name when it is
whole.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from jdnet_jax.data import image_check, photo_limits
from jdnet_jax.data.photo_limits import UnreadablePhotoError
from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError
from jdnet_jax.segment.segmenter import Mask

_CHUNK = "jdnet_jax.segment"


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a mask comes from.

    Attributes:
        settings: of the backend and the rule; see `Segmenter.settings`.
        verdict: of the rule about what the backend found.
        found: the share of the photo that the backend marked.
        area: the share that the mask marks.
        photo_bytes: size of the photo's file, by which one that was replaced is noticed.
    """

    settings: Mapping[str, Any]
    verdict: str
    found: float
    area: float
    photo_bytes: int


def place(photo: Path, photos: Path, masks: Path) -> Path:
    """Where the mask of a photo below the folder `photos` belongs: at the same path below `masks`, ending in .png."""
    return masks / photo.relative_to(photos).with_suffix(".png")


def write(path: Path, mask: Mask, origin: Origin) -> None:
    """Writes a mask whole, its folders included.

    Raises:
        UserError: it could not be written.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text(_CHUNK, json.dumps(dataclasses.asdict(origin)))
    file = io.BytesIO()
    Image.fromarray(255 * mask.astype(np.uint8)).save(file, "PNG", pnginfo=text, optimize=True)
    make_folder(path.parent)
    atomic.write_bytes(path, file.getvalue())


def make_folder(folder: Path) -> None:
    """Makes a folder for masks, and those above it.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the folder {folder} cannot be made ({error.strerror}): choose another --output") from error


def read_origin(path: Path) -> Origin | None:
    """What a mask was made with; None where the file is no PNG or was not written by `write`."""
    try:
        with photo_limits.opened(image_check.read(path), ("PNG",)) as image:
            return Origin(**json.loads(image.info[_CHUNK]))
    except (UnreadablePhotoError, OSError, ValueError, KeyError, TypeError, SyntaxError):
        return None


def area(path: Path) -> float:
    """The share of its picture that a mask marks, whoever made it: what is not black.

    Raises:
        UserError: the file is no picture.
    """
    try:
        with photo_limits.opened(image_check.read(path)) as image:
            return float((np.asarray(image.convert("L")) > 0).mean())
    except (UnreadablePhotoError, OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} stands where a mask belongs, and is no picture: remove it") from error
