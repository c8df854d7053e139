import shutil

import pytest

from tests.data.uec_food.tree import make_tree


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A whole small tree, which no test changes."""
    return make_tree(tmp_path_factory.mktemp("uec") / "made")


@pytest.fixture
def tree(made, tmp_path):
    """A copy that the test may change."""
    return shutil.copytree(made, tmp_path / "tree")
