import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from jdnet_jax.models import lowering
from jdnet_jax.models.attention import SelfAttention, attend


def test_attention_by_hand():
    # One head of one channel: scores 0 and log 3, so that the values 4 and 8 have weights 1/4 and 3/4.
    queries, keys = jnp.ones((1, 1, 1, 1)), jnp.array([0.0, np.log(3.0)]).reshape(1, 2, 1, 1)
    mixed, weights = attend(queries, keys, jnp.array([4.0, 8.0]).reshape(1, 2, 1, 1))
    np.testing.assert_allclose(weights, [[[[0.25, 0.75]]]], rtol=1e-6)
    np.testing.assert_allclose(mixed, [[[7.0]]], rtol=1e-6)
    # Four channels: scores are halved.
    _, weights = attend(jnp.ones((1, 1, 1, 4)), jnp.repeat(keys, 4, -1), jnp.ones((1, 2, 1, 4)))
    np.testing.assert_allclose(weights, [[[[0.1, 0.9]]]], rtol=1e-6)


def test_the_softmax_is_float32_in_bfloat16():
    x = jnp.ones((1, 3, 2, 4), jnp.bfloat16)
    mixed, weights = attend(x, x, x)
    assert (mixed.dtype, weights.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)


def test_gradients_are_products_of_one_dtype_and_near_those_in_float32():
    keys = jax.random.split(jax.random.key(0), 4)
    parts = [jax.random.normal(key, (2, 5, 2, 8)) for key in keys[:3]]
    g = jax.random.normal(keys[3], (2, 5, 16))

    def gradients(*parts):
        return jax.vjp(lambda *parts: attend(*parts)[0], *parts)[1](g.astype(parts[0].dtype))

    halves = [part.astype(jnp.bfloat16) for part in parts]
    factors = _factors(jax.make_jaxpr(gradients)(*halves).jaxpr)
    assert len(factors) >= 2 * 6
    assert {str(factor.dtype) for factor in factors} == {"bfloat16"}
    for found, expected in zip(gradients(*halves), gradients(*parts), strict=True):
        error = jnp.linalg.norm(found.astype(jnp.float32) - expected) / jnp.linalg.norm(expected)
        assert error < 3 * float(jnp.finfo(jnp.bfloat16).eps)


