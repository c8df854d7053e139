import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.models.registry import create
from jdnet_jax.models.resnet import Block
from tests.models import network_checks

BASIC, BOTTLENECK = [64, 128, 256, 512], [256, 512, 1024, 2048]


@pytest.fixture(scope="module")
def tiny():
    module = create("resnet_tiny", 5)
    return module, *network_checks.initialised(module)


@pytest.mark.parametrize(
    ("name", "params", "channels"),
    [
        # Counts of timm 1.0.31 at 1000 classes.
        ("resnet18", 11_689_512, BASIC),
        ("resnet34", 21_797_672, BASIC),
        ("resnet50", 25_557_032, BOTTLENECK),
        ("resnet101", 44_549_160, BOTTLENECK),
        ("resnet152", 60_192_808, BOTTLENECK),
        ("resnext50_32x4d", 25_028_904, BOTTLENECK),
        ("resnext101_32x8d", 88_791_336, BOTTLENECK),
        ("seresnext50_32x4d", 27_559_896, BOTTLENECK),
    ],
)
def test_sizes(name, params, channels):
    stages = list(zip(channels, [4, 8, 16, 32], strict=True))
    network_checks.assert_outputs_match_the_description(name, params=params, stages=stages, size=72)


@pytest.mark.parametrize(
    ("name", "params", "channels", "strides"),
    [
        # At 10 classes pytorch-cifar's 11.17 and 9.13 M, here to the last digit.
        ("cifar_resnet18", 11_173_962, BASIC, [1, 2, 4, 8]),
        ("cifar_resnext29_2x64d", 9_128_778, [64, 256, 512, 1024], [1, 1, 2, 4]),
    ],
)
def test_sizes_for_cifar(name, params, channels, strides):
    stages = list(zip(channels, strides, strict=True))
    more = 990 * (channels[-1] + 1)  # classes
    network_checks.assert_outputs_match_the_description(name, params=params + more, stages=stages, size=32)
    module = create(name, 10)
    assert module.input_spec.size == 32
    assert module.input_spec.mean == pytest.approx((0.4914 * 255, 0.4822 * 255, 0.4465 * 255))
    assert module.input_spec.std == pytest.approx((0.2023 * 255, 0.1994 * 255, 0.2010 * 255))


def test_shapes_of_a_resnexts_block():
    # Two groups of 64 channels in the first stage, and of 256 in the third.
    _, variables, _ = network_checks.shapes("cifar_resnext29_2x64d", size=32)
    params = variables["params"]
    assert params["conv1"]["kernel"].shape == (1, 1, 3, 64)
    assert params["layer1.0"]["conv2"]["kernel"].shape == (3, 3, 64, 128)
    assert params["layer3.2"]["conv2"]["kernel"].shape == (3, 3, 256, 512)
    assert params["layer3.2"]["conv3"]["kernel"].shape == (1, 1, 512, 1024)


