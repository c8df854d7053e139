import numpy as np
import pytest

from jdnet_jax.inference.batches import run_in_batches


@pytest.mark.parametrize(("count", "sizes"), [(0, [32]), (1, [1]), (2, [32]), (32, [32]), (70, [32, 32, 32])])
def test_batches_have_two_sizes_and_photos_keep_their_order(count, sizes):
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 2, 2, 3), np.uint8)
    seen = []

    def call(batch):
        seen.append(len(batch))
        return batch[:, 0, 0, :2].astype(np.float32), batch[..., 0].astype(np.float32)

    found = run_in_batches(call, images)
    assert seen == sizes
    np.testing.assert_array_equal(found.probabilities, images[:, 0, 0, :2])
    np.testing.assert_array_equal(found.activation, images[..., 0])
