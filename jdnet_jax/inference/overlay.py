"""Overlays: a photo with the activation map in colours, and class and probability below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from jdnet_jax.files import atomic
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import colormap, fonts

PICTURE_SIZE = 1024  # longer side of the photo in an overlay, in pixels

SUFFIX = ".overlay.jpg"  # of the files

_SHORTEST = 480  # a smaller photo is enlarged to this width, so that the caption can be read
_OPACITY = 0.5  # of the map, everywhere, so that a colour means one value
_GREY = 0.5  # how much of the photo's colour is taken away below the map
_PAPER, _INK = (24, 24, 24), (255, 255, 255)
_SMALLEST_FONT = 8  # pixels
_COLORS = colormap.table()


def draw(
    picture: Image.Image, activation: Float[np.ndarray, "h w"], class_name: str, probability: float, card: ModelCard
) -> Image.Image:
    """Draws the map over the part of a photo that the model saw, with a frame and a caption.

    The map is drawn relative to its highest value, so the colours of two photos cannot be compared. Each value lies
    over its cell of the grid; a network that pads unevenly sees up to half a cell beside that.

    Args:
        picture: the whole photo, RGB.
        activation: not negative, on a grid over the square that the model saw, about the photo's middle.
        class_name: the most probable class.
        probability: its probability, in [0, 1].
        card: the model card, which says which square the model saw.
    """
    width, height = picture.size
    scale = max(1.0, _SHORTEST / width)
    picture = picture.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    # The square of a padded photo is larger than the photo: what lies outside is cut off again.
    side = max(picture.size) if card.fit == "pad" else round(min(picture.size) * card.crop_fraction)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    seen = picture.crop((left, top, left + side, top + side))
    picture.paste(colored(seen, activation), (left, top))
    line = max(1, picture.width // 320)
    ImageDraw.Draw(picture).rectangle((left, top, left + side - 1, top + side - 1), outline=_INK, width=line)
    caption = _caption(class_name, probability, picture.width)
    result = Image.new("RGB", (picture.width, picture.height + caption.height))
    result.paste(picture, (0, 0))
    result.paste(caption, (0, picture.height))
    return result


def destinations(photos: Sequence[Path], folder: Path) -> list[Path]:
    """The path of each photo's overlay: `folder/<name>.overlay.jpg`, numbered where several share the name;
    a name that would be too long is cut off, see `atomic.bounded`.

    No destination is one of the photos.
    """
    taken = {photo.resolve() for photo in photos}
    places = []
    for photo in photos:
        path, number = folder / atomic.bounded(photo.stem, SUFFIX), 1
        while path.resolve() in taken:
            number += 1
            path = folder / atomic.bounded(photo.stem, f"-{number}{SUFFIX}")
        taken.add(path.resolve())
        places.append(path)
    return places


def save(image: Image.Image, path: Path) -> None:
    """Writes an overlay as JPEG, whole or not at all.

    Raises:
        UserError: it could not be written.
    """
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    atomic.write_bytes(path, file.getvalue())


def colored(seen: Image.Image, activation: Float[np.ndarray, "h w"]) -> Image.Image:
    """The pixels with the smoothly upsampled map in colours over them.

    Args:
        seen: the square that the model saw, RGB.
        activation: not negative; drawn relative to its highest value, and not at all where it is zero everywhere.
    """
    highest = float(activation.max())
    if not highest > 0.0:
        return seen
    grid = Image.fromarray(np.asarray(activation / highest, np.float32))
    smooth = np.clip(np.asarray(grid.resize(seen.size, Image.Resampling.BICUBIC)), 0.0, 1.0)
    colors = _COLORS[np.round(255.0 * smooth).astype(int)]
    paler = Image.blend(seen, seen.convert("L").convert("RGB"), _GREY)
    return Image.blend(paler, Image.fromarray(colors), _OPACITY)


def _caption(class_name: str, probability: float, width: int) -> Image.Image:
    """Two lines of text as wide as the photo: the class, and its probability beside the scale of the colours."""
    size = max(18, width // 20)
    margin = size // 2
    caption = Image.new("RGB", (width, 2 * margin + round(2.5 * size)), _PAPER)
    draw = ImageDraw.Draw(caption)
    middle = margin + size // 2
    name = fonts.Name(class_name)
    draw.text((margin, middle), name.text, _INK, _fitting(name, size, width - 2 * margin), anchor="lm")
    middle += round(1.5 * size)
    draw.text((margin, middle), f"{probability:.1%}", _INK, ImageFont.load_default(size), anchor="lm")
    small = ImageFont.load_default(max(12, round(0.6 * size)))
    right = width - margin
    for word in ("much", None, "looked at: little"):
        if word is None:
            bar = Image.fromarray(np.repeat(_COLORS[None], size // 2, axis=0)).resize((width // 5, size // 2))
            right -= bar.width
            caption.paste(bar, (right, middle - bar.height // 2))
        else:
            draw.text((right, middle), word, _INK, small, anchor="rm")
            right -= round(draw.textlength(word, small))
        right -= margin // 2
    return caption


def _fitting(name: fonts.Name, size: int, width: int) -> fonts.Font:
    """The font in this size, or in the largest smaller size in which the name fits the width."""
    smaller = map(name.font, range(size, _SMALLEST_FONT, -1))
    return next((font for font in smaller if font.getlength(name.text) <= width), name.font(_SMALLEST_FONT))
