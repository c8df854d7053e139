import os
from pathlib import Path

import pytest

from jdnet_jax.files import atomic
from jdnet_jax.process.errors import UserError


def test_replaces_the_whole_text(tmp_path):
    path = tmp_path / "summary.json"
    atomic.write_text(path, "a longer text")
    atomic.write_text(path, "short é")
    assert path.read_text(encoding="utf-8") == "short é"
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_replaces_bytes_as_they_are(tmp_path):
    path = tmp_path / "mask.png"
    atomic.write_bytes(path, b"longer than the next")
    atomic.write_bytes(path, b"\r\n\x00\xff")
    assert path.read_bytes() == b"\r\n\x00\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["mask.png"]


def test_a_failure_leaves_the_old_text(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    atomic.write_text(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(UserError, match=r"summary.json could not be written .No space left on device"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["summary.json"]


def test_the_clean_up_does_not_hide_the_error(tmp_path, monkeypatch):
    """As on a disk that became read-only: neither writing nor removing goes."""

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(UserError, match=r"report.html could not be written .Input/output error"):
        atomic.write_text(tmp_path / "report.html", "new")


@pytest.mark.parametrize("stem", ["a" * 250, "é" * 125, "a" + "é" * 124, "\udcff" * 250])
def test_names_as_long_as_a_file_system_allows_are_written(tmp_path, stem):
    atomic.write_text(tmp_path / stem, "text")
    assert (tmp_path / stem).read_text() == "text"
    name = atomic.bounded(stem, ".overlay.jpg")
    assert len(os.fsencode(name)) <= 255
    assert name.endswith(".overlay.jpg")
    atomic.write_text(tmp_path / name, "text")
    assert name != atomic.bounded(stem[:-1] + "z", ".overlay.jpg")
    assert len(list(tmp_path.iterdir())) == 2


def test_names_that_fit_stay_as_they_are(tmp_path):
    assert atomic.bounded("photo", ".overlay.jpg") == "photo.overlay.jpg"
    assert atomic.bounded("a" * 243, ".overlay.jpg") == "a" * 243 + ".overlay.jpg"
    assert atomic.aside(tmp_path / "summary.json") == tmp_path / ".summary.json.new"


def fill(folder, text, then=None):
    with atomic.replaced_folder(folder) as aside:
        (aside / "file").write_text(text)
        if then is not None:
            raise then


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / ("a" * 250)
    for text in ("one", "two"):
        fill(folder, text)
        assert (folder / "file").read_text() == text
    with pytest.raises(ZeroDivisionError):
        fill(folder, "three", ZeroDivisionError())
    assert (folder / "file").read_text() == "two"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_comes_back_after_a_kill_between_the_two_moves(tmp_path):
    folder = tmp_path / "student"
    fill(folder, "one")
    folder.rename(tmp_path / ".student.old")
    with pytest.raises(ZeroDivisionError):
        fill(folder, "two", ZeroDivisionError())
    assert (folder / "file").read_text() == "one"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_link_that_somebody_put_aside_is_not_followed(tmp_path):
    """In a folder such as `/tmp` anybody may know the name that is written aside."""
    (tmp_path / "other.txt").write_text("theirs")
    atomic.aside(tmp_path / "a.txt").symlink_to(tmp_path / "other.txt")
    atomic.write_text(tmp_path / "a.txt", "ours")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    atomic.aside(tmp_path / "folder").symlink_to(tmp_path / "theirs")
    with atomic.replaced_folder(tmp_path / "folder") as aside:
        (aside / "new").touch()
    assert (tmp_path / "other.txt").read_text() == "theirs"
    assert (tmp_path / "a.txt").read_text() == "ours"
    assert not (tmp_path / "a.txt").is_symlink()
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["file"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["new"]
