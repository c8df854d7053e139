import dataclasses

import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals import camera

SHOT = camera.draw_shot(np.random.default_rng(3))


def test_a_shot_follows_the_generator():
    again = camera.draw_shot(np.random.default_rng(3))
    assert again.exposure == SHOT.exposure
    assert again.light.azimuth == SHOT.light.azimuth
    assert camera.draw_shot(np.random.default_rng(4)).exposure != SHOT.exposure


@pytest.mark.parametrize("blur", [(0.0, 0.0), (1.0, 0.2)])
def test_exposing_an_even_field_keeps_it(blur):
    shot = dataclasses.replace(SHOT, blur=blur)
    picture = camera.expose(np.full((2, 64, 64), 0.3, np.float32), shot)
    assert picture.shape == (2, 32, 32)
    np.testing.assert_allclose(picture, 0.3, rtol=1e-5)


def test_blur_spreads_along_its_axis():
    field = np.zeros((1, 192, 192), np.float32)
    field[0, 96:98, 96:98] = 1
    picture = camera.expose(field, dataclasses.replace(SHOT, blur=(2.0, 0.0)))[0]
    assert picture.sum() == pytest.approx(1, rel=1e-3)
    assert picture[52, 48] > 50 * picture[48, 52]


def test_developing_works_pixel_by_pixel():
    linear = np.random.default_rng(0).random((3, 96, 96)).astype(np.float32)
    changed = linear.copy()
    changed[:, 10, 20] = 0
    first = camera.develop(linear, SHOT, np.random.default_rng(5))
    second = camera.develop(changed, SHOT, np.random.default_rng(5))
    differs = (first != second).any(axis=-1)
    assert differs[10, 20]
    assert differs.sum() == 1
    assert first.dtype == np.uint8
    assert first.shape == (96, 96, 3)


def test_more_light_is_brighter():
    shot = dataclasses.replace(SHOT, grain=0.0)
    dark, bright = (
        camera.develop(np.full((3, 96, 96), level, np.float32), shot, np.random.default_rng(5)) for level in (0.05, 0.4)
    )
    assert (bright > dark).all()
