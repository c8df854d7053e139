"""Makes PyTorch references for parity_comparison.py; runs in an environment that has torch, torchvision and timm.

It reads from standard input one case a line, {"library", "model", "weights", "reference"} as JSON, and prints the
path `reference` when that is written. For each case a model is built, its weights and BatchNorm statistics are drawn at
random and saved at `weights` (the suffix says how: `.safetensors`, `.pth`, or `.legacy.pth` for the format before
PyTorch 1.6), and `reference` (.npz) gets the images, the logits and every stage's feature map in eval mode. With
"library": "lite_package" the weights are read from `weights` instead.
"""

import json
import sys
import zlib

import numpy as np
import safetensors.torch
import timm
import torch
import torchvision

HEIGHT, WIDTH = 72, 90  # odd after some strides: padding rules differ there
TORCHVISION_STAGES = {
    "resnet18": ["layer1", "layer2", "layer3", "layer4"],
    "mobilenet_v2": ["features.3", "features.6", "features.13", "features.17"],
    "mobilenet_v3_large": ["features.3", "features.6", "features.12", "features.16"],
    "mobilenet_v3_small": ["features.1", "features.3", "features.8", "features.12"],
    "efficientnet_b0": ["features.2", "features.3", "features.5", "features.7"],
    "efficientnet_b3": ["features.2", "features.3", "features.5", "features.7"],
    "efficientnet_b4": ["features.2", "features.3", "features.5", "features.7"],
}


def build(library, name):
    """The model, and for each stage at stride 4, 8, 16, 32 the module whose output it is."""
    if library == "torchvision":
        return getattr(torchvision.models, name)(weights=None, num_classes=1000), TORCHVISION_STAGES[name]
    model = timm.create_model(name, pretrained=False, num_classes=1000)
    return model, [info["module"] for info in model.feature_info if info["reduction"] >= 4]


def randomise(model, generator):
    """All random, but such that activations neither die nor explode on the way to the logits."""
    smooth = any(isinstance(module, (torch.nn.SiLU, torch.nn.Hardswish)) for module in model.modules())
    gain = 2.3 if smooth else 2.0  # these let less pass than ReLU
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (gain / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = 0.3 * torch.randn(module.bias.shape, generator=generator)
            if name.endswith(("se.conv_expand", ".fc2")):
                module.bias.data += 2  # half closed, the gates of a deep network leave nothing
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, centre, spread in (
                (module.weight, 0.8, 0.4),
                (module.bias, 0.1, 0.4),
                (module.running_mean, 0.0, 0.4),
                (module.running_var, 1.0, 0.8),
            ):
                tensor.data = centre + spread * (torch.rand(tensor.shape, generator=generator) - 0.5)
        elif isinstance(module, torch.nn.Linear):
            module.weight.data = torch.randn(module.weight.shape, generator=generator) / module.in_features**0.5
            module.bias.data = torch.randn(module.bias.shape, generator=generator)


def save(model, path):
    """Saves the state dict in the format that the suffix asks for."""
    state = model.state_dict()
    if path.endswith(".safetensors"):
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=not path.endswith(".legacy.pth"))


def load_lite_package(model, path):
    """The packages keep timm's order of tensors, which pairs them without any table of names."""
    tensors = torch.load(path, map_location="cpu", weights_only=True).values()
    names = model.state_dict().keys()
    model.load_state_dict(dict(zip(names, tensors, strict=True)), strict=True)


def forward(model, stages, images):
    """The logits, and the outputs of the modules that `stages` names."""
    maps = []
    for stage in stages:
        model.get_submodule(stage).register_forward_hook(lambda module, args, output: maps.append(output))
    with torch.no_grad():
        return model(images), maps


def make(case):
    """Writes the files of one case. What is drawn depends on the case's model alone."""
    seed = zlib.crc32(f"{case['library']} {case['model']}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model, stages = build(case["library"], case["model"])
    if case["library"] == "lite_package":
        load_lite_package(model, case["weights"])
    else:
        randomise(model, generator)
        save(model, case["weights"])
    images = torch.randn((2, 3, HEIGHT, WIDTH), generator=generator)
    logits, maps = forward(model.eval(), stages, images)
    arrays = {f"stage{i}": feature.permute(0, 2, 3, 1).numpy() for i, feature in enumerate(maps)}
    np.savez(case["reference"], images=images.permute(0, 2, 3, 1).numpy(), logits=logits.numpy(), **arrays)


def main():
    for line in sys.stdin:
        case = json.loads(line)
        make(case)
        print(case["reference"], flush=True)


if __name__ == "__main__":
    main()
