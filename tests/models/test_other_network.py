import json

import numpy as np
import pytest
import safetensors.numpy

from jdnet_jax.models import hub, load_pretrained, other_network
from jdnet_jax.process.errors import UserError


def refused(name, source, path=None, said=None, alike=lambda other: True):
    """The network to choose instead; None where the weights are taken."""
    try:
        other_network.refuse(name, source, path, said, alike)
    except UserError as error:
        message = str(error)
        assert f", not of {name}: " in message
        return message.partition(" holds weights of ")[2].partition(",")[0]
    return None


@pytest.mark.parametrize(
    ("name", "source", "other"),
    [
        ("efficientnet_b0", "timm/tf_efficientnet_b0.ns_jft_in1k", "tf_efficientnet_b0"),
        ("efficientnet_b0", "timm/tf_efficientnet_b0.ns_jft_in1k@main", "tf_efficientnet_b0"),
        ("efficientnet_b0", "timm/efficientnet_b0.ra_in1k", None),
        ("tf_efficientnet_b0", "timm/efficientnet_b0.ra_in1k", "efficientnet_b0"),
        ("tf_efficientnet_b0", "hf-hub:timm/tf_efficientnet_b0.aa_in1k", None),
        ("vit_base_patch16_224", "timm/deit_base_patch16_224.fb_in1k", "deit_base_patch16_224"),
        ("vit_base_patch16_224", "hf-hub:facebook/deit-base-patch16-224", "deit_base_patch16_224"),
        ("deit_base_patch16_224", "timm/vit_base_patch16_224.augreg_in21k", "vit_base_patch16_224"),
        ("mobilenetv3_large_100", "timm/tf_mobilenetv3_large_100.in1k", "tf_mobilenetv3_large_100"),
        ("mobilenetv3_large_100", "timm/mobilenetv3_large_100.miil_in21k", None),
        ("tf_efficientnet_lite0", "timm/efficientnet_lite0.ra_in1k", "efficientnet_lite0"),
        ("resnet50", "hf-hub:somebody/food", None),
        ("resnet50", "timm/seresnext50_32x4d.racm_in1k", "seresnext50_32x4d"),
    ],
)
def test_what_the_hub_calls_them(name, source, other):
    assert refused(name, source) == other


@pytest.mark.parametrize(
    ("name", "file", "other"),
    [
        ("efficientnet_b0", "tf_efficientnet_b0_ns-c0e6a31c.pth", "tf_efficientnet_b0"),
        ("efficientnet_b0", "TF-EfficientNet-B0.pth", "tf_efficientnet_b0"),
        ("efficientnet_b0", "efficientnet_b0_ra-3dd342df.pth", None),
        ("efficientnet_b0", "from_tf_efficientnet_b0_to_efficientnet_b0.pth", None),  # it names both
        ("vit_base_patch16_224", "deit_base_patch16_224-b5f2ef4d.pth", "deit_base_patch16_224"),
        ("resnet50", "cifar_resnet50x.pth", None),
        ("resnet18", "best.pth", None),
        ("efficientnet_b0", "tf_efficientnet_b0.ns/model.safetensors", "tf_efficientnet_b0"),
        (
            "efficientnet_b0",
            "models--timm--tf_efficientnet_b0.ns/snapshots/abc/model.safetensors",
            "tf_efficientnet_b0",
        ),
    ],
)
def test_what_files_and_folders_are_called(tmp_path, name, file, other):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert refused(name, str(path), path) == other


def test_the_file_itself_counts_before_its_card_and_that_before_its_name(tmp_path):
    path = tmp_path / "efficientnet_b0.safetensors"
    path.touch()
    assert refused("efficientnet_b0", str(path), path) is None
    card = tmp_path / "efficientnet_b0.safetensors.model.json"
    card.write_text(json.dumps({"model": "tf_efficientnet_b0"}))
    assert refused("efficientnet_b0", str(path), path) == "tf_efficientnet_b0"
    assert refused("efficientnet_b0", str(path), path, "efficientnet_b0") is None
    assert refused("efficientnet_b0", str(path), path, "tf_efficientnet_b0_ns") == "tf_efficientnet_b0"
    card.write_text("{")
    assert refused("efficientnet_b0", str(path), path) is None


@pytest.mark.parametrize(("card", "key"), [("model.json", "model"), ("config.json", "architecture")])
def test_the_card_of_a_folder(tmp_path, card, key):
    path = tmp_path / "model.safetensors"
    path.touch()
    (tmp_path / card).write_text(json.dumps({key: "deit_base_patch16_224"}))
    assert refused("vit_base_patch16_224", str(path), path) == "deit_base_patch16_224"


def test_a_network_of_other_shapes_is_told_by_its_tensors_and_not_by_its_name():
    assert refused("resnet18", "timm/resnet50.a1_in1k", alike=lambda other: False) is None


def test_another_network_is_refused_before_it_is_downloaded(monkeypatch):
    monkeypatch.setattr(hub, "download", lambda source: pytest.fail("it was downloaded"))
    with pytest.raises(UserError, match=r"holds weights of tf_efficientnet_b0, as its name says.*choose --config"):
        load_pretrained("efficientnet_b0", "timm/tf_efficientnet_b0.ns_jft_in1k", 1000)


def test_a_file_of_another_network_is_refused_by_what_its_metadata_say(tmp_path):
    path = tmp_path / "student.safetensors"
    about = {"model.json": json.dumps({"model": "tf_efficientnet_b0"})}
    safetensors.numpy.save_file({"conv_stem.weight": np.zeros((32, 3, 3, 3), np.float32)}, path, metadata=about)
    with pytest.raises(UserError, match=r"tf_efficientnet_b0, as the file says, not of efficientnet_b0: .*model=tf_"):
        load_pretrained("efficientnet_b0", str(path), 1000)
    with pytest.raises(UserError, match="does not hold weights of tf_efficientnet_b0; missing"):
        load_pretrained("tf_efficientnet_b0", str(path), 1000)
