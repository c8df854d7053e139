import pytest

from jdnet_jax.demo import site, static_folder
from jdnet_jax.errors import UserError

FILES = {
    name: site.Asset(name.encode(), "text/plain", None, "") for name in ("index.html", "site.json", "runtime/a.js")
}


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_files_and_replaces_an_earlier_one_whole(tmp_path):
    folder = tmp_path / "below" / "page"
    for _ in range(2):
        static_folder.write(FILES, folder)
        assert content(folder) == {name: name for name in FILES}
        (folder / "old.js").write_text("of an earlier version")
    assert [path.name for path in folder.parent.iterdir()] == ["page"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "page").mkdir()
    static_folder.write(FILES, tmp_path / "page")
    assert content(tmp_path / "page") == {name: name for name in FILES}


def test_what_is_no_page_is_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "index.html").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("photos", "file"):
        with pytest.raises(UserError, match=rf"--export=.*{name} is there and no page of this command"):
            static_folder.write(FILES, tmp_path / name)
    assert content(tmp_path) == {"photos/index.html": "mine", "file": "mine"}


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    folder = tmp_path / "page"
    static_folder.write(FILES, folder)
    bad = {**FILES, "index.html/below": FILES["index.html"]}
    with pytest.raises(UserError, match=r"--export=.*page cannot be written"):
        static_folder.write(bad, folder)
    assert content(tmp_path) == {f"page/{name}": name for name in FILES}
