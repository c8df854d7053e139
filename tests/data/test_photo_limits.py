import io
import re

import pytest
from PIL import Image

from jdnet_jax.data import photo_limits
from jdnet_jax.data.photo_limits import UnreadablePhotoError
from jdnet_jax.demo import runtime
from tests.data.tiny import encode, smooth_photo


def progressive(side: int, more_scans: int, **options) -> bytes:
    """A progressive JPEG of ten scans, the last of which comes once more `more_scans` times."""
    file = io.BytesIO()
    Image.fromarray(smooth_photo(0, side, side)).save(file, "JPEG", progressive=True, **options)
    content = file.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * more_scans + b"\xff\xd9"


@pytest.mark.parametrize(("more", "is_refused"), [(0, False), (90, False), (91, True), (10_000, True)])
def test_scans_of_a_progressive_jpeg(more, is_refused):
    if is_refused:
        with pytest.raises(UnreadablePhotoError, match=r"a JPEG of 101 scans or more: save it again"):
            photo_limits.check(progressive(64, more))
    else:
        photo_limits.check(progressive(64, more))


def test_of_a_large_photo_fewer_scans_are_read(monkeypatch):
    monkeypatch.setattr(photo_limits, "MAX_SCANNED", 20 * 64 * 64)
    photo_limits.check(progressive(64, 10))
    with pytest.raises(UnreadablePhotoError, match="a JPEG of 21 scans"):
        photo_limits.check(progressive(64, 11))
    monkeypatch.undo()
    assert photo_limits.MAX_SCANNED >= 12 * photo_limits.MAX_PIXELS  # ten scans of the largest photo


def test_scans_of_other_pictures_in_the_file_do_not_count():
    """Of the preview in the EXIF, of the pictures that follow in an MPO file, of chance in a comment."""
    preview = encode(smooth_photo(1, 32, 32), "JPEG")
    content = progressive(64, 90, comment=b"\xff\xda" * 50, exif=b"Exif\0\0" + preview)
    assert content.count(b"\xff\xda") > photo_limits.MAX_SCANS
    photo_limits.check(content + 200 * preview)


def test_endless_segments():
    content = progressive(64, 0)
    with pytest.raises(UnreadablePhotoError, match="too many segments"):
        photo_limits.check(content[:2] + b"\xff\xfe\x00\x02" * 100_001 + content[2:])


def test_an_animation_of_many_pictures(monkeypatch):
    pictures = [Image.fromarray(smooth_photo(number, 40, 40)) for number in range(5)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    photo_limits.check(file.getvalue())
    monkeypatch.setattr(photo_limits, "MAX_SCANNED", 4 * 40 * 40)
    with pytest.raises(UnreadablePhotoError, match="an animation of too many pictures"):
        photo_limits.check(file.getvalue())


def test_the_page_has_the_same_limits():
    script = (runtime.WEB / "page" / "photo_header.js").read_text()
    found = {name: int(value.replace("_", "")) for name, value in re.findall(r"const (MAX_\w+) = ([\d_]+);", script)}
    assert found == {name: getattr(photo_limits, name) for name in ("MAX_BYTES", "MAX_PIXELS", "MAX_RATIO")}
