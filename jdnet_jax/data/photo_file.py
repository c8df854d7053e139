"""From a photo file of any common format to the bytes of a record, which TensorFlow decodes to the right pixels.

TensorFlow's decoders know nothing of EXIF, drop transparency and differ in the formats that they read from release to
release; so what they would get wrong is put right here with Pillow, once, when a dataset is prepared:

- Upright RGB and greyscale JPEG files, and upright PNG files without transparency, are kept byte for byte.
- The EXIF orientation is applied: the record holds the photo as a viewer shows it.
- A CMYK JPEG becomes sRGB by its own colour profile; without one, each of R, G, B is (1 - C)(1 - K) and so on. The
  profiles of RGB and greyscale photos are ignored, as they are wherever TensorFlow decodes a phone's photo later.
- Of 16-bit PNG the high byte of each value counts, as it does for TensorFlow.
- What is transparent is laid on white, the paper of most product photos.
- Of GIF and other animated files the first picture counts.

A changed photo is written as JPEG of quality 95 without chroma subsampling where its file was JPEG or WebP, and as PNG
otherwise. Files are told by their content, never by their name.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, UnidentifiedImageError

from jdnet_jax.data import image_check
from jdnet_jax.data.image_check import UnreadablePhotoError

MAX_PIXELS = 178_956_970  # of a photo; 512 MB as RGB

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # `JPEG` stands for MPO too, a JPEG with more pictures behind it

_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keeps Pillow's warnings, which name no file, from the user, in all threads; wrap the reading of many files."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def record_of_pixels(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """The record of pixels, RGB, without loss.

    Raises:
        UnreadablePhotoError: they are of another shape or dtype.
    """
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        shape = "x".join(map(str, pixels.shape))
        raise UnreadablePhotoError(f"{pixels.dtype} of {shape}, and not uint8 pixels [height, width, 3] in RGB")
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def record_of(file: Path) -> bytes:
    """`to_record` of a file's content.

    Raises:
        UnreadablePhotoError: as `to_record`, or the file is not there.
    """
    return to_record(image_check.read(file))


def to_record(content: bytes) -> bytes:
    """The bytes of a JPEG or PNG file that TensorFlow decodes to the photo in `content`.

    A file that is kept as it is has not been decoded: whether its pixels are whole is for `image_check` to find out.

    Raises:
        UnreadablePhotoError: the format is not known, the file is damaged, or its header tells of more than MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            return _to_record(image, content)
    except UnreadablePhotoError:
        raise
    except Image.DecompressionBombError:
        raise UnreadablePhotoError(_too_large()) from None
    except UnidentifiedImageError:
        raise UnreadablePhotoError(_what_it_is(content)) from None
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:  # a damaged file makes a decoder raise anything
        raise UnreadablePhotoError(
            f"damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error


def _to_record(image: Image.Image, content: bytes) -> bytes:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadablePhotoError(_too_large())
    turn = _UPRIGHT.get(_orientation(image))
    if turn is None and _decodes_alike(image):
        return content
    plain = _without_alpha(image)
    if turn is not None:
        plain = plain.transpose(turn)
    plain.info = {}  # the orientation and the profile have been dealt with
    file = io.BytesIO()
    if image.format in ("PNG", "GIF", "BMP"):
        plain.save(file, "PNG", compress_level=1)  # a third of the usual time, for a tenth more bytes
    else:
        plain.save(file, "JPEG", quality=95, subsampling="4:4:4")
    return file.getvalue()


def _decodes_alike(image: Image.Image) -> bool:
    """Whether TensorFlow decodes the file itself to the right pixels, the orientation aside."""
    if image.format == "PNG":
        return not image.has_transparency_data
    return image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except OSError:
        raise  # of the pixels: the EXIF of a PNG may lie behind them
    except Exception:  # broken EXIF makes its reader raise anything; a viewer then shows the photo as it is stored
        return 1


def _without_alpha(image: Image.Image) -> Image.Image:
    """The pixels as 8-bit `L` or `RGB`."""
    if image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    if image.mode.startswith("I"):  # 16-bit greys: Pillow's own conversion would clip them to 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # a profile that cannot be used is as good as none
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            assert converted is not None  # it is None only where the conversion is in place
            return converted
    return image.convert("RGB")


def _too_large() -> str:
    return f"more than {MAX_PIXELS / 1e6:.0f} megapixels"


def _what_it_is(content: bytes) -> str:
    if content[4:8] == b"ftyp":  # the ISO container of HEIC and AVIF, and of films
        return f"{content[8:12].decode('ascii', 'replace').strip()} file: convert it to JPEG"
    return "truncated or not an image"
