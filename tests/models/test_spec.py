import pytest

from jdnet_jax.models.spec import COMMON_OPTIONS, InputSpec


@pytest.mark.parametrize(
    ("value", "accepted"),
    [(0, True), (0.2, True), (0.99, True), (1, False), (-0.1, False), (True, False), ("0", False)],
)
def test_a_drop_rate_is_a_number_from_0_to_below_1(value, accepted):
    assert COMMON_OPTIONS["drop_rate"].accepts(value) is accepted


def test_one_image_is_of_the_published_size_unless_told():
    spec = InputSpec((0.0,) * 6, (1.0,) * 6, 96)
    assert spec.one_image().shape == (1, 96, 96, 6)
    assert spec.one_image(32).shape == (1, 32, 32, 6)
