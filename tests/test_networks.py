import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax import networks
from jdnet_jax.errors import UserError
from jdnet_jax.models import hub
from tests import tiny_recipe as tiny


def test_each_network_normalises_with_its_own_statistics():
    config = tiny.config()
    config.teachers.teacher.model, config.teachers.teacher.options = "tf_efficientnet_lite0", {}
    nets = networks.build(config, 3)
    images = jnp.full((1, 2, 2, 3), 127, jnp.uint8)
    np.testing.assert_allclose(nets["teacher"].prepare(images), 0.0, atol=1e-6)
    spec = nets["student"].module.input_spec
    expected = (127 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(nets["student"].prepare(images)[0, 0, 0], expected, rtol=1e-5)


def test_unknown_option_names_the_config_key():
    config = tiny.config()
    config.teachers.teacher.options = {"widht": 3}
    with pytest.raises(UserError, match=r"config.teachers.teacher: .*no option 'widht'"):
        networks.build(config, 3)


def test_stages_of_different_grids_that_are_multiples_align():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    networks.check_alignment(config, networks.build(config, 3))


def test_a_stage_that_a_network_lacks_is_named():
    config = tiny.config()
    config.losses.mskd.options.stages = (3,)
    with pytest.raises(UserError, match=r"stage 3 does not exist in student \(resnet_tiny\), which has stages 0 to 2"):
        networks.check_alignment(config, networks.build(config, 3))


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
        networks.check_alignment(config, nets)


def test_weights_of_the_hub_are_looked_for_before_anything_is_allocated(monkeypatch):
    def absent(source):
        raise UserError(f"{source}: there is none")

    monkeypatch.setattr(hub, "check", absent)
    config = tiny.config()
    config.teachers.teacher.init = "timm/resnet18.a1_in1k"
    with pytest.raises(UserError, match=r"^config.teachers.teacher.init: timm/resnet18.a1_in1k: there is none$"):
        networks.check_weights(networks.build(config, 3))


def test_fresh_weights_depend_on_seed_and_name_alone():
    one = networks.initialize(networks.build(tiny.config(), 3)["student"], 0, 3)
    two = networks.initialize(networks.build(tiny.config(image_size=64), 3)["student"], 0, 3)
    for a, b in zip(networks.jax.tree.leaves(one), networks.jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_of_its_own_resolution_sees_the_same_view_shrunk():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    config.resolutions = {"student": 16}
    nets = networks.build(config, 3)
    networks.check_alignment(config, nets)
    columns = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None], (1, 32, 32, 3))
    spec = nets["student"].module.input_spec
    seen = nets["student"].prepare(columns) * np.float32(spec.std) + np.float32(spec.mean)
    assert seen.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(seen[0, 3, 1:-1, 0], np.arange(1, 15) * 2 + 0.5, atol=1e-3)
    assert nets["teacher"].prepare(columns).shape == (1, 32, 32, 3)
    assert (
        networks.shapes(nets["student"])[0].stages[0].shape[1] * 2
        == networks.shapes(nets["teacher"])[0].stages[0].shape[1]
    )


def test_resolutions_that_do_not_align_are_named():
    config = tiny.config(losses__mskd__options__stages=(0, 1, 2))
    config.resolutions = {"student": 24}
    with pytest.raises(UserError, match=r"config.resolutions of 24 and 32 pixels: choose a multiple of 32 and a whole"):
        networks.check_alignment(config, networks.build(config, 3))
