"""The words of a student's page."""

import pytest

from jdnet_jax.push import model_page
from tests import tiny_student

pytest.importorskip("huggingface_hub", reason="the extra [hub] is absent")

ALONE = {"student": ("resnet_tiny", "random")}


@pytest.mark.parametrize(
    ("starts", "distilled"), [(None, False), (ALONE, False), ({**ALONE, "teacher": ("resnet50", "random")}, True)]
)
def test_only_a_student_with_a_teacher_is_a_distilled_one(starts, distilled):
    page = model_page.text("ann/my-food", tiny_student.card(), None, starts, [], "")
    assert ("- knowledge-distillation\n" in page) == distilled
