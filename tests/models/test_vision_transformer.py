import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models import lowering
from jdnet_jax.models.attention import AttentionPool, SelfAttention
from jdnet_jax.models.registry import create
from jdnet_jax.models.vision_transformer import LayerScale, VisionTransformer
from jdnet_jax.process.errors import UserError
from tests.models import network_checks


@functools.cache
def made(name, **options):
    """A small network with random parameters, none of them zero, and a batch of images."""
    module = create(name, 5, **options)
    return module, *network_checks.initialised(module)


@functools.cache
def probed():
    """The small network with SigLIP's head."""
    fields = {"width": 32, "depth": 2, "heads": 2, "patch_size": 4, "tokens": ()}
    module = VisionTransformer(5, spec=create("vit_tiny_test", 5).spec, **fields)
    return module, *network_checks.initialised(module)


SMALL = {
    "plain": functools.partial(made, "vit_tiny_test"),
    "distilled": functools.partial(made, "deit_tiny_distilled_test"),
    "probe": probed,
}


@functools.cache
def forward(kind):
    """The compiled forward pass of a small network: its outputs, and the attention layers' own."""
    module, _, _ = SMALL[kind]()
    is_attention = lambda layer, _: isinstance(layer, (SelfAttention, AttentionPool))  # noqa: E731
    return jax.jit(lambda v, x: module.apply(v, x, capture_intermediates=is_attention))


@functools.cache
def passed(kind):
    """One forward pass of a small network."""
    _, variables, images = SMALL[kind]()
    return forward(kind)(variables, images)


@pytest.mark.parametrize(
    ("name", "params", "width", "patch"),
    [
        # Counts of timm 1.0.31 at 1000 classes, each at its own image size.
        ("vit_base_patch16_224", 86_567_656, 768, 16),
        ("deit_tiny_patch16_224", 5_717_416, 192, 16),
        ("deit_small_patch16_224", 22_050_664, 384, 16),
        ("deit_base_patch16_224", 86_567_656, 768, 16),
        ("deit_tiny_distilled_patch16_224", 5_910_800, 192, 16),
        ("deit_small_distilled_patch16_224", 22_436_432, 384, 16),
        ("deit_base_distilled_patch16_224", 87_338_192, 768, 16),
        ("vit_small_patch14_dinov2", 22_441_192, 384, 14),
        ("vit_base_patch14_dinov2", 87_348_712, 768, 14),
        ("vit_base_patch16_siglip_224", 93_653_224, 768, 16),
    ],
)
def test_sizes(name, params, width, patch):
    size = create(name, 1000).input_spec.size
    module, variables, outputs = network_checks.shapes(name, size=size)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == params
    assert list(variables) == ["params"]
    assert [stage.name for stage in module.stages] == ["blocks.2", "blocks.5", "blocks.8", "blocks.11"]
    assert {(stage.channels, stage.stride) for stage in module.stages} == {(width, patch)}
    grid = (2, size // patch, size // patch)
    assert [stage.shape for stage in outputs.stages] == [(*grid, width)] * 4
    assert outputs.attention.shape == grid
    assert (outputs.maps, outputs.kernel) == (None, None)
    assert (outputs.distillation_logits is not None) == ("distilled" in name)


def test_size_of_the_tiny_networks_by_hand():
    # Of 32 channels: patches 48 -> 32; 1 token, 65 positions; a block has two norms, qkv, a projection and a
    # perceptron of 128; a last norm; the head.
    block = 2 * 64 + 33 * 96 + 33 * 32 + 33 * 128 + 129 * 32
    plain = 49 * 32 + 32 + 65 * 32 + 2 * block + 64 + 33 * 1000
    for name, params in (("vit_tiny_test", plain), ("deit_tiny_distilled_test", plain + 2 * 32 + 33 * 1000)):
        module, variables, outputs = network_checks.shapes(name, size=32)
        assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == params
        assert [stage.name for stage in module.stages] == ["blocks.0", "blocks.1"]
        assert [stage.shape for stage in outputs.stages] == [(2, 8, 8, 32)] * 2


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("deit_tiny_distilled_patch16_224", size=224)
    params = variables["params"]
    assert params["pos_embed"].shape == (1, 198, 192)
    assert params["patch_embed.proj"]["kernel"].shape == (16, 16, 3, 192)
    assert params["blocks.11"]["attn"]["qkv"]["kernel"].shape == (192, 576)
    assert set(params["blocks.0"]) == {"norm1", "attn", "norm2", "mlp"}
    assert set(params) >= {"cls_token", "dist_token", "norm", "head", "head_dist"}
    assert "ls1" in network_checks.shapes("vit_small_patch14_dinov2", size=518)[1]["params"]["blocks.0"]
    siglip = network_checks.shapes("vit_base_patch16_siglip_224", size=224)[1]["params"]
    assert set(siglip["attn_pool"]) == {"latent", "q", "kv", "proj", "norm", "mlp"}
    assert not {"cls_token", "dist_token"} & set(siglip)


def test_pixels_of_vit_and_siglip_are_from_minus_one_to_one():
    for name in ("vit_base_patch16_224", "vit_base_patch16_siglip_224"):
        spec = create(name, 5).input_spec
        assert (spec.mean, spec.std) == ((127.5,) * 3, (127.5,) * 3)
    assert create("vit_small_patch14_dinov2", 5).input_spec.size == 518


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


def test_initial_values():
    variables = jax.jit(create("deit_tiny_distilled_test", 5).init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    params = variables["params"]
    assert np.abs(params["cls_token"]).max() < 1e-5
    np.testing.assert_allclose(params["pos_embed"].std(), 0.02, rtol=0.1)
    np.testing.assert_allclose(params["blocks.0"]["attn"]["qkv"]["kernel"].std(), 0.02, rtol=0.1)
    np.testing.assert_allclose(np.abs(params["patch_embed.proj"]["kernel"]).max(), 48**-0.5, rtol=0.05)
    assert not np.any(params["blocks.0"]["mlp"]["fc1"]["bias"])


def test_layer_scale():
    y, variables = LayerScale(0.5).init_with_output(jax.random.key(0), jnp.full((2, 3, 4), 2.0, jnp.bfloat16))
    np.testing.assert_array_equal(y, np.ones((2, 3, 4)))
    assert (y.dtype, variables["params"]["gamma"].shape) == (jnp.bfloat16, (4,))
