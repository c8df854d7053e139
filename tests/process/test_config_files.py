from pathlib import Path

import pytest

from jdnet_jax.process import config_files

CONFIGS = Path(__file__).parents[2] / "configs"


def test_names_are_those_of_the_files():
    assert set(config_files.names()) == {path.stem for path in CONFIGS.glob("*.py")}


@pytest.mark.parametrize(
    ("value", "file"),
    [
        ("demo", f"{CONFIGS}/demo.py"),
        ("food101:kd,pair=a-b", f"{CONFIGS}/food101.py:kd,pair=a-b"),
        ("configs/demo.py:ce", "configs/demo.py:ce"),
        ("mine/demo", "mine/demo"),
        ("demos", "demos"),
    ],
)
def test_a_name_is_one_of_ours_and_a_path_stays(value, file):
    assert config_files.file(value) == file


@pytest.mark.parametrize(
    ("file", "shown"), [(f"{CONFIGS}/demo.py:ce", "demo:ce"), ("elsewhere/demo.py:ce", "elsewhere/demo.py:ce")]
)
def test_what_a_person_types_for_a_file(file, shown):
    assert config_files.shortest(file) == shown


def test_a_name_that_is_almost_right_is_suggested():
    assert config_files.suggestion("gorcery:ce").startswith("did you mean grocery? the project's own are deit_demo, ")
    assert config_files.suggestion("xyz").startswith("the project's own are ")
