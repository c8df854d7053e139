import numpy as np

from jdnet_jax.learning import advice


def told(teacher_size, photos):
    params = {"student": {"w": np.zeros(100)}, "teacher": {"w": np.zeros(teacher_size)}}
    return list(advice.lines(params.keys(), params, photos))


def test_a_teacher_that_is_hardly_larger_and_few_photos():
    size, few = told(140, 160)
    assert "teacher is only 1.4 times as large as the student" in size
    assert "--config.teachers.teacher.model=resnet50 --config.teachers.teacher.init=timm/resnet50.a1_in1k" in size
    assert "with 160 photos to train on and no larger teacher, the student alone (recipe ce)" in few
    assert told(140, 5_000) == [size]


def test_no_advice_where_none_is_needed():
    assert told(700, 160) == []
    assert list(advice.lines(["student"], {"student": {"w": np.zeros(3)}}, 160)) == []
