import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from jdnet_jax.data import augment
from tests.data.tiny import NO_JITTER, augment_config, encode, smooth_photo

KEY = tf.constant([5, 3], tf.int64)
LUMA = np.array([0.299, 0.587, 0.114])


def columns_photo(width=64, height=48):
    """Red tells the column, green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 2 * np.arange(width)
    image[..., 1] = 2 * np.arange(height)[:, None]
    image[..., 2] = 100
    return image


def view(encoded, key=KEY, size=16, **changes):
    plain = {"flip": False, "color_jitter": NO_JITTER, **changes}
    return augment.random_view(tf.constant(encoded), key, size, augment_config(**plain)).numpy()


def views(encoded, count, size=16, **changes):
    """The views of `count` keys."""
    plain = augment_config(**{"flip": False, "color_jitter": NO_JITTER, **changes})
    photo = tf.constant(encoded)
    keys = tf.data.Dataset.range(count).map(lambda i: augment.random_view(photo, KEY + i, size, plain))
    return list(keys.as_numpy_iterator())


def window(pixels):
    """The crop (left, right, top, bottom) in pixels of `columns_photo` that a view shows."""
    inner = pixels[2:-2, 2:-2].astype(float)  # the outer pixels are clamped by the filter
    step_x = (inner[..., 0].mean(0)[-1] - inner[..., 0].mean(0)[0]) / (len(inner) - 1) / 2
    step_y = (inner[..., 1].mean(1)[-1] - inner[..., 1].mean(1)[0]) / (len(inner) - 1) / 2
    centre_x, centre_y = inner[..., 0].mean() / 2 + 0.5, inner[..., 1].mean() / 2 + 0.5
    half = len(pixels) / 2
    return centre_x - half * step_x, centre_x + half * step_x, centre_y - half * step_y, centre_y + half * step_y


def test_view_is_a_function_of_its_key():
    encoded = encode(columns_photo(), "PNG")
    assert np.array_equal(view(encoded), view(encoded))
    assert not np.array_equal(view(encoded), view(encoded, KEY + 1))


def test_crops_keep_to_their_area_and_ratio():
    encoded = encode(columns_photo(), "PNG")
    areas, ratios = [], []
    for pixels in views(encoded, 60, crop_scale=(0.3, 0.6), crop_ratio=(0.8, 1.2)):
        left, right, top, bottom = window(pixels)
        assert left > -1
        assert top > -1
        assert right < 65
        assert bottom < 49
        areas.append((right - left) * (bottom - top) / (64 * 48))
        ratios.append((right - left) / (bottom - top))
    assert 0.27 < min(areas) < 0.36
    assert 0.54 < max(areas) < 0.64
    assert 0.75 < min(ratios) < 0.9
    assert 1.1 < max(ratios) < 1.27


def test_area_and_log_ratio_are_uniform_and_places_reach_every_border():
    """As torchvision's RandomResizedCrop: at scale 0.4 to 1 of a square, its mean area is 0.640 (20,000 draws)."""
    draws = np.random.default_rng(0).random((4000, 10, 4), np.float32)
    window = lambda own: augment.crop_window(tf.constant([348, 348, 3]), own, (0.4, 1.0), (3 / 4, 4 / 3))  # noqa: E731
    windows = np.stack(list(tf.data.Dataset.from_tensor_slices(draws).map(window).as_numpy_iterator()))
    top, left, height, width = windows.T
    areas = height * width / 348**2
    assert abs(areas.mean() - 0.640) < 0.01  # standard error 0.0025
    assert 0.395 < areas.min() < 0.405
    # Below 0.75 every ratio fits, so there the area is uniform.
    assert abs(np.mean(areas[areas < 0.75]) - 0.575) < 0.01
    small = areas < 0.75
    assert abs(np.log(width / height)[small].mean()) < 0.02
    assert abs(np.log(width / height)[small].std() - np.log(16 / 9) / 12**0.5) < 0.01
    assert (top.min(), left.min(), (top + height).max(), (left + width).max()) == (0, 0, 348, 348)


def test_jpeg_and_png_show_the_same_crop():
    """The JPEG's crop is cut while decoding, the PNG's after it."""
    jpeg, png = (view(encode(columns_photo(), kind), KEY + 4).astype(int) for kind in ("JPEG", "PNG"))
    assert np.abs(jpeg - png).max() <= 8


def test_whole_photo_where_no_crop_fits():
    pixels = view(encode(columns_photo(), "PNG"), crop_scale=(1.0, 1.0), crop_ratio=(3.0, 3.0))
    np.testing.assert_allclose(window(pixels), (0, 64, 0, 48), atol=1)


def test_flip_mirrors_half_of_the_photos():
    encoded = encode(columns_photo(), "PNG")
    mirrored = 0
    for plain, maybe in zip(views(encoded, 200), views(encoded, 200, flip=True), strict=True):
        if not np.array_equal(plain, maybe):
            np.testing.assert_array_equal(maybe, plain[:, ::-1])
            mirrored += 1
    assert 70 < mirrored < 130  # 100 expected, standard deviation 7


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_greyscale_becomes_rgb(kind):
    grey = encode(smooth_photo(0, 30, 40)[..., 0], kind)
    for pixels in (view(grey), augment.central_view(tf.constant(grey), 16, 1.0).numpy()):
        assert pixels.shape == (16, 16, 3)
        assert pixels.any()
        np.testing.assert_array_equal(pixels, pixels[..., :1].repeat(3, -1))


def test_colors_are_only_touched_when_asked():
    encoded = encode(columns_photo(), "PNG")
    assert not np.array_equal(view(encoded), view(encoded, color_jitter={**NO_JITTER, "brightness": 0.4}))


