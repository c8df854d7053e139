from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from jdnet_jax.inference import fonts, overlay
from jdnet_jax.process.errors import UserError
from tests import tiny_student

CARD = tiny_student.card()  # sees 32 / 36 of the shorter side


def grey(width, height):
    return Image.new("RGB", (width, height), (128, 128, 128))


def test_the_map_lies_over_the_square_that_the_model_saw():
    activation = np.zeros((4, 4), np.float32)
    activation[0, 3] = 2.0
    drawn = overlay.draw(grey(900, 720), activation, "fig", 0.5, CARD)
    pixels = np.asarray(drawn).astype(int)
    left, top, side = 130, 40, 640
    assert (pixels[:720, : left - 1] == 128).all()
    assert (pixels[: top - 1, :900] == 128).all()
    assert (pixels[top + side + 1 : 720, :900] == 128).all()
    assert (pixels[top, left + side // 2] == 255).all()  # the frame
    # The brightest place is the cell in the upper right corner.
    seen = pixels[top + 8 : top + side - 8, left + 8 : left + side - 8].sum(axis=2)
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert row < side / 4
    assert column > 3 * side / 4
    # Half the colour of the highest value, half of the photo.
    highest = pixels[top + 16, left + side - 16]
    np.testing.assert_allclose(highest, (128 + overlay._COLORS[255].astype(int)) / 2, atol=2)


def test_the_map_is_upsampled_smoothly():
    activation = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)
    pixels = np.asarray(overlay.draw(grey(720, 720), activation, "fig", 0.5, CARD)).astype(int)
    row = pixels[360, 48:672]
    assert np.abs(np.diff(row, axis=0)).max() <= 4


def test_a_map_of_zeros_leaves_the_photo_alone():
    pixels = np.asarray(overlay.draw(grey(720, 720), np.zeros((4, 4), np.float32), "fig", 0.5, CARD))
    assert (pixels[48:672, 48:672] == 128).all()


def test_the_caption_says_the_class_and_fits():
    def caption(name, probability=0.5, width=600):
        return overlay._caption(name, probability, width)

    assert ImageChops.difference(caption("fig"), caption("egg")).getbbox()
    assert ImageChops.difference(caption("fig"), caption("fig", 0.6)).getbbox()
    name = "God-Morgon-Orange-Red-Grapefruit-Juice"
    assert overlay._fitting(fonts.Name(name), 30, 1000).getlength(name) > 400
    assert 300 < overlay._fitting(fonts.Name(name), 30, 400).getlength(name) <= 401


def test_a_small_photo_is_enlarged_so_that_the_caption_can_be_read():
    drawn = overlay.draw(grey(40, 30), np.ones((2, 2), np.float32), "fig", 0.5, CARD)
    assert drawn.width == 480
    assert drawn.height > 360


def test_destinations_are_distinct_and_never_a_photo(tmp_path):
    taken = tmp_path / "a.overlay.jpg"
    photos = [Path("one/a.jpg"), Path("two/a.png"), Path("b.jpg"), taken]
    names = [path.name for path in overlay.destinations(photos, tmp_path)]
    assert names == ["a-2.overlay.jpg", "a-3.overlay.jpg", "b.overlay.jpg", "a.overlay.overlay.jpg"]


def test_names_as_long_as_a_file_system_allows_have_a_place(tmp_path):
    photos = [tmp_path / folder / ("é" * 123 + end) for folder in "ab" for end in (".jpg", ".png")]
    photos.append(tmp_path / ("a" * 243 + ".jpg"))
    places = overlay.destinations(photos, tmp_path)
    for path in places:
        overlay.save(grey(8, 8), path)
    assert len({path.name for path in tmp_path.iterdir()}) == len(photos)
    assert places[-1].name == "a" * 243 + ".overlay.jpg"
    assert places[1].name.endswith("-2.overlay.jpg")


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.overlay.jpg"
    overlay.save(grey(8, 8), path)
    before = path.read_bytes()
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (8, 8))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match=r"a.overlay.jpg could not be written \(No space left on device\)"):
        overlay.save(grey(16, 16), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.overlay.jpg"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"could not be written \(No such file or directory\)"):
        overlay.save(grey(8, 8), tmp_path / "nowhere" / "a.jpg")
