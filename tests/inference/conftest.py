import pytest

from tests import tiny_student


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """The folder of a hand-off of the tiny student."""
    return tiny_student.save(tmp_path_factory.mktemp("tiny") / "student")
