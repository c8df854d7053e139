from jdnet_jax.models.compound_scaling import Row, blocks, scale
from jdnet_jax.models.inverted_residual import InvertedResidualSpec

ROWS = (
    Row(repeats=1, kernel_size=3, stride=1, expansion=1, channels=8),
    Row(repeats=2, kernel_size=3, stride=2, expansion=2, channels=8),
    Row(repeats=1, kernel_size=5, stride=2, expansion=2, channels=16),
    Row(repeats=1, kernel_size=3, stride=1, expansion=2, channels=24),
)


def test_scale_multiplies_channels_and_depth():
    assert [(row.channels, row.repeats) for row in scale(ROWS, width=2.0, depth=1.2)] == [
        (16, 2),
        (16, 3),
        (32, 2),
        (48, 2),
    ]
    assert [row.repeats for row in scale(ROWS, width=1.0, depth=1.2, fix_ends=True)] == [1, 3, 2, 1]
    assert scale(ROWS, width=1.0) == ROWS


def test_the_first_block_of_a_row_has_its_stride():
    table = blocks(ROWS, "silu")
    assert [len(stage) for stage in table] == [1, 2, 1, 1]
    assert table[1] == (
        InvertedResidualSpec(channels=8, kernel_size=3, stride=2, expansion=2, activation="silu"),
        InvertedResidualSpec(channels=8, kernel_size=3, stride=1, expansion=2, activation="silu"),
    )
