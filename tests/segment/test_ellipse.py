import numpy as np
import pytest

from jdnet_jax.segment import ellipse


def test_pixels_by_hand():
    # Pixel centres at -1.5, -0.5, 0.5, 1.5 in a circle of radius 2: the corners lie at 2.12.
    expected = np.ones((4, 4), bool)
    expected[[0, 0, 3, 3], [0, 3, 0, 3]] = False
    np.testing.assert_array_equal(ellipse.central(4, 4, 1.0), expected)
    np.testing.assert_array_equal(ellipse.central(1, 1, 0.5), [[True]])


@pytest.mark.parametrize("side", [0.25, 0.7, 1.0])
def test_share(side):
    assert ellipse.central(300, 500, side).mean() == pytest.approx(ellipse.share(side), abs=0.003)
