import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from jdnet_jax.data import photo_limits
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


def declared(path, size, real):
    """An archive with a member of `real` zeros of which the header says that it has `size`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(real))
        archive.getinfo("a.jpg").file_size = size  # as it is written at the end
    return open_tree(path)


def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    tracemalloc.start()
    with pytest.raises(OSError, match="damaged in the archive"):
        declared(tmp_path / "less.zip", size=10, real=100_000_000).read("a.jpg")
    assert tracemalloc.get_traced_memory()[1] < 120_000_000  # the zeros themselves, and not what is unpacked of them
    tracemalloc.stop()
    with pytest.raises(OSError, match="damaged in the archive"):
        declared(tmp_path / "more.zip", size=1000, real=10).read("a.jpg")


def test_nor_more_than_a_photo_may_have(place, monkeypatch):
    monkeypatch.setattr(photo_limits, "MAX_BYTES", 4)
    tree = open_tree(place)
    assert tree.read("top.txt") == b"top"
    with pytest.raises(OSError, match="more than 0 MB"):
        tree.read("a [1]/x.jpg")
