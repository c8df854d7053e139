from pathlib import Path

import pytest

from jdnet_jax.inference.opening_errors import check_classes, explained
from jdnet_jax.process.errors import UserError
from tests import tiny_student


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ModuleNotFoundError("No module named 'x'"), "a.onnx: running it needs ONNX Runtime: pip install it"),
        (PermissionError(13, "Permission denied"), "a.onnx cannot be read (Permission denied)"),
        (OSError("bad magic"), "a.onnx is no ONNX file of this project, or damaged (bad magic): export it again"),
        (
            RuntimeError("two\n lines"),
            "a.onnx is no ONNX file of this project, or damaged (two lines): export it again",
        ),
    ],
)
def test_each_error_is_a_line(error, line):
    with pytest.raises(UserError) as raised, explained(Path("a.onnx"), "ONNX file", "ONNX Runtime: pip install it"):
        raise error
    assert str(raised.value) == line


def test_a_missing_package_of_the_base_is_no_mistake_of_the_user():
    with pytest.raises(ImportError, match="tensorflow"), explained(Path("saved"), "SavedModel"):
        raise ImportError("tensorflow")


def test_a_number_of_classes():
    card = tiny_student.card()
    check_classes(len(card.classes), card)
    with pytest.raises(ValueError, match=f"it has 99 classes, not {len(card.classes)}"):
        check_classes(99, card)
