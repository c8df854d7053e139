import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from jdnet_jax.data.file_tree import open_tree

FILES = {"top.txt": b"top", "a [1]/x.jpg": b"x" * 5, "a [1]/y.jpg": b"", "a [1]/deep/z.jpg": b"zz", "b/x.txt": b"b"}


@pytest.fixture(params=["folder", "archive"])
def place(request, tmp_path):
    """The same files below a folder and in an archive."""
    if request.param == "archive":
        with zipfile.ZipFile(tmp_path / "files.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("empty")
            for name, content in FILES.items():
                archive.writestr(name, content)
        return tmp_path / "files.zip"
    for name, content in FILES.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "files" / "empty").mkdir()
    return tmp_path / "files"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("top.txt", {"top.txt": 3}),
        ("*", {"top.txt": 3}),
        ("*/*.jpg", {"a [1]/x.jpg": 5, "a [1]/y.jpg": 0}),
        ("*/x.*", {"a [1]/x.jpg": 5, "b/x.txt": 1}),
        ("*/*/*.jpg", {"a [1]/deep/z.jpg": 2}),
        ("none", {}),
    ],
)
def test_files(place, pattern, expected):
    found = open_tree(place).files(pattern)
    assert found == expected
    assert list(found) == sorted(expected)


def test_below(place):
    tree = open_tree(place)
    inside = tree.below("a [1]")
    assert inside.root == place / "a [1]"
    assert inside.files("*.jpg") == {"x.jpg": 5, "y.jpg": 0}
    assert inside.below("deep").read("z.jpg") == b"zz"
    assert tree.below(".").files("*") == {"top.txt": 3}


def test_read(place):
    tree = open_tree(place)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tree.read, FILES)) == list(FILES.values())
    with pytest.raises(FileNotFoundError):
        tree.read("none")


def test_damaged_archive(tmp_path):
    path = tmp_path / "files.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"A" * 100)
        archive.writestr("b.txt", b"B" * 100)
    path.write_bytes(path.read_bytes().replace(b"A" * 100, b"A" * 99 + b"!"))
    tree = open_tree(path)
    assert tree.read("b.txt") == b"B" * 100
    with pytest.raises(OSError, match="damaged in the archive"):
        tree.read("a.txt")


def test_neither_folder_nor_archive(tmp_path):
    (tmp_path / "page.zip").write_text("<html>gone</html>")
    with pytest.raises(zipfile.BadZipFile):
        open_tree(tmp_path / "page.zip")
    with pytest.raises(FileNotFoundError):
        open_tree(tmp_path / "none")