def test_jitter_saturates_rather_than_wraps():
    white = encode(np.full((8, 8, 3), 250, np.uint8), "PNG")
    for pixels in views(white, 20, color_jitter={**NO_JITTER, "brightness": 0.8}):
        assert np.ptp(pixels) == 0
        assert pixels.min() >= 45  # 250 * 0.2 and above, never wrapped to near 0


@pytest.mark.parametrize("shape", [(48, 64), (64, 48), (50, 50)])
def test_central_view_is_resize_then_crop(shape):
    """Against Pillow, whose bilinear filter widens when shrinking too: shorter side to 40, central 32."""
    photo = smooth_photo(3, *shape)
    height, width = (round(side * 40 / min(shape)) for side in shape)
    resized = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
    top, left = (height - 32) // 2, (width - 32) // 2
    actual = augment.central_view(tf.constant(encode(photo, "PNG")), 32, 0.8).numpy()
    expected = resized[top : top + 32, left : left + 32]
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= 1


def test_evaluation_decodes_a_jpeg_as_pillow_does():
    encoded = encode(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8), "JPEG")
    actual = augment.central_view(tf.constant(encoded), 40, 1.0).numpy()
    np.testing.assert_array_equal(actual, np.asarray(Image.open(io.BytesIO(encoded))))


def test_shrinking_is_antialiased():
    """One-pixel stripes become grey, not stripes of another width."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    encoded = tf.constant(encode(stripes, "PNG"))
    for pixels in (augment.central_view(encoded, 12, 1.0).numpy(), view(encoded, size=12, crop_scale=(0.99, 1.0))):
        assert np.abs(pixels[:, 1:-1].astype(int) - 127).max() < 40


@pytest.mark.parametrize("shape", [(20, 31), (31, 31), (12, 40), (40, 40), (93, 40)])
def test_evaluation_resizes_by_the_antialiased_kernel_whatever_the_shape(shape):
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3)), tf.uint8)
    expected = tf.image.resize(image, [31, 31], antialias=True)
    np.testing.assert_allclose(augment._resize(image, [31, 31], antialias_from=1), expected, atol=1e-3)


@pytest.mark.parametrize(("shape", "antialias"), [((40, 61), False), ((92, 92), False), ((93, 40), True)])
def test_training_antialiases_from_a_factor_of_three(shape, antialias):
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3)), tf.uint8)
    expected = tf.image.resize(image, [31, 31], antialias=antialias)
    np.testing.assert_allclose(augment._resize(image, [31, 31], antialias_from=3), expected, atol=1e-3)


@pytest.mark.parametrize(("size", "scale"), [(96, 1), (74, 1), (73, 2), (64, 2), (37, 2), (36, 4), (18, 8), (2, 8)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_not_far_below_the_view(size, scale):
    whole = augment_config(crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0))
    photo = smooth_photo(0, 128, 128)
    crop = augment.random_crop(tf.constant(encode(photo, "JPEG")), KEY, size, whole).numpy()
    expected = photo.reshape(128 // scale, scale, 128 // scale, scale, 3).mean((1, 3))
    assert crop.shape == expected.shape
    assert np.abs(crop - expected).max() < 6  # the DCT's average of a block, up to JPEG's own error


@pytest.mark.parametrize("size", [6, 12, 24])
def test_a_scaled_jpeg_shows_the_same_crop(size):
    """The borders move by a pixel of that scale at most (8 of the photo's for 6 px, 2 for 24)."""
    scale = {6: 8, 12: 4, 24: 2}[size]
    for i in range(8):
        jpeg, png = (view(encode(columns_photo(), kind), KEY + i, size) for kind in ("JPEG", "PNG"))
        np.testing.assert_allclose(window(jpeg), window(png), atol=0.5 + scale)


def test_a_jpeg_shrunk_by_more_than_two_is_not_aliased():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = view(tf.constant(encode(stripes, "JPEG")), size=24, crop_scale=(0.99, 1.0))
    assert np.abs(pixels[:, 1:-1].astype(int) - 127).max() < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (333, 7)])
def test_odd_shapes_have_views(shape):
    encoded = tf.constant(encode(smooth_photo(2, *shape), "JPEG"))
    assert view(encoded).shape == (16, 16, 3)
    assert augment.central_view(encoded, 16, 0.875).numpy().shape == (16, 16, 3)


def test_a_shift_takes_every_part_of_the_padded_view_alike():
    photo = tf.constant(columns_photo(8, 8) + 50, tf.float32)  # nothing of it is black
    padded = np.pad(photo.numpy(), ((2, 2), (2, 2), (0, 0)))
    places = {(top, left): 0 for top in range(5) for left in range(5)}
    keys = tf.data.Dataset.range(1000).map(lambda i: augment.shift(photo, KEY + i, 2))
    for view_of in keys.as_numpy_iterator():
        [place] = [(t, le) for t, le in places if np.array_equal(view_of, padded[t : t + 8, le : le + 8])]
        places[place] += 1
    assert min(places.values()) > 15  # 40 expected, standard deviation 6
    assert max(places.values()) < 65


def test_views_are_padded_when_asked():
    encoded, whole = encode(columns_photo(16, 16) + 50, "PNG"), {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)}
    plain, padded = view(encoded, **whole), [view(encoded, KEY + i, pad=4, **whole) for i in range(4)]
    assert plain.min() > 0
    assert any(pixels.min() == 0 for pixels in padded)
    assert np.array_equal(view(encoded, KEY, pad=4, **whole), padded[0])