def _factors(jaxpr):
    """What the matrix products of a program multiply."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found += [variable.aval for variable in equation.invars]
        for inner in jaxprs_in_params(equation.params):
            found += _factors(inner)
    return found


@pytest.mark.parametrize("kind", SMALL)
def test_the_attention_map_is_of_what_the_heads_read(kind):
    outputs, captured = passed(kind)
    layers = captured["intermediates"]
    layer = layers["attn_pool"] if kind == "probe" else layers["blocks.1"]["attn"]
    ((_, weights),) = layer["__call__"]
    readers = {"plain": [0], "distilled": [0, 1], "probe": [0]}[kind]
    prefix = {"plain": 1, "distilled": 2, "probe": 0}[kind]
    expected = np.asarray(weights)[:, :, readers, prefix:].mean((1, 2)).reshape(-1, 8, 8)
    np.testing.assert_allclose(outputs.attention, expected, rtol=1e-5)
    np.testing.assert_array_equal(outputs.activation(jnp.zeros(4, jnp.int32)), outputs.attention)
    if kind == "probe":
        np.testing.assert_allclose(outputs.attention.sum((1, 2)), 1, rtol=1e-5)


def test_the_logits_of_a_distilled_network_are_the_mean_of_its_heads():
    module, variables, images = made("deit_tiny_distilled_test")
    outputs, _ = passed("distilled")
    np.testing.assert_allclose(outputs.logits, (outputs.class_logits + outputs.distillation_logits) / 2, rtol=1e-6)
    heads = {name: variables["params"][name] for name in ("head", "head_dist")}

    @jax.jit
    def sums(heads):
        trained = module.apply({"params": {**variables["params"], **heads}}, images, train=True)
        return jnp.sum(trained.class_logits), jnp.sum(trained.distillation_logits), jnp.sum(trained.logits)

    moved = jax.tree.map(lambda leaf: bool(np.all(leaf != 0)), jax.jacrev(sums)(heads))
    assert [of["head"]["kernel"] for of in moved] == [True, False, True]
    assert [of["head_dist"]["kernel"] for of in moved] == [False, True, True]


@pytest.mark.parametrize("kind", ["distilled", "probe"])
def test_every_parameter_is_learned(kind):
    module, variables, images = SMALL[kind]()
    loss = lambda params: jnp.sum(module.apply({"params": params}, images, train=True).logits ** 2)  # noqa: E731
    gradients = jax.jit(jax.grad(loss))(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.any(np.asarray(leaf) != 0), jax.tree_util.keystr(path)


def test_positions_matter():
    _, variables, images = made("vit_tiny_test")
    rows = images.reshape(-1, 8, 4, 32, 3)[:, ::-1].reshape(images.shape)  # of patches, from the last to the first
    turned, _ = forward("plain")(variables, rows)
    assert np.abs(turned.logits - passed("plain")[0].logits).max() > 1e-4
    blind = {"params": {**variables["params"], "pos_embed": jnp.zeros((1, 65, 32))}}
    found = [forward("plain")(blind, x)[0].logits for x in (rows, images)]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_stages_are_the_patches_in_their_places():
    _, variables, images = made("vit_tiny_test")
    changed, _ = forward("plain")(variables, images.at[:, 4:8, 12:16].add(1.0))
    change = np.abs(changed.stages[0] - passed("plain")[0].stages[0]).max((0, 3))
    assert np.unravel_index(change.argmax(), change.shape) == (1, 3)


@pytest.mark.parametrize("size", [(30, 32), (32, 30)])
def test_images_that_patches_do_not_fill(size):
    module = create("vit_tiny_test", 5)
    with pytest.raises(UserError, match=rf"images of {size[0]}x{size[1]} pixels cannot be cut into patches of 4x4"):
        jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, *size, 3))))


@pytest.mark.parametrize("kind", ["distilled", "probe"])
def test_bfloat16(kind):
    module, variables, images = SMALL[kind]()
    outputs = jax.jit(module.clone(dtype=jnp.bfloat16).apply)(variables, images)
    wide, _ = passed(kind)
    assert outputs.logits.dtype == outputs.attention.dtype == jnp.float32
    assert all(stage.dtype == jnp.bfloat16 for stage in outputs.stages)
    np.testing.assert_allclose(outputs.logits, wide.logits, atol=0.25 * float(jnp.std(wide.logits)))


@pytest.mark.parametrize("kind", ["distilled", "probe"])
def test_the_plain_form_computes_the_same(kind):
    module, variables, images = SMALL[kind]()
    fast, _ = passed(kind)
    with lowering.plain():
        plain = jax.jit(lambda v, x: module.apply(v, x))(variables, images)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(fast), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_stochastic_depth_rises_to_its_rate_and_is_off_outside_training():
    module, variables, images = made("vit_tiny_test", drop_path_rate=0.9)
    run = jax.jit(lambda v, x: module.apply(v, x, train=True, rngs={"dropout": jax.random.key(0)}))
    dropped, (kept, _) = run(variables, images), passed("plain")
    np.testing.assert_allclose(dropped.stages[0], kept.stages[0], rtol=1e-5)  # the first block's rate is 0
    assert np.abs(dropped.stages[1] - kept.stages[1]).max() > 0.1
    evaluated = jax.jit(module.apply)(variables, images)
    np.testing.assert_allclose(evaluated.logits, kept.logits, rtol=1e-5)


def test_attention_of_padded_tokens_is_that_of_the_tokens():
    """GPUs have the tokens padded to whole tiles; neither values nor gradients tell."""
    module = SelfAttention(2, jnp.float32)
    x, g = (jax.random.normal(jax.random.key(seed), (3, 21, 8)) for seed in (1, 2))
    variables = module.init(jax.random.key(0), x)

    def run(platform):
        with lowering.for_platform(platform):
            (out, weights), backward = jax.vjp(lambda variables, x: module.apply(variables, x), variables, x)
            return out, weights, backward((g, jnp.ones_like(weights)))

    (out, weights, gradients), padded = run("tpu"), run("gpu")
    assert weights.shape == (3, 2, 21, 21)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), (out, weights, gradients), padded)
    with lowering.for_platform("gpu"):
        traced = str(jax.make_jaxpr(lambda x: module.apply(variables, x))(x))
    assert "f32[3,2,32,32]" in traced  # scores of padded tokens
