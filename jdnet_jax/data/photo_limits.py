"""The limits on photos, the same for every reader: size, shape and complexity.

The demo's page (`demo/web/page/photo_header.js`) holds a photo's pixels and sides to the same numbers.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator

from PIL import Image

MAX_BYTES = 512 * 2**20  # of a file, or of a member of an archive
MAX_PIXELS = 178_956_970  # of a photo; 512 MB as RGB
MAX_RATIO = 50  # of a photo's sides: the view of a strip would first be blown up to that many squares
# A progressive JPEG is drawn in scans, ten of them as cameras and libraries write it; each takes the time of the whole
# picture, however few its bytes.
MAX_SCANS = 100
MAX_SCANNED = 16 * MAX_PIXELS  # pixels times scans: some seconds

_MAX_SEGMENTS = 100_000  # of a JPEG; a photo has dozens
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")  # neither a stuffed byte nor a restart
_END, _SCAN = 0xD9, 0xDA
_BARE = (0x01, 0xD8)  # markers without a length


class UnreadablePhotoError(Exception):
    """A file cannot be read as a photo; the message says why."""


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppresses Pillow's warnings, which name no file, in all threads; for reading many files."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def opened(content: bytes, formats: tuple[str, ...] | None = None) -> Image.Image:
    """The opened photo after a check of the limits; only its header was read. The caller closes it.

    Args:
        content: content of a file.
        formats: Pillow's names of the accepted formats; None for all.

    Raises:
        UnreadablePhotoError: the photo is beyond a limit.
        PIL.UnidentifiedImageError: it is of none of the formats.
        Exception: the header is damaged; a decoder raises anything.
    """
    if len(content) > MAX_BYTES:
        raise UnreadablePhotoError(f"more than {MAX_BYTES / 1e6:.0f} MB")
    try:
        image = Image.open(io.BytesIO(content), formats=formats)
    except Image.DecompressionBombError:
        raise UnreadablePhotoError(_too_large()) from None
    try:
        _check(image, content)
    except BaseException:
        image.close()
        raise
    return image


def check(content: bytes) -> None:
    """Checks a file that TensorFlow is to decode, by its header.

    Raises:
        UnreadablePhotoError: it is beyond a limit, or no photo.
    """
    try:
        with opened(content, ("JPEG", "PNG", "GIF", "BMP")) as image:
            # TensorFlow's decoder reads all pictures of a GIF, of which it then gives the first.
            if image.width * image.height * getattr(image, "n_frames", 1) > MAX_SCANNED:
                raise UnreadablePhotoError("an animation of too many pictures: save the first one")
    except (UnreadablePhotoError, MemoryError):
        raise
    except Exception:  # a damaged file makes a decoder raise anything
        raise UnreadablePhotoError("truncated or not an image") from None


def damaged(error: BaseException) -> UnreadablePhotoError:
    """The message for a decoder's error."""
    return UnreadablePhotoError(f"damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})")


def _check(image: Image.Image, content: bytes) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise UnreadablePhotoError(_too_large())
    if max(image.size) > MAX_RATIO * min(image.size):
        raise UnreadablePhotoError(f"a strip of {image.width} x {image.height} pixels")
    if image.format in ("JPEG", "MPO"):
        scans = _scans(content)
        if scans > MAX_SCANS or scans * pixels > MAX_SCANNED:
            raise UnreadablePhotoError(f"a JPEG of {scans} scans or more: save it again")


def _scans(content: bytes) -> int:
    """The number of scans of a JPEG's first picture, counted until it exceeds MAX_SCANS."""
    count, position = 0, 2
    for _ in range(_MAX_SEGMENTS):
        marker = _MARKER.search(content, position)
        if marker is None or marker[1][0] == _END or count > MAX_SCANS:
            return count
        position = marker.end()
        if marker[1][0] not in _BARE:
            count += marker[1][0] == _SCAN
            position += max(2, int.from_bytes(content[position : position + 2], "big"))
    raise UnreadablePhotoError("a JPEG of too many segments: save it again")


def _too_large() -> str:
    return f"more than {MAX_PIXELS / 1e6:.0f} megapixels"
