import numpy as np

from jdnet_jax.learning import advice
from jdnet_jax.learning.networks import Network


def told(recipe="jdnet", **sizes):
    """The lines on a student of 100 parameters and these teachers, name -> size; one named `frozen` does not learn."""
    sizes = {"student": 100, **sizes}
    networks = {name: Network(name, "", {}, "random", name != "frozen", None, 32) for name in sizes}
    return list(advice.lines(recipe, networks, {name: {"w": np.zeros(size)} for name, size in sizes.items()}))


def test_a_teacher_that_is_hardly_larger_and_learns_beside_the_student():
    [line] = told(small=120, teacher=140, frozen=900)
    assert "teacher is only 1.4 times as large as the student and learns the classes at the same time" in line
    assert "the student alone (recipe ce)" in line
    assert "(recipe jdnet_trained)" in line


def test_no_advice_where_none_is_needed():
    assert told(teacher=200) == []
    assert told(frozen=140) == []
    assert told() == []
    assert told("jdnet_trained", teacher=140) == []
