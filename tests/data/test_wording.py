import pytest

from jdnet_jax.data.wording import counted, listed


@pytest.mark.parametrize(
    ("names", "expected"),
    [([], "none"), (["a"], "a"), (["a", "b", "c"], "a, b, c"), (["a", "b", "c", "d", "e"], "a, b, c and 2 more")],
)
def test_listed(names, expected):
    assert listed(names, limit=3) == expected


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [(0, "photo", "0 photos"), (1, "photo", "1 photo"), (2, "photo", "2 photos"), (2, "class", "2 classes")],
)
def test_counted(number, noun, expected):
    assert counted(number, noun) == expected
