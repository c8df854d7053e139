import numpy as np
import pytest

from jdnet_jax.evaluation import Result, macro_f1


def test_macro_f1_by_hand():
    # Class 0: TP 2, FP 1, FN 0: 4/5. Class 1: TP 1, FP 0, FN 1: 2/3. Class 2 neither occurs nor is predicted.
    confusion = np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert macro_f1(confusion) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_macro_f1_of_nothing_right():
    assert macro_f1(np.array([[0, 3], [2, 0]])) == 0
    assert macro_f1(np.zeros((2, 2), int)) == 0


def test_summary():
    result = Result(confusion=np.array([[2, 0], [1, 1]]), top5_count=4, loss=0.5)
    assert result.summary() == {
        "top1": 0.75,
        "top5": 1.0,
        "macro_f1": pytest.approx((4 / 5 + 2 / 3) / 2),
        "loss": 0.5,
        "count": 4,
    }
