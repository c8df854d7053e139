import json

import pytest

from jdnet_jax.demo import site, static_folder
from jdnet_jax.process.errors import UserError


def made_of(*names):
    """A site with these files beside those that each has, all of their names."""
    content = {name: name.encode() for name in ("index.html", "runtime/a.js", *names)}
    content["site.json"] = json.dumps({"files": ["./", "site.json", *names]}).encode()
    return {name: site.Asset(text, "text/plain", None, "") for name, text in content.items()}


FILES = made_of("student-1.tflite")
EXPECTED = {name: asset.content.decode() for name, asset in FILES.items()}


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_the_files_and_replaces_an_earlier_one_whole(tmp_path):
    folder = tmp_path / "below" / "page"
    static_folder.write(made_of("old.js", "student-0.tflite"), folder)
    for _ in range(2):
        static_folder.write(FILES, folder)
        assert content(folder) == EXPECTED
    assert [path.name for path in folder.parent.iterdir()] == ["page"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "page").mkdir()
    static_folder.write(FILES, tmp_path / "page")
    assert content(tmp_path / "page") == EXPECTED


@pytest.mark.parametrize("name", ["CNAME", ".git/HEAD", "about.html"])
def test_what_others_put_beside_the_page_is_not_lost(tmp_path, name):
    static_folder.write(FILES, tmp_path / "page")
    (tmp_path / "page" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "page" / name).write_text("mine")
    with pytest.raises(UserError, match=rf"page holds {name.split('/')[0]}, which this command did not write"):
        static_folder.write(FILES, tmp_path / "page")
    assert content(tmp_path / "page") == {**EXPECTED, name: "mine"}


def test_what_is_no_page_is_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "index.html").write_text("mine")
    (tmp_path / "photos" / "site.json").write_text("[]")
    (tmp_path / "file").write_text("mine")
    for name in ("photos", "file"):
        with pytest.raises(UserError, match=rf"--export=.*{name} exists and was not written by this command"):
            static_folder.write(FILES, tmp_path / name)
    assert content(tmp_path) == {"photos/index.html": "mine", "photos/site.json": "[]", "file": "mine"}


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    folder = tmp_path / "page"
    static_folder.write(FILES, folder)
    bad = {**FILES, "index.html/below": FILES["index.html"]}
    with pytest.raises(UserError, match=r"--export=.*page cannot be written"):
        static_folder.write(bad, folder)
    assert content(folder) == EXPECTED
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
