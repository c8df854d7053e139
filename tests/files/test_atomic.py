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
