"""Masks as PNG files that record how they were made, so that an interrupted segmentation can resume.

A mask is greyscale of 8 bits, 255 where the food is and 0 elsewhere, of the upright photo's size, as datasets decode it
(`photo_file`). A text chunk of the file records how it was made. The file gets its name when it is
complete.
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
    """The origin of a mask.

    Attributes:
        settings: settings of the backend and the rule; see `Segmenter.settings`.
        verdict: verdict of the rule on the backend's mask.
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
    """The path of the mask of a photo below the folder `photos`: at the same path below `masks`, ending in .png."""
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
    """The origin of a mask; None if the file is not a PNG that `write` wrote."""
    try:
        with photo_limits.opened(image_check.read(path), ("PNG",)) as image:
            return Origin(**json.loads(image.info[_CHUNK]))
    except (UnreadablePhotoError, OSError, ValueError, KeyError, TypeError, SyntaxError):
        return None


def area(path: Path) -> float:
    """The marked share of a mask, whoever made it: the pixels that are not black.

    Raises:
        UserError: the file is no picture.
    """
    try:
        with photo_limits.opened(image_check.read(path)) as image:
            return float((np.asarray(image.convert("L")) > 0).mean())
    except (UnreadablePhotoError, OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} has the name of a mask but is not an image: remove it") from error
