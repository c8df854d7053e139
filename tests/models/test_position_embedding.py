import numpy as np
import pytest

from jdnet_jax.models.position_embedding import fit


def test_equal_shapes_are_left_alone(capsys):
    embedding = np.ones((1, 5, 2), np.float32)
    assert fit(embedding, (1, 5, 2), 1, "net") is embedding
    assert not capsys.readouterr().err


def test_a_grid_is_resized_and_the_tokens_before_it_are_not(capsys):
    # Two tokens, then 2x2 patches, to one patch: the average, as each lies equally far from the middle.
    embedding = np.array([[[7.0], [8.0], [1.0], [2.0], [3.0], [6.0]]], np.float32)
    np.testing.assert_allclose(fit(embedding, (1, 3, 1), 2, "net"), [[[7.0], [8.0], [3.0]]], rtol=1e-6)
    assert capsys.readouterr().err == "net: positional embeddings resized from 2x2 to 1x1 patches\n"


def test_rows_stay_rows(capsys):
    # A grid whose rows alone differ; larger, they still do. The first row by hand, with Keys' kernel of a = -0.5: it
    # lies a quarter before the first old row, whose weight is w(1/4) = 0.8671875, and 1.25 before the second, whose
    # weight is w(5/4) = -0.0703125; what lies outside the grid is left out, and the weights' sum is made one.
    grid = np.repeat(np.array([0.0, 1.0], np.float32), 2).reshape(1, 4, 1)
    resized = fit(grid, (1, 16, 1), 0, "net").reshape(4, 4)
    np.testing.assert_allclose(resized, np.broadcast_to(resized[:, :1], (4, 4)), atol=1e-6)
    near, far = 1.5 * 0.25**3 - 2.5 * 0.25**2 + 1, -0.5 * 1.25**3 + 2.5 * 1.25**2 - 4 * 1.25 + 2
    np.testing.assert_allclose(resized[0, 0], far / (near + far), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 6, 2), (1, 10, 2)), ((1, 5, 3), (1, 10, 2)), ((5, 2), (1, 10, 2)), ((1, 5, 2), (1, 9, 2))],
    ids=["no square", "another width", "another rank", "no square wanted"],
)
def test_what_is_not_of_the_network_is_left_for_the_strict_check(shape, wanted, capsys):
    embedding = np.zeros(shape, np.float32)
    assert fit(embedding, wanted, 1, "net") is embedding
    assert not capsys.readouterr().err
