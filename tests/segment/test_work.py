"""With a backend that marks what is bright."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from jdnet_jax.data import image_check, photo_file
from jdnet_jax.process import progress
from jdnet_jax.process.errors import UserError
from jdnet_jax.segment import work


class Bright:
    """Marks pixels above a level; a `Segmenter` that counts its photos and may fail at one of them."""

    least, reach, versions = 0.0, 1.0, {"none": "1"}

    def __init__(self, level=128, fails_at=None):
        self.settings = {"backend": "bright", "level": level}
        self.seen = 0
        self._level, self._fails_at = level, fails_at

    def segment(self, pixels):
        self.seen += 1
        if self.seen == self._fails_at:
            raise KeyboardInterrupt
        return pixels[..., 0] > self._level


def picture(bright_rows=5, height=20, width=30):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:bright_rows] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path):
    """Photos in two classes: one in four rows bright, one dark, one bright, one that is none."""
    for name, rows in (("fig/a.png", 5), ("fig/dark.png", 0), ("egg/below/bright.PNG", 20)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(rows).save(path)
    (tmp_path / "photos" / "egg" / "bad.jpg").write_bytes(b"no photo")
    (tmp_path / "photos" / "egg" / "notes.txt").touch()
    return tmp_path


def segment(folder, segmenter, on_empty="centre", masks="masks"):
    return work.segment_folder(folder / "photos", folder / masks, segmenter, on_empty, jobs=1)


def pixels(path):
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image)


def test_masks_lie_where_datasets_look_for_them_and_the_report_tells_of_each(folder, capsys):
    report = segment(folder, Bright())
    found = sorted(path.relative_to(folder / "masks").as_posix() for path in (folder / "masks").rglob("*.*"))
    assert found == ["egg/below/bright.png", "fig/a.png", "fig/dark.png"]
    mask = pixels(folder / "masks" / "fig" / "a.png")
    expected = np.zeros((20, 30), np.uint8)
    expected[:5] = 255
    np.testing.assert_array_equal(mask, expected)
    assert report.counts() == {
        "photos": 4, "segmented": 1, "empty": 1, "full": 1, "own": 0, "failed": 1, "without_mask": 1,
    }  # fmt: skip
    verdicts = {entry.photo: (entry.verdict, entry.found) for entry in report.entries}
    assert verdicts == {
        "egg/bad.jpg": ("failed", None),
        "egg/below/bright.PNG": ("full", 1.0),
        "fig/a.png": ("segmented", 0.25),
        "fig/dark.png": ("empty", 0.0),
    }
    ellipse = pixels(folder / "masks" / "fig" / "dark.png")
    np.testing.assert_array_equal(pixels(folder / "masks" / "egg" / "below" / "bright.png"), ellipse)
    assert 0.3 < (ellipse == 255).mean() < 0.45
    assert "egg/bad.jpg: truncated or not an image" in capsys.readouterr().err
    text = report.text()
    assert "empty, nothing was found, the central ellipse instead: 1 (fig/dark.png)" in text
    assert "full, all was marked, the central ellipse instead: 1 (egg/below/bright.PNG)" in text
    assert "could not be read: 1 (egg/bad.jpg)" in text
    report.write()
    told = json.loads((folder / "masks" / "segmentation.json").read_text())
    assert told["settings"] == {"backend": "bright", "level": 128, "on_empty": "centre"}
    assert told["photos"]["fig/a.png"] == {"verdict": "segmented", "found": 0.25, "area": 0.25}
    assert told["photos"]["egg/bad.jpg"]["problem"] == "truncated or not an image"
    assert (told["counts"], told["versions"]) == (report.counts(), {"none": "1"})


def test_other_rules_for_empty_masks(folder):
    segment(folder, Bright(), "whole", "whole")
    assert (pixels(folder / "whole" / "fig" / "dark.png") == 255).all()
    report = segment(folder, Bright(), "skip", "skip")
    assert not (folder / "skip" / "fig" / "dark.png").exists()
    assert report.counts()["without_mask"] == 3
    assert "no mask was written: 1 (fig/dark.png)" in report.text()


def test_a_mask_fits_the_photo_as_it_is_decoded_for_training(folder):
    photo = folder / "photos" / "fig" / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # is shown turned to the right by a quarter
    picture().save(photo, exif=exif, quality=95)
    segment(folder, Bright())
    mask = pixels(folder / "masks" / "fig" / "turned.png")
    decoded = image_check.decode(photo_file.record_of(photo))
    assert decoded.shape[:2] == mask.shape == (30, 20)
    np.testing.assert_array_equal(mask == 255, decoded[..., 0] > 128)
    assert (mask[:, -5:] == 255).all()
    assert not mask[:, :-6].any()


def test_an_interrupted_start_is_continued_and_ends_alike(folder):
    whole = segment(folder, Bright(), masks="whole")
    with pytest.raises(KeyboardInterrupt):
        segment(folder, Bright(fails_at=2))
    left = {path.name for path in (folder / "masks").rglob("*") if path.is_file()}
    # The photo after the one that was interrupted may have been begun; nothing is half written.
    assert left in ({"bright.png"}, {"bright.png", "dark.png"})
    second = Bright()
    resumed = segment(folder, second)
    assert second.seen == 3 - len(left)
    assert resumed.made == second.seen + 1  # one cannot be read
    assert resumed.entries == whole.entries
    third = Bright()
    again = segment(folder, third)
    assert third.seen == 0  # only the unreadable photo was tried again
    assert again.entries == whole.entries


def test_a_photo_that_was_replaced_gets_a_new_mask(folder):
    segment(folder, Bright())
    picture(8, 40, 60).save(folder / "photos" / "fig" / "a.png")
    segment(folder, Bright())
    assert (pixels(folder / "masks" / "fig" / "a.png") == 255).mean() == pytest.approx(0.2)


def test_a_photo_that_was_replaced_by_none_has_no_mask_any_more(folder):
    segment(folder, Bright())
    (folder / "photos" / "fig" / "a.png").write_bytes(b"no photo")
    report = segment(folder, Bright())
    assert not (folder / "masks" / "fig" / "a.png").exists()
    assert report.counts()["failed"] == report.counts()["without_mask"] == 2


def test_names_that_are_no_text_are_reported(folder):
    picture().save(folder / "photos" / "fig" / os.fsdecode(b"cr\xe8me.png"))
    report = segment(folder, Bright())
    report.write()
    assert (folder / "masks" / "fig" / os.fsdecode(b"cr\xe8me.png")).is_file()
    told = json.loads((folder / "masks" / "segmentation.json").read_text(encoding="utf-8"))
    assert told["photos"]["fig/cr\ufffdme.png"]["verdict"] == "segmented"
    assert segment(folder, Bright()).entries == report.entries


def test_a_mask_of_the_users_own_is_left_as_it_is(folder):
    own = folder / "masks" / "fig" / "a.png"
    own.parent.mkdir(parents=True)
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(own)
    before = own.read_bytes()
    report = segment(folder, Bright())
    assert own.read_bytes() == before
    assert report.counts()["own"] == 1
    assert "not made by this command: 1 (fig/a.png)" in report.text()


def test_what_is_in_the_way_is_told(folder):
    segment(folder, Bright())
    with pytest.raises(
        UserError, match=r"bright.png was made with level=128: use the same settings to go on, or choose"
    ):
        segment(folder, Bright(level=99))
    with pytest.raises(UserError, match="was made with on_empty=centre"):
        segment(folder, Bright(), "whole")
    (folder / "masks" / "fig" / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a.png has the name of a mask but is not an image: remove it"):
        segment(folder, Bright())


def test_folders_that_will_not_do(folder):
    with pytest.raises(UserError, match=r"--input=.*nowhere is not a folder"):
        work.segment_folder(folder / "nowhere", folder / "masks", Bright(), "centre", 1)
    with pytest.raises(UserError, match=r"--output=.* lies in --input="):
        segment(folder, Bright(), masks="photos/masks")
    (folder / "blocked").write_bytes(b"a file")
    with pytest.raises(UserError, match=r"the folder .*blocked/masks cannot be made"):
        segment(folder, Bright(), masks="blocked/masks")
    picture().save(folder / "photos" / "fig" / "a.bmp")
    with pytest.raises(UserError, match=r"a.bmp and .*a.png would have the same mask, .*a.png: rename one"):
        segment(folder, Bright())
    (folder / "none").mkdir()
    with pytest.raises(UserError, match="holds no photos"):
        work.segment_folder(folder / "none", folder / "masks", Bright(), "centre", 1)


def test_several_at_a_time_give_the_same(folder):
    for number in range(12):
        picture(number).save(folder / "photos" / "fig" / f"{number}.png")
    one = segment(folder, Bright(), masks="one")
    several = work.segment_folder(folder / "photos", folder / "several", Bright(), "centre", jobs=3)
    assert several.entries == one.entries


def test_progress_is_told_while_it_goes_on(folder, monkeypatch, capsys):
    monkeypatch.setattr(work, "SIGN_OF_LIFE", 0.0)
    segment(folder, Bright())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"4 photos below {folder / 'photos'}: 0 have a mask, 4 to do"
    assert sum("photo 2 of 4 (50%)" in line and "photos/s  ETA 0:0" in line for line in lines) == 1
    assert progress.SIGN_OF_LIFE == 30.0


def test_pipes_strips_and_links(tmp_path):
    """None is waited for or worked on; a linked folder's photos have their masks at the link's path."""
    for name in ("photos/a/1.png", "disk/2.png", "photos/a/@eaDir/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture().save(tmp_path / name)
    (tmp_path / "photos" / "b").symlink_to(tmp_path / "disk")
    os.mkfifo(tmp_path / "photos" / "a" / "pipe.jpg")
    picture(1, 1, 20_000).save(tmp_path / "photos" / "a" / "strip.png")
    (tmp_path / "masks" / "a").mkdir(parents=True)
    segmenter = Bright()
    report = segment(tmp_path, segmenter)
    problems = {entry.photo: entry.problem for entry in report.entries}
    assert problems == {
        "a/1.png": "",
        "a/pipe.jpg": "not a regular file",
        "a/strip.png": "a strip of 20000 x 1 pixels",
        "b/2.png": "",
    }
    assert segmenter.seen == 2
    assert (tmp_path / "masks/b/2.png").is_file()


def test_a_pipe_where_a_mask_belongs(folder):
    (folder / "masks" / "fig").mkdir(parents=True)
    os.mkfifo(folder / "masks" / "fig" / "a.png")
    with pytest.raises(UserError, match=r"a.png has the name of a mask but is not an image: remove it"):
        segment(folder, Bright())