def test_the_stem_is_tapped_on_request():
    module = create("resnet_tiny", 5).clone(tap_stem=True)
    images = jnp.zeros((1, 32, 32, 3))
    outputs = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), images)[0])
    assert [(stage.name, stage.channels, stage.stride) for stage in module.stages[:2]] == [
        ("bn1", 16, 2),
        ("layer1", 16, 4),
    ]
    assert [stage.shape for stage in outputs.stages] == [
        (1, 32 // s.stride, 32 // s.stride, s.channels) for s in module.stages
    ]


def test_size_of_the_tiny_network_by_hand():
    # Stem 3*9*16; blocks 9*(a*b + b*b) of (a, b) = (16, 16), (16, 32), (32, 64), shortcuts a*b; two BatchNorm
    # vectors for each of stem, two convolutions and one shortcut; classifier 64 * 1000 + 1000.
    convs = 432 + sum(9 * (a * b + b * b) + a * b for a, b in [(16, 16), (16, 32), (32, 64)])
    norms = 2 * (16 + 3 * (16 + 32 + 64))
    network_checks.assert_outputs_match_the_description(
        "resnet_tiny", params=convs + norms + 65_000, stages=[(16, 4), (32, 8), (64, 16)]
    )


def test_width_scales_every_stage():
    module = create("resnet_tiny", 5, width=24)
    assert [stage.channels for stage in module.stages] == [24, 48, 96]


def test_names_of_parameters_are_timms():
    _, variables, _ = network_checks.shapes("resnet50", size=72)
    params = variables["params"]
    assert params["layer2.0"]["conv2"]["kernel"].shape == (3, 3, 128, 128)
    assert params["layer2.0"]["downsample.0"]["kernel"].shape == (1, 1, 256, 512)
    assert params["layer2.0"]["downsample.1"]["scale"].shape == (512,)
    assert "downsample.0" not in params["layer2.1"]
    assert set(params) >= {"conv1", "bn1", "fc"}


def test_groups_and_squeeze_excitation_of_a_bottleneck():
    _, variables, _ = network_checks.shapes("seresnext50_32x4d", size=72)
    block = variables["params"]["layer2.0"]
    assert block["conv1"]["kernel"].shape == (1, 1, 256, 256)
    assert block["conv2"]["kernel"].shape == (3, 3, 8, 256)
    assert block["se"]["fc1"]["kernel"].shape == (1, 1, 512, 32)
    assert block["se"]["fc2"]["bias"].shape == (512,)


def test_squeeze_excitation_scales_the_branch_alone():
    block = Block(16, 1, True, jnp.float32, None, 4, 16, True)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 64))
    variables = network_checks.jittered(block.init(jax.random.key(1), x, train=False))
    whole = block.apply(variables, x, train=False)
    variables["params"]["se"]["fc2"]["kernel"] *= 0
    variables["params"]["se"]["fc2"]["bias"] = jnp.full(64, -100.0)
    np.testing.assert_allclose(block.apply(variables, x, train=False), np.maximum(x, 0), atol=1e-6)
    assert np.abs(whole - np.maximum(x, 0)).max() > 0.1


def test_residual_branches_start_silent():
    module = create("resnet_tiny", 5)
    params = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    assert set(params["layer1.0"]) == {"conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1"}
    variables = jax.jit(module.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    np.testing.assert_array_equal(variables["params"]["layer1.0"]["bn2"]["scale"], 0)
    np.testing.assert_array_equal(variables["params"]["layer1.0"]["bn1"]["scale"], 1)


def test_head(tiny):
    module, variables, images = tiny
    outputs = jax.jit(module.apply)(variables, images)
    network_checks.assert_head_is_gap_and_linear(module, variables, outputs, "fc")
    np.testing.assert_array_equal(outputs.maps, outputs.stages[-1])


def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution():
    # With the stride in the first 1x1 convolution, three of four input pixels would have no gradient at all.
    block = Block(2, 2, True, jnp.float32, None)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 8))
    variables = network_checks.jittered(block.init(jax.random.key(1), x, train=False))
    seen = jax.grad(lambda x: jnp.sum(block.apply(variables, x, train=False) ** 2))(x)
    assert np.all(np.any(np.asarray(seen) != 0, -1))


def test_bfloat16(tiny):
    network_checks.assert_bfloat16_is_close(*tiny)


def test_statistics_and_gradients_of_eight_devices_are_those_of_one(tiny):
    if jax.device_count() < 8:
        pytest.skip("needs 8 devices")
    module, variables, _ = tiny
    images = jax.random.normal(jax.random.key(5), (16, 32, 32, 3))

    def loss(params, images, module):
        outputs, updated = module.apply({**variables, "params": params}, images, train=True, mutable=["batch_stats"])
        return jnp.mean(outputs.logits**2), updated["batch_stats"]

    grad = jax.grad(loss, has_aux=True)
    gradients, stats = jax.jit(functools.partial(grad, module=module))(variables["params"], images)
    synced = functools.partial(grad, module=module.clone(axis_name="data"))

    def shard(params, images):
        gradients, stats = synced(params, images)
        return jax.lax.pmean(gradients, "data"), stats

    split = jax.pmap(shard, axis_name="data", in_axes=(None, 0))(
        variables["params"], images.reshape(8, 2, *images.shape[1:])
    )
    for shards, whole in zip(jax.tree.leaves(split[1]), jax.tree.leaves(stats), strict=True):
        np.testing.assert_array_equal(shards, np.broadcast_to(shards[0], shards.shape))
        np.testing.assert_allclose(shards[0], whole, rtol=1e-4, atol=1e-5)
    for shards, whole in zip(jax.tree.leaves(split[0]), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(shards[0], whole, rtol=1e-3, atol=1e-3 * float(jnp.max(jnp.abs(whole)) + 1e-3))
