import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import tables
from jdnet_jax.data.synthetic_meals.canvas import Canvas


@pytest.mark.parametrize("name", tables.TABLES)
def test_a_table_covers_the_canvas(name):
    for seed in range(6):
        canvas = Canvas(48, supersampling=1)
        tables.TABLES[name](canvas, np.random.default_rng(seed))
        assert canvas.albedo.min() >= 0
        assert canvas.albedo.max() <= 1.3
        assert canvas.albedo.std() > 0
        assert abs(canvas.height.mean() - 1) < 0.6
        assert canvas.height.min() > 0  # what lies on it must be able to rise above it


def test_bands_have_their_width_and_period():
    position = np.linspace(0, 100, 10_001, dtype=np.float32)[None]
    ink = tables.bands(position, 10.0, 3.0)
    assert ink.mean() == pytest.approx(0.3, abs=0.005)
    np.testing.assert_allclose(ink[0, [0, 1000, 5000]], 1)
    np.testing.assert_allclose(ink[0, [500, 1500]], 0)


def test_lay_follows_the_weights():
    first, second = Canvas(32), Canvas(32)
    tables.lay(first, np.random.default_rng(5), {"plain": 1.0})
    tables.lay(second, np.random.default_rng(5), {"plain": 1.0, "wood": 0.0})
    np.testing.assert_array_equal(first.albedo, second.albedo)
