import numpy as np
import pytest

from jdnet_jax.segment import rule


@pytest.mark.parametrize(
    ("share", "least", "reach", "expected"),
    [
        (0.0, 0.0, 1.0, "empty"),
        (0.0099, 0.0, 1.0, "empty"),
        (0.01, 0.0, 1.0, "segmented"),
        (0.94, 0.0, 1.0, "segmented"),
        (0.95, 0.0, 1.0, "full"),
        (0.055, 0.05, 0.8, "empty"),  # next to nothing beyond what is marked anyway
        (0.77, 0.05, 0.8, "full"),  # 0.95 * 0.8 = 0.76
    ],
)
def test_verdicts(share, least, reach, expected):
    assert rule.verdict(share, least, reach) == expected


def test_what_stands_in():
    assert rule.replacement("skip", 10, 20) is None
    assert rule.replacement("whole", 10, 20).all()
    ellipse = rule.replacement("centre", 100, 200)
    assert ellipse.shape == (100, 200)
    assert ellipse.mean() == pytest.approx(np.pi / 4 * 0.7**2, abs=0.003)
    np.testing.assert_array_equal(ellipse, ellipse[::-1, ::-1])
    assert ellipse[50, 31]  # its axes end 70 and 35 pixels from the centre
    assert not ellipse[50, 29]
    assert ellipse[16, 100]
    assert not ellipse[14, 100]
