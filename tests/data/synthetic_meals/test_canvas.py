import numpy as np
import pytest

from jdnet_jax.data.synthetic_meals.canvas import Canvas


def test_window_offsets_and_clipping():
    canvas = Canvas(96)  # two samples a unit
    window = canvas.window(10.0, 20.0, 3.0)
    assert window.shape == (14, 14)  # from 3 below to 4 above, as the upper edge is rounded outwards
    assert window.dx[0, 0] == pytest.approx(7.25 - 10)
    assert window.dy[0, 0] == pytest.approx(17.25 - 20)
    assert canvas.window(-50.0, 20.0, 3.0).shape[1] == 0
    assert canvas.everything().shape == (192, 192)


def test_inside_is_half_on_the_edge():
    canvas = Canvas(96)
    alpha = canvas.inside(np.array([[-5.0, -0.125, 0.0, 0.125, 5.0]], np.float32))
    np.testing.assert_allclose(alpha, [[1, 0.75, 0.5, 0.25, 0]])


def test_paint_blends_every_field():
    canvas = Canvas(16)
    window = canvas.everything()
    alpha = np.full(window.shape, 0.25, np.float32)
    canvas.paint(window, alpha, np.array([0.4, 0.8, 1.0], np.float32), height=2.0, gloss=0.8, food=True)
    np.testing.assert_allclose(canvas.albedo[:, 3, 3], [0.1, 0.2, 0.25])
    np.testing.assert_allclose(canvas.height, 0.5)
    np.testing.assert_allclose(canvas.gloss, 0.2)
    np.testing.assert_allclose(canvas.cover, 0.25)
    canvas.paint(window, alpha, np.zeros(3, np.float32), food=None)
    np.testing.assert_allclose(canvas.cover, 0.25)
    canvas.paint(window, np.ones(window.shape, np.float32), np.zeros(3, np.float32))
    np.testing.assert_allclose(canvas.cover, 0)
    np.testing.assert_allclose(canvas.height, 0.5)


def test_tint_multiplies():
    canvas = Canvas(16)
    canvas.albedo[...] = 0.5
    window = canvas.everything()
    canvas.tint(window, np.ones(window.shape, np.float32), np.array([1.0, 0.5, 0.0], np.float32))
    np.testing.assert_allclose(canvas.albedo[:, 0, 0], [0.5, 0.25, 0])


def _flat_disc(dx, dy):
    return (dx * dx + dy * dy < 9) * np.float32(1)


def test_splat_shows_the_highest_of_what_overlaps():
    canvas = Canvas(96)
    x, y = np.array([30.0, 32.0]), np.array([40.0, 40.0])
    hits = canvas.splat(x, y, np.array([5.0, 1.0]), 3.0, _flat_disc)
    at = {int(pixel): int(number) for pixel, number in zip(hits.pixel, hits.instance, strict=True)}
    assert at[80 * 192 + 62] == 0  # both cover x = 31: the higher one shows
    assert at[80 * 192 + 68] == 1  # only the second reaches x = 34
    area = np.count_nonzero(hits.instance == 0) / 4
    assert area == pytest.approx(np.pi * 9, rel=0.05)
    np.testing.assert_allclose(hits.height[hits.instance == 0], 6)


def test_splat_does_not_show_what_lies_below_the_canvas_or_outside():
    canvas = Canvas(96)
    canvas.height[...] = 10
    assert canvas.splat(np.array([30.0]), np.array([40.0]), np.array([5.0]), 3.0, _flat_disc).pixel.size == 0
    canvas.height[...] = 0
    assert canvas.splat(np.array([-9.0]), np.array([40.0]), np.array([5.0]), 3.0, _flat_disc).pixel.size == 0
    half = canvas.splat(np.array([0.0]), np.array([40.0]), np.array([5.0]), 3.0, _flat_disc)
    assert half.pixel.size / 4 == pytest.approx(np.pi * 9 / 2, rel=0.1)


def test_put_writes_the_visible_samples():
    canvas = Canvas(96)
    hits = canvas.splat(np.array([30.0]), np.array([40.0]), np.array([5.0]), 3.0, _flat_disc)
    canvas.put(hits, np.tile(np.array([0.1, 0.2, 0.3], np.float32), (hits.pixel.size, 1)), gloss=0.5, food=True)
    np.testing.assert_allclose(canvas.albedo[:, 80, 60], [0.1, 0.2, 0.3])
    assert canvas.height[80, 60] == 6
    assert canvas.gloss[80, 60] == 0.5
    assert canvas.cover.sum() == hits.pixel.size
    assert canvas.food_mask().shape == (96, 96)
    assert canvas.food_mask()[40, 30]
    assert not canvas.food_mask()[40, 35]


def test_food_mask_needs_half_a_pixel():
    canvas = Canvas(16)
    canvas.cover[0, 0] = 1
    canvas.cover[0, 2:4] = 1
    assert canvas.food_mask()[0].tolist() == [False, True, *[False] * 14]


def test_lay_doubles_a_ground():
    canvas, ground = Canvas(16), Canvas(16, supersampling=1)
    ground.albedo[1, 3, 5] = 0.7
    ground.height[3, 5] = 2
    canvas.lay(ground)
    np.testing.assert_allclose(canvas.albedo[1, 6:8, 10:12], 0.7)
    np.testing.assert_allclose(canvas.height[6:8, 10:12], 2)
    assert canvas.albedo.sum() == pytest.approx(2.8)
