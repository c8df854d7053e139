import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.config import keys as config_keys
from jdnet_jax.losses import blocks
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models.outputs import Outputs

# Two channels on a grid of 2 x 3; the channels' mean is 1 2 3 / 4 5 6 in reading order.
MAP = jnp.stack([jnp.arange(6.0), jnp.arange(6.0) + 2], -1).reshape(1, 2, 3, 2)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (6, [1, 2, 3, 4, 5, 6]),
        (3, [1.5, 3.5, 5.5]),
        (2, [2, 5]),
        (1, [3.5]),
        (4, [1.5, 2.5, 4.5, 5.5]),  # the windows are [0, 2), [1, 3), [3, 5), [4, 6)
        (12, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]),
    ],
)
def test_average_pooling_by_hand(size, expected):
    np.testing.assert_allclose(blocks.pool(MAP, size, "average"), [expected], rtol=1e-6)


def test_maximum_is_taken_of_each_channel_before_their_mean():
    # Channels 0 5 1 4 and 9 0 2 2 in windows of two: maxima 5, 4 and 9, 2.
    features = jnp.array([[0.0, 9.0], [5.0, 0.0], [1.0, 2.0], [4.0, 2.0]]).reshape(1, 2, 2, 2)
    np.testing.assert_allclose(blocks.pool(features, 2, "max"), [[7.0, 3.0]])
    np.testing.assert_allclose(blocks.pool(features, 3, "max"), [[7.0, 3.5, 3.0]])  # [0, 2), [1, 3), [2, 4)


@given(length=st.integers(1, 40), size=st.integers(1, 60))
def test_windows_cover_every_position_in_order_and_are_as_even_as_they_can(length, size):
    found = blocks.windows(length, size)
    assert (found[0, 0], found[-1, 1]) == (0, length)
    assert np.all(found[1:, 0] <= found[:-1, 1])
    widths = found[:, 1] - found[:, 0]
    assert widths.min() >= 1
    assert widths.max() <= -(-length // size) + 1


def outputs(channels=3, key=0):
    keys = jax.random.split(jax.random.key(key), 3)
    stages = tuple(jax.random.normal(k, (2, side, side, channels)) for k, side in zip(keys, (6, 3), strict=False))
    return Outputs(logits=jax.random.normal(keys[-1], (2, 5)), stages=stages)


def test_a_reader_reads_the_chosen_stages_and_last_the_logits():
    of = outputs()
    first, second, logits = BlockReader((8, 4))(of)
    assert (first.shape, second.shape) == ((2, 8), (2, 4))
    assert logits is of.logits
    np.testing.assert_array_equal(BlockReader((4,), stages=(1,))(of)[0], second)
    assert BlockReader()(of) == (of.logits,)


@pytest.mark.parametrize("kind", blocks.POOLS)
def test_what_is_aligned_reads_the_same(kind):
    reader = BlockReader((8, 4), kind)
    aligned = reader.aligned(outputs(channels=7))
    for a, b in zip(reader(aligned), reader(outputs(channels=7)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    wide, narrow = (jax.tree.map(jnp.shape, reader.aligned(outputs(channels))) for channels in (7, 2))
    assert wide == narrow


def test_bfloat16_maps_are_pooled_in_float32():
    low = blocks.pool(MAP.astype(jnp.bfloat16), 2, "average")
    assert low.dtype == jnp.float32
    np.testing.assert_allclose(low, [[2, 5]])


def test_the_names_that_the_config_allows_are_those_that_the_module_knows():
    assert config_keys.BLOCK_POOLS == blocks.POOLS
