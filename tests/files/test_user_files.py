import os
from pathlib import Path

import pytest

from jdnet_jax.files import user_files
from jdnet_jax.process.errors import UserError


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_texts_are_read_alike(tmp_path, ends, encoding):
    mark = "\ufeff" if encoding[-2:] in ("le", "be") else ""
    (tmp_path / "list.txt").write_bytes(f"{mark}crème{ends}寿司{ends}".encode(encoding))
    assert user_files.read_text(tmp_path / "list.txt") == "crème\n寿司\n"


def test_what_is_no_text(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"fig\ncr\xe8me\n")
    with pytest.raises(UserError, match=r"list.txt, line 2: not UTF-8; save the file as UTF-8"):
        user_files.read_text(tmp_path / "list.txt")
    with pytest.raises(UserError, match=r"none.txt cannot be read \(No such file or directory\)"):
        user_files.read_text(tmp_path / "none.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(UserError, match=r"pipe.txt cannot be read \(not a regular file\)"):
        user_files.read_text(tmp_path / "pipe.txt")


def test_bytes_up_to_a_limit(tmp_path):
    (tmp_path / "five").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("five")
    assert user_files.read_bytes(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="more than 0 MB"):
        user_files.read_bytes(tmp_path / "five", 4)
    for special in ("/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="not a regular file"):
            user_files.read_bytes(Path(special), 4)


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_files.expanded("~/a") == tmp_path / "a"
    assert user_files.expanded("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")
    assert user_files.expanded("a~/~") == Path("a~/~")
