import jax
import numpy as np
import pytest

from jdnet_jax.figures import classification
from jdnet_jax.figures.classification import Result, macro_f1, per_class
from jdnet_jax.learning import devices, eval_loop, initial_weights, networks, step
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny


def test_macro_f1_by_hand():
    # Class 0: TP 2, FP 1, FN 0: 4/5. Class 1: TP 1, FP 0, FN 1: 2/3. Class 2 neither occurs nor is predicted.
    confusion = np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert macro_f1(confusion) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert macro_f1(confusion, [1]) == pytest.approx(2 / 3)
    assert macro_f1(confusion, {0, 2}) == pytest.approx(4 / 5)
    assert macro_f1(confusion, [2]) == 0


def test_macro_f1_of_nothing_right():
    assert macro_f1(np.array([[0, 3], [2, 0]])) == 0
    assert macro_f1(np.zeros((2, 2), int)) == 0


def test_summary():
    result = Result(confusion=np.array([[2, 0], [1, 1]]), top5_count=4, loss=0.5)
    assert result.summary() == {
        "top1": 0.75,
        "top1_interval": pytest.approx([0.30064, 0.95441], abs=1e-5),  # Wilson's, of 3 of 4
        "top5": 1.0,
        "macro_f1": pytest.approx((4 / 5 + 2 / 3) / 2),
        "loss": 0.5,
        "count": 4,
    }


def test_per_class_by_hand():
    figures = per_class(np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0]]))
    np.testing.assert_allclose(figures.precision, [2 / 3, 1, np.nan])
    np.testing.assert_allclose(figures.recall, [1, 1 / 2, np.nan])
    np.testing.assert_allclose(figures.f1, [4 / 5, 2 / 3, np.nan])
    np.testing.assert_array_equal(figures.count, [2, 2, 0])


def test_the_most_confused_pairs_come_first():
    confusion = np.array([[5, 2, 0], [3, 4, 2], [0, 0, 6]])
    assert classification.most_confused(confusion, 9) == [(1, 0, 3), (0, 1, 2), (1, 2, 2)]
    assert classification.most_confused(confusion, 1) == [(1, 0, 3)]
    assert classification.most_confused(np.diag([1, 2]), 9) == []


def test_photos_without_a_label_are_not_scored():
    images, mask = np.zeros((3, 4, 4, 3), np.uint8), np.array([1, 0, 1], bool)
    batch = {"image": images, "label": np.array([1, -1, -1]), "mask": mask}
    with pytest.raises(UserError, match="photos without a label"):
        eval_loop.evaluate(lambda *_: pytest.fail("a step was taken"), {}, [batch])


def test_logits_of_each_example_once_over_devices_and_padding():
    student = networks.build(tiny.config(), tiny.CLASSES)["student"]
    variables = initial_weights.initialize(student, 0, tiny.CLASSES)
    examples = tiny.batch(size=21)
    padded = {name: np.concatenate([rows, np.zeros_like(rows[:3])]) for name, rows in examples.items()}
    padded["mask"] = np.arange(24) < 21
    batches = [{name: rows[begin : begin + 8] for name, rows in padded.items()} for begin in (0, 8, 16)]
    assert jax.device_count() == 8
    found, labels = eval_loop.logits(devices.mapped(step.logits_step(student)), variables, batches)
    np.testing.assert_array_equal(labels, examples["label"])
    expected = jax.jit(student.module.apply)(variables, student.prepare(examples)).logits
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
