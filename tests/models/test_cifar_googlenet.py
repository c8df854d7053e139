import jax
import jax.numpy as jnp
import numpy as np

from jdnet_jax.models.cifar_googlenet import Inception
from jdnet_jax.models.registry import create
from tests.models import network_checks


def drawn(module, x):
    """Random variables of the right shapes, without compiling the initialisation."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, train=False))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(0.2 * rng.random(leaf.shape), jnp.float32), shapes)


def test_sizes():
    # At 10 classes pytorch-cifar's 6.17 M, here to the last digit; then 990 classes more.
    network_checks.assert_outputs_match_the_description(
        "cifar_googlenet",
        params=6_166_250 + 990 * 1025,
        stages=[(192, 1), (480, 1), (832, 2), (1024, 4)],
    )
    assert create("cifar_googlenet", 10).input_spec.size == 32


def test_names_are_torchvisions():
    _, variables, _ = network_checks.shapes("cifar_googlenet")
    module = variables["params"]["inception4b"]
    branches = {"branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch3.2", "branch4.1"}
    assert set(module) == branches
    assert module["branch3.2"]["conv"]["kernel"].shape == (3, 3, 64, 64)
    assert module["branch3.2"]["conv"]["bias"].shape == (64,)
    assert module["branch3.2"]["bn"]["scale"].shape == (64,)


def test_branches_of_a_module_by_hand():
    # Each branch ends in a BatchNorm whose bias is its number, in front of it all is zero; the fourth copies instead
    # the maximum of a pixel's neighbours.
    x = jnp.zeros((1, 3, 3, 1)).at[0, 0, 0, 0].set(9.0)
    module = Inception((1, 2, 2, 2, 3, 1), jnp.float32, None)
    params = jax.tree.map(jnp.zeros_like, drawn(module, x)["params"])
    statistics = {
        name: {"bn": {"mean": 0 * p["bn"]["bias"], "var": 1 + 0 * p["bn"]["bias"]}} for name, p in params.items()
    }
    for number, name in enumerate(("branch1", "branch2.1", "branch3.2"), 1):
        params[name]["bn"]["bias"] += number
    params["branch4.1"]["conv"]["kernel"] += 1
    params["branch4.1"]["bn"]["scale"] += np.sqrt(1 + 1e-5)
    y = module.apply({"params": params, "batch_stats": statistics}, x, train=False)
    np.testing.assert_array_equal(y[0, 2, 2], [1, 2, 2, 3, 3, 3, 0])
    np.testing.assert_allclose(y[0, :, :, 6], [[9, 9, 0], [9, 9, 0], [0, 0, 0]], rtol=1e-6)


def test_head():
    module = create("cifar_googlenet", 5)
    images = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    variables = drawn(module, images)
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "fc")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_a_module_trains_in_bfloat16():
    module = Inception((1, 2, 2, 2, 3, 1), jnp.bfloat16, None)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 5))
    variables = drawn(module, x)
    apply = jax.jit(lambda v: module.apply(v, x, train=True, mutable=["batch_stats"]))
    y, updated = apply(variables)
    assert y.dtype == jnp.bfloat16
    for before, after in zip(jax.tree.leaves(variables["batch_stats"]), jax.tree.leaves(updated), strict=True):
        assert after.dtype == jnp.float32
        assert np.all(np.asarray(before) != np.asarray(after))
