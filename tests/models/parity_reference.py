"""Makes PyTorch references for parity_comparison.py; runs in an environment that has torch, torchvision and timm.

It reads from standard input one case a line as JSON, {"library", "model", "weights", "reference"} and the size of the
images as `parity_cases.Case` has it, and prints the path `reference` when that is written. For each case a model is
built, its weights and BatchNorm statistics are drawn at random and saved at `weights` (the suffix says how:
`.safetensors`, `.pth`, `.legacy.pth` for the format before PyTorch 1.6, `.dotted.pth` with the names of torchvision's
published DenseNets), and `reference` (.npz) gets the images, the
logits and every stage's feature map in eval mode. With "library": "lite_package" the weights are read from `weights`
instead.
"""

import json
import re
import sys
import zlib

import numpy as np
import parity_cifar
import safetensors.torch
import timm
import torch
import torchvision
from timm.models.vision_transformer import checkpoint_filter_fn

TORCHVISION_STAGES = {
    "resnet18": ["layer1", "layer2", "layer3", "layer4"],
    "resnext50_32x4d": ["layer1", "layer2", "layer3", "layer4"],
    "regnet_y_16gf": [f"trunk_output.block{i}" for i in (1, 2, 3, 4)],
    # The ReLU behind norm5 is no module, but it works in place: what norm5 returned is its output in the end.
    "densenet121": [*(f"features.denseblock{i}" for i in (1, 2, 3)), "features.norm5"],
    "densenet161": [*(f"features.denseblock{i}" for i in (1, 2, 3)), "features.norm5"],
    "mobilenet_v2": ["features.3", "features.6", "features.13", "features.17"],
    "convnext_tiny": ["features.1", "features.3", "features.5", "features.7"],
    "vit_b_16": [f"encoder.layers.encoder_layer_{i}" for i in (2, 5, 8, 11)],
    "mobilenet_v3_large": ["features.3", "features.6", "features.12", "features.16"],
    "mobilenet_v3_small": ["features.1", "features.3", "features.8", "features.12"],
    "efficientnet_b0": ["features.2", "features.3", "features.5", "features.7"],
    "efficientnet_b3": ["features.2", "features.3", "features.5", "features.7"],
    "efficientnet_b4": ["features.2", "features.3", "features.5", "features.7"],
}


def build(library, name, size=None):
    """The model, and for each stage the module whose output it is; of timm's those at stride 4, 8, 16, 32.

    Args:
        library: whose it is.
        name: of the model.
        size: height and width of the images, for a model that must know them; None for the model's own.
    """
    if library == "cifar":
        return parity_cifar.build(name)
    if library == "torchvision":
        options = {"image_size": size[0]} if size else {}
        model = getattr(torchvision.models, name)(weights=None, num_classes=1000, **options)
        return model, TORCHVISION_STAGES[name]
    model = timm.create_model(name, pretrained=False, num_classes=1000, **({"img_size": size} if size else {}))
    if isinstance(model, timm.models.VisionTransformer):
        return model, [f"blocks.{i}" for i in (2, 5, 8, 11)]
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
        elif isinstance(module, torch.nn.LayerNorm):
            module.weight.data = 0.6 + 0.4 * torch.rand(module.weight.shape, generator=generator)
            module.bias.data = 0.3 * torch.randn(module.bias.shape, generator=generator)
    for name, parameter in model.named_parameters():
        leaf = name.rpartition(".")[2]
        if leaf in ("gamma", "layer_scale"):  # small in a model that was not trained, which would hide the branch
            parameter.data = 0.5 + torch.rand(parameter.shape, generator=generator)
        elif leaf in ("cls_token", "dist_token", "class_token", "pos_embed", "pos_embedding", "latent", "in_proj_bias"):
            parameter.data = torch.randn(parameter.shape, generator=generator)


def save(model, path):
    """Saves the state dict in the format that the suffix asks for."""
    state = model.state_dict()
    if path.endswith(".dotted.pth"):
        state = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name): state[name] for name in state}
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
        logits = model(images)
    patch = next(module.stride for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    grid = tuple(side // step for side, step in zip(images.shape[2:], patch, strict=True))
    return logits, [_channels_last(output, grid) for output in maps]


def _channels_last(output, grid):
    """A feature map as [batch, height, width, channels]; of a transformer's tokens the grid of patches, the last."""
    if output.ndim == 4:
        return output.permute(0, 2, 3, 1)
    rows, columns = grid
    return output[:, -rows * columns :].reshape(len(output), rows, columns, -1)


def resized(model, name, size):
    """The model for images of another size, its positional embeddings resized by timm."""
    other = timm.create_model(name, pretrained=False, num_classes=1000, img_size=size)
    other.load_state_dict(checkpoint_filter_fn(model.state_dict(), other), strict=True)
    return other


def make(case):
    """Writes the files of one case. What is drawn depends on the case's model alone."""
    seed = zlib.crc32(f"{case['library']} {case['model']}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    size = (case["height"], case["width"])
    native = case["image_size"] is None or case["resized"]
    model, stages = build(case["library"], case["model"], None if native else size)
    if case["library"] == "lite_package":
        load_lite_package(model, case["weights"])
    else:
        randomise(model, generator)
        if case["library"] == "cifar":
            parity_cifar.follow_activations(model, size, generator)
        save(model, case["weights"])
    if case["resized"]:
        model = resized(model, case["model"], size)
    images = torch.randn((2, 3, *size), generator=generator)
    images[1] *= 2  # another contrast: noise alone looks much the same to a network that averages
    logits, maps = forward(model.eval(), stages, images)
    arrays = {f"stage{i}": feature.numpy() for i, feature in enumerate(maps)}
    np.savez(case["reference"], images=images.permute(0, 2, 3, 1).numpy(), logits=logits.numpy(), **arrays)


def main():
    for line in sys.stdin:
        case = json.loads(line)
        make(case)
        print(case["reference"], flush=True)


if __name__ == "__main__":
    main()
