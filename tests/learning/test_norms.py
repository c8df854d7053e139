import numpy as np
import pytest

from jdnet_jax.learning import norms

SIZES = pytest.mark.parametrize("sizes", [[8192, 8193, 3], [9000, 20000], [5, 1], [1]])


def trees(sizes):
    rng = np.random.default_rng(0)
    return [{str(size): rng.normal(size=(1, size)).astype(np.float32) for size in sizes} for _ in range(2)]


@SIZES
def test_norm(sizes):
    tree, _ = trees(sizes)
    expected = np.sqrt(sum((leaf.astype(np.float64) ** 2).sum() for leaf in tree.values()))
    assert float(norms.norm(tree)) == pytest.approx(expected, rel=1e-6)


@SIZES
def test_inner(sizes):
    a, b = trees(sizes)
    expected = sum((a[name].astype(np.float64) * b[name]).sum() for name in a)
    assert float(norms.inner(a, b)) == pytest.approx(expected, rel=1e-3)


def test_nothing():
    assert float(norms.norm({})) == float(norms.inner({}, {})) == 0
