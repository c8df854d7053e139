import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.models import padding


@pytest.mark.parametrize(
    ("rule", "kernel_size", "stride", "expected"),
    [
        ("symmetric", 3, 1, ((1, 1), (1, 1))),
        ("symmetric", 7, 2, ((3, 3), (3, 3))),
        ("same", 3, 1, ((1, 1), (1, 1))),
        # 8 rows -> 4: (4 - 1) * 2 + 3 - 8 = 1 row, at the bottom; 5 columns -> 3: (3 - 1) * 2 + 3 - 5 = 2.
        ("same", 3, 2, ((0, 1), (1, 1))),
        ("same", 5, 2, ((1, 2), (2, 2))),
        ("same", 1, 2, ((0, 0), (0, 0))),
    ],
)
def test_rows_and_columns_of_an_8_by_5_image(rule, kernel_size, stride, expected):
    assert padding.resolve(rule, (8, 5), kernel_size, stride) == expected


@given(st.integers(1, 40), st.sampled_from([1, 3, 5, 7]), st.integers(1, 2))
def test_same_gives_every_stride_th_pixel_and_puts_the_odd_one_last(size, kernel_size, stride):
    (top, bottom), _ = padding.resolve("same", (size, size), kernel_size, stride)
    assert 0 <= bottom - top <= 1
    assert (size + top + bottom - kernel_size) // stride + 1 == -(-size // stride)
