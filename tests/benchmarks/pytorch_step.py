"""The PyTorch side of step_vs_pytorch.py; runs where torch and timm are.

    python pytorch_step.py CASE IMAGE_SIZE BATCH

Eager mode, channels_last, float32, timm's networks, AdamW in its fused form (the fastest that PyTorch has on a CPU).
CASE is one of `step_vs_pytorch.CASES`. Waits for lines on stdin, see worker.py.
"""

import os
import sys

import timm
import torch
from torch import nn
from torch.nn import functional
from worker import loop

CLASSES, TEACHER_STRENGTH = 101, 0.1
MODELS = {"student": "mobilenetv2_100", "teacher": "resnet50"}


class Routed(torch.autograd.Function):
    """The identity, whose gradient is scaled."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g * TEACHER_STRENGTH


class Network(nn.Module):
    """A timm network that returns logits and the maps at the strides 4 to 32."""

    def __init__(self, name):
        super().__init__()
        self.net = timm.create_model(name, pretrained=False, num_classes=CLASSES)
        taps = [info for info in self.net.feature_info if info["reduction"] >= 4]
        self.channels = [info["num_chs"] for info in taps]
        self.names = [info["module"] for info in taps]
        self.seen = {}
        for tap in self.names:
            module = self.net.get_submodule(tap)
            module.register_forward_hook(lambda module, args, output, tap=tap: self.seen.__setitem__(tap, output))
        self.register_buffer("mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))

    def forward(self, images):
        logits = self.net((images - self.mean) / self.std)
        return logits, [self.seen[tap] for tap in self.names]


def build(case, size, batch):
    """A function that runs one step of the case."""
    torch.manual_seed(0)
    names = ("student", "teacher") if case == "joint" else (case.removeprefix("eval_"),)
    networks = nn.ModuleDict({name: Network(MODELS[name]) for name in names})
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8).to(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch,))
    if case.startswith("eval_"):
        network = networks[names[0]].to(memory_format=torch.channels_last).eval()

        def evaluate():
            with torch.inference_mode():
                logits, _ = network(images.float())
                return functional.cross_entropy(logits, labels), logits.argmax(1)

        return evaluate
    parts = [networks]
    if case == "joint":
        pairs = zip(networks["student"].channels, networks["teacher"].channels, strict=True)
        adapters = nn.ModuleList(nn.Sequential(nn.Conv2d(s, t, 1, bias=False), nn.BatchNorm2d(t)) for s, t in pairs)
        parts.append(adapters)
    parts = nn.ModuleList(parts).to(memory_format=torch.channels_last).train()
    parameters = list(parts.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=1e-4,
        fused=True,
    )

    def train():
        x = images.float()
        outputs = {name: network(x) for name, network in networks.items()}
        loss = sum(functional.cross_entropy(logits, labels) for logits, _ in outputs.values())
        if case == "joint":
            taps = zip(adapters, outputs["student"][1], outputs["teacher"][1], strict=True)
            for adapter, s, t in taps:
                loss = loss + (1.0 - functional.cosine_similarity(adapter(s), Routed.apply(t), dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


if __name__ == "__main__":
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # as ours
    loop(build(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
