"""A JDNet in PyTorch, written from the formulas, for test_step_parity.py; runs where torch, timm and safetensors are.

    python step_parity_reference.py FOLDER

Draws a student, a teacher and a few batches at random, trains both with four cosine taps, activation maps and KL, and
leaves in FOLDER the weights before the first step (`student.safetensors`, `teacher.safetensors`), everything else that
went in (`inputs.npz`) and what came out of each step (`outputs.json`). Each coupling is written as the sum of its two
directions, d(s, sg t) + r d(sg s, t), where the project scales gradients.
"""

import json
import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
from torch import nn
from torch.nn import functional

STUDENT, TEACHER = "tf_efficientnet_lite0", "tf_efficientnet_lite2"
CLASSES, SIZE, BATCH, STEPS = 7, 64, 16, 5
RATE, DECAY, R, TEMPERATURE = 2e-5, 0.01, 0.1, 4.0
EPSILON = 1e-2  # Adam's; at its usual 1e-8 gradients that are nothing but rounding move the weights as real ones do


class Network(nn.Module):
    """A timm network that returns logits, the maps at the strides 4 to 32, the last map and the head's weight."""

    def __init__(self, name):
        super().__init__()
        self.net = timm.create_model(name, pretrained=False, num_classes=CLASSES)
        taps = [info for info in self.net.feature_info if info["reduction"] >= 4]
        self.channels = [info["num_chs"] for info in taps]
        self.names = [info["module"] for info in taps]
        self.seen = {}
        for tap in self.names:
            self.net.get_submodule(tap).register_forward_hook(
                lambda module, args, output, tap=tap: self.seen.__setitem__(tap, output)
            )

    def forward(self, images):
        last = self.net.forward_features((images - 127.0) / 128.0)
        return {
            "logits": self.net.classifier(last.mean((2, 3))),
            "taps": [self.seen[tap] for tap in self.names],
            "last": last,
            "weight": self.net.classifier.weight,
        }


def detached(outputs):
    return {k: [t.detach() for t in v] if isinstance(v, list) else v.detach() for k, v in outputs.items()}


def mskd(student, teacher, adapters):
    total = 0.0
    for s, t, adapter in zip(student["taps"], teacher["taps"], adapters, strict=True):
        total = total + (1.0 - functional.cosine_similarity(adapter(s), t, dim=1)).mean()
    return total


def activation(outputs, labels):
    scores = torch.einsum("bchw,bc->bhw", outputs["last"], outputs["weight"][labels])
    return functional.normalize(functional.relu(scores).flatten(1), dim=1)


def ial(student, teacher, labels):
    return ((activation(student, labels) - activation(teacher, labels)) ** 2).sum(1).mean()


def kl(student, teacher):
    target, log_p = (functional.log_softmax(o["logits"] / TEMPERATURE, 1) for o in (teacher, student))
    return TEMPERATURE**2 * functional.kl_div(log_p, target, log_target=True, reduction="batchmean")


def main(folder):
    torch.manual_seed(0)
    student, teacher = Network(STUDENT), Network(TEACHER)
    pairs = list(zip(student.channels, teacher.channels, strict=True))
    adapters = nn.ModuleList(nn.Sequential(nn.Conv2d(s, t, 1, bias=False), nn.BatchNorm2d(t)) for s, t in pairs)
    groups = {"student": student, "teacher": teacher, "adapters": adapters}
    for name in ("student", "teacher"):
        safetensors.torch.save_file(groups[name].net.state_dict(), folder / f"{name}.safetensors")
    images = torch.randint(0, 256, (STEPS, BATCH, 3, SIZE, SIZE))
    labels = torch.randint(0, CLASSES, (STEPS, BATCH))
    np.savez(
        folder / "inputs.npz",
        images=images.permute(0, 1, 3, 4, 2).numpy().astype(np.uint8),
        labels=labels.numpy().astype(np.int32),
        **{f"stage{i}": a[0].weight.detach().numpy()[:, :, 0, 0].T for i, a in enumerate(adapters)},
    )
    parameters = [p for module in groups.values() for p in module.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=RATE,
        eps=EPSILON,
    )
    history = []
    for step in range(STEPS):
        s, t = student(images[step].float()), teacher(images[step].float())
        y, s_fixed, t_fixed = labels[step], detached(s), detached(t)
        values = {
            "ce_student": functional.cross_entropy(s["logits"], y),
            "ce_teacher": functional.cross_entropy(t["logits"], y),
            "mskd_teacher": mskd(s, t_fixed, adapters),
            "ial_teacher": ial(s, t_fixed, y),
            "kl_teacher": kl(s, t_fixed),
        }
        # The way back: the adapters stay as they are, so their parameters' gradient of this part is not taken.
        for parameter in adapters.parameters():
            parameter.requires_grad_(False)
        kl_back = kl(t, s_fixed)
        back = mskd(s_fixed, t, adapters) + ial(s_fixed, t, y) + kl_back
        for parameter in adapters.parameters():
            parameter.requires_grad_(True)
        optimizer.zero_grad()
        (sum(values.values()) + R * back).backward()
        norms = {
            name: float(torch.sqrt(sum((p.grad**2).sum() for p in module.parameters())))
            for name, module in groups.items()
        }
        optimizer.step()
        values["kl_teacher"] = values["kl_teacher"] + kl_back  # the project reports both directions' sum
        history.append({"losses": {name: value.item() for name, value in values.items()}, "norms": norms})
    recipe = {
        "student": STUDENT,
        "teacher": TEACHER,
        "classes": CLASSES,
        "rate": RATE,
        "decay": DECAY,
        "r": R,
        "eps": EPSILON,
    }
    (folder / "outputs.json").write_text(json.dumps({**recipe, "temperature": TEMPERATURE, "steps": history}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
