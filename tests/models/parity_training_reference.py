"""Makes a PyTorch reference of one training step for test_parity_training.py; runs where parity_reference.py does.

    python parity_training_reference.py MODEL WEIGHTS REFERENCE

timm's MODEL gets random weights and statistics, saved at WEIGHTS (.safetensors), and takes a batch in train mode.
REFERENCE (.npz) has `images`, `labels`, `logits`, `gradient/NAME` of the mean cross-entropy for each parameter,
`exact/NAME`, the same computed in float64, `updated/NAME` for each running statistic afterwards, and `count/MODULE`:
over how many values each BatchNorm averaged.
"""

import copy
import sys

import numpy as np
import timm
import torch
from parity_reference import randomise, save

BATCH, SIZE, CLASSES = 8, 64, 10


def main(name, weights, reference):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=CLASSES, drop_rate=0.0)
    randomise(model, generator)
    save(model, weights)
    exact = copy.deepcopy(model).double()
    arrays = {}

    def count(module_name):
        def hook(module, args):
            arrays[f"count/{module_name}"] = args[0].numel() // args[0].shape[1]

        return hook

    for module_name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_pre_hook(count(module_name))
    images = torch.randn((BATCH, 3, SIZE, SIZE), generator=generator)
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    logits = model.train()(images)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    torch.nn.functional.cross_entropy(exact.train()(images.double()), labels).backward()
    arrays |= {f"gradient/{key}": parameter.grad.numpy() for key, parameter in model.named_parameters()}
    arrays |= {f"exact/{key}": parameter.grad.numpy() for key, parameter in exact.named_parameters()}
    arrays |= {f"updated/{key}": value.numpy() for key, value in model.named_buffers()}
    images = images.permute(0, 2, 3, 1).numpy()
    np.savez(reference, images=images, labels=labels.numpy(), logits=logits.detach().numpy(), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
