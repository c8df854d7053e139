"""Conversion of photo files of any common format to bytes for a record, which TensorFlow decodes to the right pixels.

TensorFlow's decoders know nothing of EXIF, drop transparency and differ in the formats that they read from release to
release; so Pillow corrects here, once, when a dataset is prepared, what they would get wrong:

- Upright RGB and greyscale JPEG files, and upright PNG files without transparency, are kept byte for byte.
- The EXIF orientation is applied: the record holds the photo as a viewer shows it.
- A CMYK JPEG becomes sRGB by its colour profile; without one, each of R, G, B is (1 - C)(1 - K) and so on. The
  profiles of RGB and greyscale photos are ignored, as they are wherever TensorFlow decodes a phone's photo later.
- Of 16-bit PNG the high byte of each value is used, as in TensorFlow.
- Transparent parts become white, the background of most product photos.
- Of GIF and other animated files, and of TIFF files with many pages, the first picture is used.

A changed photo is written as PNG where its file was PNG, GIF, BMP or TIFF, and otherwise as JPEG of quality 95 without
chroma subsampling. HEIC and HEIF are read if pillow-heif is installed. The content decides the format, never
the name.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError, features

from jdnet_jax.data import image_check, photo_limits
from jdnet_jax.data.photo_limits import UnreadablePhotoError

# `JPEG` stands for MPO too, a JPEG followed by more pictures.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF")

_ISO = b"ftyp"  # at the fifth byte: the container of HEIC and AVIF, and of films
_HEIF_KINDS = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2")
_AVIF_KINDS = ("avif", "avis")
_OTHERS = {  # what is no photo that can be read, though a whole file
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"<svg": "SVG",
}

_NO_PHOTOS = {  # what downloads leave in the place of a photo
    b"<!doctype html": "a web page, not a photo: download it anew",
    b"<html": "a web page, not a photo: download it anew",
    b"version https://git-lfs": "a pointer of Git LFS, not the photo: git lfs pull fetches it",
}

_DNG, _SUBFILE = 50706, 254  # TIFF tags: a raw file's version; bit 0 of the other: a preview of what comes later

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


def record_of_pixels(pixels: np.ndarray) -> bytes:
    """The record of pixels, uint8 [height, width, 3] in RGB, without loss.

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
    """The record of a photo file: `to_record` of its content.

    Raises:
        UnreadablePhotoError: as `to_record`, or the file is not there.
    """
    return to_record(image_check.read(file))


def to_record(content: bytes) -> bytes:
    """The bytes of a JPEG or PNG file that TensorFlow decodes to the photo in `content`.

    A file that is kept unchanged has not been decoded: `image_check` checks its pixels.

    Raises:
        UnreadablePhotoError: the format is not known, the file is damaged, or it is beyond a limit of `photo_limits`.
    """
    try:
        with photo_limits.opened(content, _formats(content)) as image:
            return _to_record(image, content)
    except (UnreadablePhotoError, MemoryError):  # the latter says nothing about the file
        raise
    except UnidentifiedImageError:
        raise UnreadablePhotoError(_what_it_is(content)) from None
    except Exception as error:  # a damaged file makes a decoder raise anything
        raise photo_limits.damaged(error) from error


def may_be_heif(content: bytes) -> bool:
    """Whether a file that begins like this may be of a format that pillow-heif reads."""
    return content[4:8] == _ISO


def reads_heif() -> bool:
    """Whether HEIC and HEIF files can be read: by pillow-heif, of the extra `[heif]`."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _formats(content: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that a file may be of."""
    Image.init()  # knows AVIF from Pillow 11.3 on
    known = [kind for kind in _FORMATS if kind in Image.OPEN]
    return (*known, "HEIF") if may_be_heif(content) and reads_heif() else tuple(known)


def _to_record(image: Image.Image, content: bytes) -> bytes:
    turn = None if image.format == "TIFF" else _UPRIGHT.get(_orientation(image))  # of a TIFF Pillow applies it itself
    if turn is None and _decodes_alike(image):
        return content
    if image.format == "TIFF":
        _check_tiff(image)
    plain = _without_alpha(image)
    if turn is not None:
        plain = plain.transpose(turn)
    plain.info = {}  # the orientation and the profile have been dealt with
    file = io.BytesIO()
    if image.format in ("PNG", "GIF", "BMP", "TIFF"):
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
        raise  # of the pixels: the EXIF of a PNG may lie after them
    except Exception:  # broken EXIF makes its reader raise anything; a viewer then shows the photo as it is stored
        return 1


def _without_alpha(image: Image.Image) -> Image.Image:
    """The pixels as 8-bit `L` or `RGB`."""
    if image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    if image.mode.startswith("I"):  # 16-bit greys: Pillow's conversion would clip them to 255
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


def _check_tiff(image: Image.Image) -> None:
    """Refuses raw sensor data in a TIFF container, where the first image is only a small preview."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG in tags or tags.get(_SUBFILE, 0) & 1:
        raise UnreadablePhotoError("a camera's raw file: develop it, and save it as JPEG")
    if image.mode in ("I", "F"):
        raise UnreadablePhotoError("a TIFF file of 32 bits a value: convert it to 8 bits")


def _what_it_is(content: bytes) -> str:
    if may_be_heif(content):
        kind = content[8:12].decode("ascii", "replace").strip()
        if kind in _HEIF_KINDS and not reads_heif():
            return f"{kind} file: install the extra jdnet-jax[heif] to read it, or convert it to JPEG"
        if kind in _AVIF_KINDS and not features.check("avif"):
            return f"{kind} file: install Pillow 11.3 or newer to read it, or convert it to JPEG"
        if kind not in (*_HEIF_KINDS, *_AVIF_KINDS):
            return f"{kind} file: convert it to JPEG"
    for start, kind in _OTHERS.items():
        if content.startswith(start):
            return f"{kind} file: convert it to JPEG"
    for start, what in _NO_PHOTOS.items():
        if content[:100].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(start):
            return what
    if not content.strip(b"\0"):
        return "an empty file, or one of zeros: a copy that was not finished"
    return "truncated or not an image"
