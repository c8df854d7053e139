import numpy as np

from jdnet_jax.segment import sam_prompts


def test_points_by_hand():
    np.testing.assert_array_equal(sam_prompts.points("centre", 100, 60, 8), [[30, 50]])
    np.testing.assert_array_equal(sam_prompts.points("grid", 100, 60, 2), [[15, 25], [45, 25], [15, 75], [45, 75]])
    assert sam_prompts.points("box", 100, 60, 8) is None
    assert len(sam_prompts.points("grid", 100, 60, 8)) == 64


def test_box_by_hand():
    np.testing.assert_allclose(sam_prompts.box(100, 60, 0.1), [6, 10, 54, 90])


def masks():
    found = np.zeros((4, 10, 10), bool)
    found[0, :4, :4] = True  # beside the centre
    found[1, 3:8, 3:8] = True  # with the centre
    found[2, 2:9, 2:9] = True  # with it too
    found[3] = True  # everything
    return found


def test_the_best_of_those_with_the_centre_is_taken():
    assert sam_prompts.choose(masks(), np.array([0.99, 0.7, 0.8, 1.0])) == 2
    assert sam_prompts.choose(masks(), np.array([0.99, 0.8, 0.8, 1.0])) == 1  # of equal ones the first


def test_without_one_the_best_that_is_neither_empty_nor_full():
    found = masks()[[0, 3]]
    assert sam_prompts.choose(found, np.array([0.1, 0.9])) == 0
    assert sam_prompts.choose(np.stack([found[1], np.zeros((10, 10), bool)]), np.array([0.1, 0.9])) == 0
