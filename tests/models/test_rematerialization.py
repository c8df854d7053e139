import jax
import jax.numpy as jnp
import pytest
from jax.extend import core as jax_core

from jdnet_jax import models
from jdnet_jax.learning import devices
from jdnet_jax.models import rematerialization
from tests import tiny_recipe
from tests.closeness import assert_same


def blocks_computed_again(jaxpr):
    """How many regions of a program the backward pass computes again; those inside others do not count."""
    found = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("remat2", "checkpoint"):
            found += 1
            continue
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if isinstance(value, jax_core.ClosedJaxpr):
                found += blocks_computed_again(value.jaxpr)
            elif isinstance(value, jax_core.Jaxpr):
                found += blocks_computed_again(value)
    return found


def _is_program(value):
    return isinstance(value, jax_core.ClosedJaxpr | jax_core.Jaxpr)


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        # the stem's convolution and batch norm, three stages of one block, dropout and the classifier
        ("resnet_tiny", {"width": 4}, 7),
        # the patches, two blocks, the last norm, two heads with dropout
        ("deit_tiny_distilled_test", {}, 8),
        # six of each branch, which has no classifier, two layers that join them, and dropout; a branch itself is none
        (
            "rvernet",
            {
                "roi": "resnet_tiny",
                "context": "resnet_tiny",
                "roi_options": {"width": 4},
                "context_options": {"width": 4},
                "hidden": 8,
            },
            15,
        ),
    ],
)
def test_which_blocks_are_computed_again(name, options, count):
    net = models.create(name, 5, **options)
    images = jnp.zeros((2, 32, 32, net.input_spec.channels))
    variables = jax.eval_shape(net.init, jax.random.key(0), images)

    def logits(variables, images):
        return net.apply(variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(1)})[0]

    def traced():
        return jax.make_jaxpr(lambda v, x: logits(v, x).logits)(variables, images).jaxpr

    assert blocks_computed_again(traced()) == 0
    with rematerialization.of_blocks():
        assert blocks_computed_again(traced()) == count


def test_a_step_that_computes_blocks_again_is_the_same_step():
    """Parameters, batch statistics and metrics of both networks, in micro-batches, with dropout's masks drawn once.

    By SGD: AdamW divides each gradient by its size, so that the rounding of a tiny one becomes a step of its own.
    """
    changes = {"optimizer__name": "sgd", "grad_accum": 2, "student__options__drop_rate": 0.5}
    plain = tiny_recipe.Recipe(tiny_recipe.config(**changes))
    again = tiny_recipe.Recipe(tiny_recipe.config(remat=True, **changes))
    batch = devices.split(tiny_recipe.batch(), plain.config.grad_accum)
    states = [recipe.parts.initial_state() for recipe in (plain, again)]
    steps = [devices.mapped(recipe.step()) for recipe in (plain, again)]
    for _ in range(2):
        (first, first_metrics), (second, second_metrics) = (
            mapped(state, batch) for mapped, state in zip(steps, states, strict=True)
        )
        states = [first, second]
    assert second_metrics.keys() == first_metrics.keys()
    assert_same(second_metrics, first_metrics)
    assert_same((second.params, second.batch_stats), (first.params, first.batch_stats))


def scratch(batch_size, **changes):
    """Bytes of scratch memory of the compiled step of one device."""
    recipe = tiny_recipe.Recipe(tiny_recipe.config(batch_size=batch_size, **changes))
    parts = tiny_recipe.cut(tiny_recipe.batch(batch_size), 1, recipe.config.grad_accum)
    compiled = tiny_recipe.mapped(recipe.step(), 1).lower(recipe.state, parts).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.slow
def test_blocks_that_are_computed_again_and_parts_of_a_batch_need_less_memory():
    """Where barriers hold, as they do in every command and in these tests: see `xla_flags`."""
    whole = scratch(64)
    assert scratch(64, remat=True) < 0.8 * whole
    assert scratch(64, grad_accum=4) < 0.6 * whole
