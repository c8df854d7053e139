import hashlib
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.data import image_check, photo_limits
from jdnet_jax.data.image_check import UnreadablePhotoError
from jdnet_jax.process.errors import UserError
from tests.data.tiny import encode, smooth_photo


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "sound.jpg"
    path.write_bytes(encode(smooth_photo(0, 60, 80), "JPEG"))
    return path


def test_sound_photos_pass(tmp_path, photo):
    (tmp_path / "grey.png").write_bytes(encode(smooth_photo(1, 9, 9)[..., 0], "PNG"))
    assert image_check.unreadable([photo, tmp_path / "grey.png"]) == {}


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_photos_are_found(photo, kept):
    """The header is sound and says 60 x 80; only the pixels at the end are missing."""
    noisy = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    encoded = encode(noisy, "JPEG")
    photo.write_bytes(encoded[: int(kept * len(encoded))])
    assert image_check.unreadable([photo]) == {photo: "truncated or not an image"}


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_other_files_are_found(photo, content):
    photo.write_bytes(content)
    assert image_check.unreadable([photo]) == {photo: "truncated or not an image"}


def test_missing_files_and_folders_are_found(tmp_path, photo):
    reasons = image_check.unreadable([tmp_path / "none.jpg", photo, tmp_path])
    assert reasons == {tmp_path / "none.jpg": "No such file or directory", tmp_path: "Is a directory"}


def test_inspect_tells_what_is_in_the_photos(photo):
    files = {"sound": photo.read_bytes(), "cut": photo.read_bytes()[:-100]}

    def load(name):
        if name not in files:
            raise FileNotFoundError(2, "not in the archive")
        return files[name]

    pictures, reasons = image_check.inspect(["cut", "sound", "gone"], load)
    assert pictures == {"sound": (hashlib.sha256(files["sound"]).digest(), 60, 80)}
    assert reasons == {"cut": "truncated or not an image", "gone": "not in the archive"}


def test_what_a_dataset_stores_is_checked_instead_of_the_file(photo):
    def refuse(path):
        raise UnreadablePhotoError("too large")

    assert image_check.unreadable([photo], refuse) == {photo: "too large"}
    assert image_check.unreadable([photo], lambda path: b"") == {photo: "truncated or not an image"}


class TestRefuseMany:
    def bad(self, count):
        return {Path(f"{number}.jpg"): "empty" for number in range(count)}

    def test_up_to_one_percent_is_logged(self, caplog):
        image_check.refuse_many(self.bad(2), 200, "here")
        assert [record.getMessage() for record in caplog.records] == [
            "skipped unreadable photo 0.jpg: empty",
            "skipped unreadable photo 1.jpg: empty",
        ]

    def test_more_is_an_error(self):
        with pytest.raises(UserError, match=r"^3 of the 200 photos in here .* more than 1%; .* 0.jpg \(empty\)"):
            image_check.refuse_many(self.bad(3), 200, "here")

    def test_no_photos(self):
        image_check.refuse_many({}, 0, "here")

    @pytest.mark.parametrize(("bad", "total"), [(1, 56), (28, 56), (1, 2), (30, 300), (0, 0)])
    def test_of_a_persons_own_photos_more_may_be(self, bad, total):
        image_check.refuse_many(self.bad(bad), total, "here", own=True)

    @pytest.mark.parametrize(("bad", "total", "share"), [(29, 56, "50%"), (2, 3, "50%"), (31, 300, "10%")])
    def test_but_not_a_large_share(self, bad, total, share):
        with pytest.raises(UserError, match=rf"^{bad} of the {total} photos .* more than {share}; .*repair or"):
            image_check.refuse_many(self.bad(bad), total, "here", own=True)


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    (tmp_path / "none.jpg").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
    (tmp_path / "photo.jpg").write_bytes(encode(smooth_photo(0, 60, 80), "JPEG"))
    (tmp_path / "link.jpg").symlink_to("photo.jpg")
    reasons = image_check.unreadable(sorted(tmp_path.iterdir()))
    assert {file.name: reason for file, reason in reasons.items()} == {
        "endless.jpg": "not a regular file",
        "none.jpg": "not a regular file",
        "pipe.jpg": "not a regular file",
        "socket.jpg": "No such device or address",
    }


def test_a_file_has_at_most_so_many_bytes(photo, monkeypatch):
    monkeypatch.setattr(photo_limits, "MAX_BYTES", len(photo.read_bytes()))
    assert image_check.unreadable([photo]) == {}
    photo.write_bytes(photo.read_bytes() + b"0")
    assert image_check.unreadable([photo]) == {photo: "more than 0 MB"}


def test_what_is_beyond_a_limit_is_not_decoded(tmp_path):
    for name, (width, height) in {"strip": (20_000, 1), "upright": (3, 151), "narrow": (150, 3)}.items():
        Image.new("L", (width, height)).save(tmp_path / f"{name}.png")
    assert image_check.unreadable(sorted(tmp_path.iterdir())) == {
        tmp_path / "strip.png": "a strip of 20000 x 1 pixels",
        tmp_path / "upright.png": "a strip of 3 x 151 pixels",
    }
