import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import shading


def _light(azimuth=0.0, elevation=0.8):
    return shading.Light(
        azimuth, elevation, np.array([0.6, 0.5, 0.4], np.float32), np.array([0.3, 0.3, 0.4], np.float32), 1.0
    )


def _lit(height, gloss=0.0, light=None):
    side = height.shape[0]
    albedo = np.full((3, side, side), 0.5, np.float32)
    return shading.shade(albedo, height, np.full((side, side), gloss, np.float32), light or _light(), 2.0)


def test_a_flat_matt_surface_returns_albedo_times_light():
    lit = _lit(np.ones((64, 64), np.float32))
    # Half of sun plus sky.
    np.testing.assert_allclose(lit[:, 32, 32], [0.45, 0.4, 0.4], rtol=1e-4)


def test_slopes_towards_the_sun_are_brighter():
    ramp = np.tile(np.linspace(0, 20, 64, dtype=np.float32), (64, 1))  # rises to the right, so it faces left
    towards, away = _lit(ramp, light=_light(azimuth=np.pi)), _lit(ramp, light=_light(azimuth=0.0))
    assert (towards[:, 20:40, 20:40] > away[:, 20:40, 20:40]).all()


def test_a_post_throws_its_shadow_away_from_the_sun():
    height = np.zeros((64, 64), np.float32)
    height[28:36, 28:36] = 8
    shadow = shading.shadow(height, _light(azimuth=0.0), 2.0)  # the sun stands to the right
    assert shadow[32, 24] == pytest.approx(1)
    assert shadow[32, 40] == 0
    assert shadow[32, 2] == 0
    assert shadow[31, 31] == 0


def test_gloss_only_adds_light():
    rng = np.random.default_rng(0)
    height = shading.surroundings(rng.standard_normal((64, 64)).astype(np.float32) * 20, 2)
    matt, glossy = _lit(height), _lit(height, gloss=1.0)
    assert (glossy >= matt).all()
    assert (glossy - matt).max() > 0.1


def test_surroundings_are_the_mean_of_a_square():
    field = np.random.default_rng(1).standard_normal((20, 30)).astype(np.float32)
    mean = shading.surroundings(field, 3)
    assert mean.shape == field.shape
    assert mean[10, 12] == pytest.approx(field[7:14, 9:16].mean(), abs=1e-5)
    assert mean[0, 0] == pytest.approx(field[:4, :4].sum() / 49, abs=1e-5)
    assert mean[19, 29] == pytest.approx(field[16:, 26:].sum() / 49, abs=1e-5)
