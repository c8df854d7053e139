import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import noise


@pytest.mark.parametrize(("size", "cells"), [(7, 3), (96, 4), (192, 60)])
def test_spline_weights_sum_to_one_and_reproduce_a_line(size, cells):
    matrix = noise.spline_matrix(size, cells)
    assert matrix.shape == (size, cells + 3)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    # Control values on a line give that line: knot k of the cells lies at k - 1.
    line = matrix @ (np.arange(cells + 3, dtype=np.float32) - 1)
    np.testing.assert_allclose(line, (np.arange(size) + 0.5) / size * cells, atol=1e-4)


def test_spline_weights_at_a_knot():
    # One sample in the middle of one cell: the cubic B-spline at t = 1/2 has the weights 1, 23, 23, 1 over 48.
    np.testing.assert_allclose(noise.spline_matrix(1, 1)[0], np.array([1, 23, 23, 1]) / 48, rtol=1e-6)


def test_bank_fields_are_standardised_and_smooth_by_their_wavelength():
    bank = noise.bank(1.0)
    steps = {}
    for name, field in bank.items():
        assert field.dtype == np.float32
        assert abs(field.mean()) < 0.02
        assert field.std() == pytest.approx(1, abs=0.02)
        steps[name] = float(np.abs(np.diff(field, axis=0)).mean())
    assert steps["coarse"] < steps["medium"] < steps["fine"] < steps["grain"]


def test_a_crop_is_part_of_the_field_and_follows_the_generator():
    first = noise.crop(np.random.default_rng(1), "fine", (20, 30), 1.0)
    second = noise.crop(np.random.default_rng(1), "fine", (20, 30), 1.0)
    other = noise.crop(np.random.default_rng(2), "fine", (20, 30), 1.0)
    assert first.shape == (20, 30)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
    assert np.isin(first, noise.bank(1.0)["fine"]).all()


def test_a_crop_larger_than_the_bank_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        noise.crop(np.random.default_rng(0), "fine", (10_000, 1), 1.0)
