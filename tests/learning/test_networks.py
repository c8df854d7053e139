import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config import recipes
from jdnet_jax.learning import alignment_check, networks
from jdnet_jax.process.errors import UserError
from tests import tiny_recipe as tiny


def test_each_network_normalises_with_its_own_statistics():
    config = tiny.config()
    config.teachers.teacher.model, config.teachers.teacher.options = "tf_efficientnet_lite0", {}
    nets = networks.build(config, 3)
    images = jnp.full((1, 2, 2, 3), 127, jnp.uint8)
    np.testing.assert_allclose(nets["teacher"].prepare({"image": images}), 0.0, atol=1e-6)
    spec = nets["student"].module.input_spec
    expected = (127 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(nets["student"].prepare({"image": images})[0, 0, 0], expected, rtol=1e-5)


def test_unknown_option_names_the_config_key():
    config = tiny.config()
    config.teachers.teacher.options = {"widht": 3}
    with pytest.raises(UserError, match=r"config.teachers.teacher: .*no option 'widht'"):
        networks.build(config, 3)


def test_stages_of_different_grids_that_are_multiples_align():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    alignment_check.check_alignment(config, networks.build(config, 3))


def test_a_stage_that_a_network_lacks_is_named():
    config = tiny.config()
    config.losses.mskd.options.stages = (3,)
    with pytest.raises(UserError, match=r"stage 3 does not exist in student \(resnet_tiny\), which has stages 0 to 2"):
        alignment_check.check_alignment(config, networks.build(config, 3))


def test_the_maps_of_all_classes_need_heads_of_averaged_maps():
    config = tiny.config(losses__ial__options__variant="classes", losses__mskd__options__stages=(-1,))
    alignment_check.check_alignment(config, networks.build(config, 3))
    config.teachers.teacher.model, config.teachers.teacher.options = "vit_tiny_test", {}
    with pytest.raises(
        UserError, match=r"ial.options.variant 'classes' needs heads of .* teacher \(vit_tiny_test\) has another"
    ):
        alignment_check.check_alignment(config, networks.build(config, 3))


def test_grids_that_do_not_align_name_the_image_size():
    # resnet_tiny rounds up and has 5x5 at stride 8 of 36 pixels; MobileNetV2's stride 4 has 9x9.
    config = tiny.config(image_size=36)
    config.teachers.teacher.model, config.teachers.teacher.options = "resnet18", {}
    config.losses.mskd.options.stages = (2,)
    nets = networks.build(config, 3)
    grids = [networks.shapes(nets[name])[0].stages[-1].shape[1:3] for name in nets]
    assert grids == [(3, 3), (2, 2)]
    with pytest.raises(
        UserError, match=r"activation maps of student 3x3 and teacher 2x2 do not align at config.image_size"
    ):
        alignment_check.check_alignment(config, nets)


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("resnet_tiny", {"width": 4}, {("fc", "kernel"), ("fc", "bias")}),
        ("tf_efficientnet_lite0", {}, {("classifier", "kernel"), ("classifier", "bias")}),
        (
            "deit_tiny_distilled_patch16_224",
            {},
            {("head", "kernel"), ("head", "bias"), ("head_dist", "kernel"), ("head_dist", "bias")},
        ),
    ],
)
def test_the_head_is_what_depends_on_the_number_of_classes(model, options, expected):
    config = tiny.config(student__model=model)
    config.student.options = options
    assert networks.head(networks.build(config, 3)["student"]) == expected


def test_networks_are_evaluated_at_sizes_that_are_scaled_alike():
    config = tiny.config(image_size=64, eval_image_size=96)
    config.resolutions = {"student": 32}
    nets = networks.build(config, 3)
    found = networks.evaluated(config, nets)
    assert {name: network.image_size for name, network in found.items()} == {"student": 48, "teacher": 96}
    assert {name: network.image_size for name, network in nets.items()} == {"student": 32, "teacher": 64}
    assert networks.evaluated(tiny.config(), nets) == nets


def test_a_network_with_positional_embeddings_is_evaluated_at_its_own_size_alone():
    config = tiny.config(eval_image_size=48)
    config.teachers.teacher.model, config.teachers.teacher.options = "deit_tiny_patch16_224", {}
    config.losses.mskd.options.stages = (2,)
    with pytest.raises(UserError) as error:
        alignment_check.check_alignment(config, networks.build(config, 3))
    assert str(error.value) == (
        "config.eval_image_size is 48, and config.teachers.teacher (deit_tiny_patch16_224) has parameters of the shape "
        "that config.image_size = 32 gives them, such as positional embeddings: set it to 0"
    )


