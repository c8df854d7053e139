import numpy as np

from jdnet_jax.inference import colormap

# Linear sRGB as people without green cones see it, and those without red ones (Vienot, Brettel, Mollon, 1999).
DEUTERANOPIA = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
PROTANOPIA = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])


def linear(srgb: np.ndarray) -> np.ndarray:
    value = srgb / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(rgb: np.ndarray) -> np.ndarray:
    return rgb @ [0.2126, 0.7152, 0.0722]


def test_it_ends_dark_blue_and_light_yellow():
    table = colormap.table()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    red, green, blue = table[0].astype(int)
    assert blue > 2 * red > 2 * green
    red, green, blue = table[-1].astype(int)
    assert min(red, green) > 200 > blue


def test_lightness_rises_evenly():
    """CIE 1976 L*, another measure of lightness than the one that the table is made by."""
    lightness = 116 * np.cbrt(luminance(linear(colormap.table()))) - 16
    steps = lightness[16::16] - lightness[:-16:16]
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 2 * steps.mean()


def test_the_order_survives_colour_blindness():
    for seen in (DEUTERANOPIA, PROTANOPIA):
        steps = np.diff(luminance(np.clip(linear(colormap.table()) @ seen.T, 0, 1))[::8])
        assert np.all(steps > 0)
