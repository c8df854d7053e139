import numpy as np
import pytest
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.figures import classification
from jdnet_jax.run import evaluation_file
from tests.data.conftest import tiny as tiny

CONFIG = ConfigDict({"image_size": 16, "crop_fraction": 1.0, "fit": "crop"})
# The photos of test are of the classes 0 1 2 3 0 1 2; the student takes 3 for 0, and 0 for 1 once.
_ANSWERS = [0, 1, 2, 0, 1, 1, 2]
_LABELS = np.array([0, 1, 2, 3, 0, 1, 2], np.int32)


def test_answers_confidences_and_a_photo_of_each_mistake(tiny):
    logits = np.zeros((7, 4), np.float32)
    logits[np.arange(7), _ANSWERS] = np.log(5)  # 5 of 8 at temperature 1
    confusion = np.zeros((4, 4), int)
    np.add.at(confusion, (_LABELS, _ANSWERS), 1)
    result = classification.Result(confusion, 7, 0.0)
    teacher = classification.Result(np.diag([2, 2, 2, 1]), 7, 0.0)
    found = evaluation_file.of_run(
        {"val": (logits[:5], _LABELS[:5]), "test": (logits, _LABELS)},
        0.5,
        {"student": result, "teacher": teacher},
        tiny,
        CONFIG,
    )
    np.testing.assert_array_equal(found["test/prediction"], _ANSWERS)
    np.testing.assert_array_equal(found["val/label"], _LABELS[:5])
    assert found["test/confidence"] == pytest.approx(np.full(7, 5 / 8))
    assert found["test/calibrated"] == pytest.approx(np.full(7, 25 / 28))  # 5^2 / (5^2 + 3)
    np.testing.assert_array_equal(found["confusion/student"], confusion)
    np.testing.assert_array_equal(found["confusion/teacher"], teacher.confusion)
    np.testing.assert_array_equal(found["confused/label"], [0, 3])
    np.testing.assert_array_equal(found["confused/prediction"], [1, 0])
    (test,) = data.eval_batches(tiny, "test", batch_size=7, image_size=16, crop_fraction=1.0)
    np.testing.assert_array_equal(found["confused/image"], test["image"][[4, 3]])


def test_a_student_without_mistakes_has_no_photos_of_them(tiny):
    logits = np.eye(4, dtype=np.float32)[_LABELS]
    result = classification.Result(np.diag([2, 2, 2, 1]), 7, 0.0)
    found = evaluation_file.of_run({"test": (logits, _LABELS)}, 1.0, {"student": result}, tiny, CONFIG)
    assert found["confused/image"].shape == (0, 16, 16, 3)
    assert found["confused/label"].shape == (0,)