def test_a_network_of_its_own_resolution_sees_the_same_view_shrunk():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    config.resolutions = {"student": 16}
    nets = networks.build(config, 3)
    alignment_check.check_alignment(config, nets)
    columns = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None], (1, 32, 32, 3))
    spec = nets["student"].module.input_spec
    seen = nets["student"].prepare({"image": columns}) * np.float32(spec.std) + np.float32(spec.mean)
    assert seen.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(seen[0, 3, 1:-1, 0], np.arange(1, 15) * 2 + 0.5, atol=1e-3)
    assert nets["teacher"].prepare({"image": columns}).shape == (1, 32, 32, 3)
    assert (
        networks.shapes(nets["student"])[0].stages[0].shape[1] * 2
        == networks.shapes(nets["teacher"])[0].stages[0].shape[1]
    )


def test_resolutions_that_do_not_align_are_named():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    config.resolutions = {"student": 24}
    with pytest.raises(UserError, match=r"config.resolutions of 24 and 32 pixels: choose a multiple of 32 and a whole"):
        alignment_check.check_alignment(config, networks.build(config, 3))


def with_transformer(teacher, **changes):
    """JDNet's default student, whose stages have the strides 4 to 32, with this teacher."""
    config = config_lib.default()
    config.teachers.teacher.model = teacher
    config.update_from_flattened_dict(changes)
    return config, networks.build(config, 3)


@pytest.mark.parametrize("teacher", ["vit_base_patch16_siglip_224", "deit_small_distilled_patch16_224"])
def test_stages_of_a_transformer_align_with_those_of_a_student_by_their_order(teacher):
    alignment_check.check_alignment(*with_transformer(teacher))


def test_patches_of_14_pixels_need_a_resolution_of_their_own():
    with pytest.raises(UserError, match=r"choose a multiple of 32 .*, and 14/16 of it as config.resolutions.teacher"):
        alignment_check.check_alignment(*with_transformer("vit_small_patch14_dinov2"))
    config, nets = with_transformer("vit_small_patch14_dinov2", **{"resolutions.teacher": 196})
    alignment_check.check_alignment(config, nets)
    assert networks.shapes(nets["teacher"])[0].attention.shape == (1, 14, 14)


def test_an_image_size_that_patches_do_not_fill_is_named():
    message = r"^config.teachers.teacher \(vit_tiny_test\): images of 34x34 pixels cannot be cut into patches of 4x4"
    with pytest.raises(UserError, match=message):
        alignment_check.check_alignment(*with_transformer("vit_tiny_test", image_size=34))


def test_blocks_that_do_not_match_in_number_name_both_sides():
    config = tiny.config()
    config.teachers.teacher.update(trainable=False)
    config.losses.mskd.weight = config.losses.ial.weight = 0.0
    config.losses.similarity.weight, config.blocks.lengths = 1.0, (8, 4)
    config.blocks.stages = {"student": (1, 2)}
    with pytest.raises(UserError) as error:
        alignment_check.check_alignment(config, networks.build(config, 5))
    assert str(error.value) == (
        "config.blocks: teacher (resnet_tiny) has 3 blocks (layer1 at stride 4, layer2 at stride 8, layer3 at stride "
        "16), student (resnet_tiny) has 2 blocks (layer2 at stride 8, layer3 at stride 16), and config.blocks.lengths "
        "asks for 2 beside the logits: choose as many with config.blocks.stages.teacher or change the lengths"
    )
    config.blocks.stages = {"student": (1, 2), "teacher": (0, 3)}
    with pytest.raises(UserError, match=r"^config.blocks.stages.teacher: stage 3 does not exist in resnet_tiny, which"):
        alignment_check.check_alignment(config, networks.build(config, 5))
    config.blocks.stages = {"student": (1, 2), "teacher": (0, 2)}
    alignment_check.check_alignment(config, networks.build(config, 5))


def test_shapes_alone_are_had_without_a_compilation():
    key = jax.random.key(0)
    drawn = jax.eval_shape(lambda: networks.run_once(lambda k: jax.random.normal(k, (3,)), jax.random.fold_in(key, 1)))
    assert drawn.shape == (3,)


DRAW = """
import jax
from jdnet_jax.learning import networks
draw = lambda key: 0.5 + 0.1 * jax.random.truncated_normal(key, -2, 2, (64, 64))
quick, plain = (form(jax.random.key(3)) for form in (lambda key: networks.run_once(draw, key), jax.jit(draw)))
print(bool((quick == plain).all()))
"""


def test_what_is_compiled_in_a_hurry_has_the_bits_of_full_optimisation():
    environ = {**os.environ, "XLA_FLAGS": ""}  # those of the tests optimise nothing
    found = subprocess.run([sys.executable, "-c", DRAW], env=environ, capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


@pytest.mark.parametrize(("recipe", "teacher"), [("jdnet", True), ("jdnet_trained", False), ("kd", False)])
def test_a_teacher_that_has_to_be_trained_gets_no_fresh_classifier(recipe, teacher):
    config = tiny.config()
    config = recipes.apply_recipe(config, recipe)
    nets = networks.build(config, 3)
    assert (nets["student"].fresh_classifier, nets["teacher"].fresh_classifier) == (True, teacher)
