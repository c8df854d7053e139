import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.inference import photos
from jdnet_jax.process.errors import UserError
from tests import tiny_student
from tests.data.tiny import encode, smooth_photo

CARD = tiny_student.card()


def write(path, image=None, kind="PNG", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(smooth_photo(1, 40, 60) if image is None else image).save(path, kind, **options)
    return path


def huge_png() -> bytes:
    """A whole PNG file whose header tells of 30,000 x 30,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    content = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(content)


def test_files_keep_their_order_and_a_folder_is_sorted(tmp_path):
    folder = tmp_path / "folder"
    for name in ("b.png", "a.webp", "below/c.JPG", ".hidden.png", "notes.txt", "a.overlay.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (tmp_path / "empty").mkdir()
    names = ["z.png", str(folder), "a.txt", str(tmp_path / "empty")]
    found = [os.path.relpath(path, tmp_path) if path.is_absolute() else str(path) for path in photos.find(names)]
    assert found == ["z.png", "folder/a.webp", "folder/b.png", "folder/below/c.JPG", "a.txt", "empty"]


def test_the_view_is_that_of_evaluation(tmp_path):
    """36 pixels for the shorter side, then the central 32: here no pixel is resampled."""
    image = smooth_photo(2, 36, 50)
    [photo] = photos.read([write(tmp_path / "a.png", image)], CARD)
    np.testing.assert_array_equal(photo.view, image[2:34, 9:41])
    assert photo.picture is None


def test_the_orientation_of_exif_is_respected(tmp_path):
    upright = smooth_photo(2, 36, 50)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    turned = write(tmp_path / "a.png", np.rot90(upright).copy(), exif=exif)
    [photo] = photos.read([turned], CARD, picture_size=100)
    np.testing.assert_array_equal(photo.view, upright[2:34, 9:41])
    np.testing.assert_array_equal(np.asarray(photo.picture), upright)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "I;16"])
def test_every_kind_of_picture_is_read(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((40, 60), 200 << 8, np.uint16))
    else:
        image = Image.fromarray(np.full((40, 60, 3), 200, np.uint8))
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png")
    [photo] = photos.read([tmp_path / "a.png"], CARD, picture_size=30)
    np.testing.assert_array_equal(photo.view, 200)
    assert (photo.picture.mode, photo.picture.size) == ("RGB", (30, 20))


def test_what_is_wrong_is_said_and_the_others_are_read(tmp_path):
    good = write(tmp_path / "good.jpg", kind="JPEG")
    contents = {
        "cut.jpg": encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8), "JPEG")[:2000],
        "cut.png": encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8), "PNG")[:2000],
        "note.jpg": b"no photo at all",
        "huge.png": huge_png(),
        "empty.png": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    write(tmp_path / "strip.png", np.zeros((2, 200, 3), np.uint8))
    names = [*contents, "strip.png", "good.jpg", "gone.jpg", ""]
    found = list(photos.read([tmp_path / name for name in names], CARD))
    assert [photo.path for photo in found] == [tmp_path / name for name in names]
    problems = {photo.path.name: photo.problem for photo in found}
    assert problems["cut.jpg"] == problems["note.jpg"] == "truncated or not an image"
    assert problems["empty.png"] == "an empty file, or one of zeros: a copy that was not finished"
    assert problems["cut.png"] == "damaged (image file is truncated)"
    assert problems["huge.png"] == "more than 179 megapixels"
    assert problems["strip.png"] == "a strip of 200 x 2 pixels"
    assert problems["gone.jpg"] == "No such file or directory"
    assert problems[tmp_path.name] == "a folder without photos"
    assert [photo.path for photo in found if photo.view is not None] == [good]


def test_the_huge_picture_is_never_decoded(tmp_path, monkeypatch):
    (tmp_path / "huge.png").write_bytes(huge_png())

    def decode(*args, **kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr(photos.augment, "central_view", decode)
    monkeypatch.setattr(photos.image_check, "decode", decode)
    monkeypatch.setattr(Image.Image, "load", decode)
    [photo] = photos.read([tmp_path / "huge.png"], CARD, picture_size=100)
    assert photo.problem == "more than 179 megapixels"


def write_mask(path, left):
    """A mask of the left part of a photo of 36 x 50 pixels."""
    mask = np.zeros((36, 50), np.uint8)
    mask[:, :left] = 255
    return write(path, mask)


def test_the_mask_of_each_photo(tmp_path):
    """At the photo's path, as `segment` writes it, before one by its name alone; two photos may have one name."""
    image = smooth_photo(2, 36, 50)
    card = tiny_student.card(view="roi")
    named = [write(tmp_path / "photos" / name, image) for name in ("fig/1.png", "soup/1.png", "soup/deep/2.png")]
    write_mask(tmp_path / "masks" / "fig" / "1.png", 20)
    write_mask(tmp_path / "masks" / "1.png", 30)
    write_mask(tmp_path / "masks" / "deep" / "2.png", 40)
    found = photos.read(named, card, masks=tmp_path / "masks")
    for photo, left in zip(found, (20, 30, 40), strict=True):
        expected = image.copy()
        expected[:, left:] = 0
        np.testing.assert_array_equal(photo.view, expected[2:34, 9:41])
    [one] = photos.read(named[:1], card, masks=tmp_path / "masks" / "deep" / "2.png")
    assert (one.view[:, 31:] == 0).all()  # a file is the mask of all


def test_masks_that_will_not_do(tmp_path):
    card = tiny_student.card(view="roi")
    photo = write(tmp_path / "a.png")
    (tmp_path / "masks").mkdir()
    [missing] = photos.read([photo], card, masks=tmp_path / "masks")
    assert missing.problem == f"its mask {tmp_path / 'masks' / 'a.png'}: No such file or directory"
    write_mask(tmp_path / "masks" / "a.png", 20)
    [other] = photos.read([photo], card, masks=tmp_path / "masks")
    assert other.problem == "its mask is 50 x 36 pixels, the upright photo 60 x 40"
    with pytest.raises(UserError, match="the model looks at roi: give the food's masks by --mask"):
        list(photos.read([photo], card))
    with pytest.raises(UserError, match="the model looks at photo: leave out --mask"):
        list(photos.read([photo], CARD, masks=tmp_path / "masks"))


def test_few_photos_are_read_ahead(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    path = write(tmp_path / "a.png")
    taken = []

    def paths():
        for number in range(1000):
            taken.append(number)
            yield path

    read = photos.read(paths(), CARD)
    next(read)
    assert len(taken) < 20
    read.close()


def test_a_webp_is_read(tmp_path):
    content = io.BytesIO()
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(content, "WEBP", lossless=True)
    (tmp_path / "a.webp").write_bytes(content.getvalue())
    [photo] = photos.read([tmp_path / "a.webp"], CARD)
    assert np.abs(photo.view.astype(int) - 200).max() <= 2


def test_what_is_no_regular_file_is_neither_waited_for_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    found = photos.read(photos.find([str(tmp_path)]), CARD)
    assert [photo.problem for photo in found] == ["not a regular file"] * 2


def test_linked_folders_and_system_folders(tmp_path):
    for name in ("disk/1.png", "root/a/2.png", "root/a/@eaDir/2.png", "root/#recycle/3.png"):
        write(tmp_path / name)
    (tmp_path / "root" / "b").symlink_to(tmp_path / "disk")
    (tmp_path / "root" / "a" / "round").symlink_to(tmp_path / "root")
    found = photos.find([str(tmp_path / "root")])
    assert found == [tmp_path / "root/a/2.png", tmp_path / "root/b/1.png"]
