import pytest
from etils import epath

from jdnet_jax.files.plain_path import LiteralPath, check, without_patterns
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import check_name


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


def test_a_backslash_is_part_of_a_pattern_too(tmp_path):
    (tmp_path / "out\\1").mkdir()
    with without_patterns(tmp_path / "out\\1") as folder:
        (folder / "file").write_text("text")
        assert "\\" not in str(folder)
    assert (tmp_path / "out\\1" / "file").read_text() == "text"


@pytest.mark.parametrize("name", ["runs\\food", "above\\/food", "runs\udcff"])
def test_folders_that_tensorstore_would_write_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="checkpoints cannot lie in a folder with "):
        check(tmp_path / name)
    with pytest.raises(UserError, match="checkpoints cannot lie in a folder with "):
        check_name(str(tmp_path / name))


@pytest.mark.parametrize("name", ["out [1]", "a b", "100%", "#1", "a:b", "ä", "a|b"])
def test_other_folders_are_not(tmp_path, name):
    assert check_name(str(tmp_path / name)) == str(tmp_path / name)
