import subprocess
import sys

import pytest

from jdnet_jax.config.routing import ROUTING

LABELS_AND_COUPLINGS = ("ce", "distill", "dist", "ial", "kl", "mskd")


@pytest.mark.parametrize("term", LABELS_AND_COUPLINGS)
def test_the_student_learns_at_full_strength_and_a_teacher_feels_a_coupling_weakly(term):
    assert ROUTING[term]["student"] == 1.0
    # DeiT's and DIST's teachers are fixed.
    assert ROUTING[term]["teacher"] == {"ce": 1.0, "distill": 0.0, "dist": 0.0}.get(term, 0.1)
    assert ROUTING[term]["adapters"] == (1.0 if term == "mskd" else 0.0)
    assert ROUTING[term]["discriminators"] == 0.0


def test_meals_terms_leave_teachers_alone_and_set_student_and_discriminators_against_each_other():
    assert set(ROUTING) == {*LABELS_AND_COUPLINGS, "similarity", "adversarial"}
    assert ROUTING["similarity"] == {"student": 1.0, "teacher": 0.0, "adapters": 0.0, "discriminators": 0.0}
    assert ROUTING["adversarial"] == {"student": -1.0, "teacher": 0.0, "adapters": 0.0, "discriminators": 1.0}


def test_the_table_can_be_read_without_jax():
    code = "import sys, jdnet_jax.config.routing; assert not {'jax', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
