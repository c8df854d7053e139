import pytest
from etils import epath

from jdnet_jax.files.plain_path import LiteralPath, without_patterns


@pytest.mark.parametrize("name", ["out [1]", "a*b", "what?", "plain"])
def test_only_what_is_asked_for_is_a_pattern(tmp_path, name):
    for folder in (name, "out 1", "acb", "whats"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "part_0").touch()
    path = epath.Path(LiteralPath(tmp_path / name))
    assert [found.name for found in path.glob("part_*")] == ["part_0"]
    assert all(found.parent.name == name for found in path.glob("part_*"))
    assert list((path / "part_0").glob("*")) == []
    assert isinstance(path.parent / "other", LiteralPath)


def test_a_folder_is_reached_by_a_name_that_is_no_pattern(tmp_path):
    (tmp_path / "out [1]").mkdir()
    with without_patterns(tmp_path / "out [1]") as folder:
        (folder / "file").write_text("text")
        assert not set("[*?") & set(str(folder))
    assert (tmp_path / "out [1]" / "file").read_text() == "text"
    with without_patterns(tmp_path) as folder:
        assert folder == tmp_path
