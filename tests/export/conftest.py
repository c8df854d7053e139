import dataclasses
import zlib

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.config import views
from jdnet_jax.export import inference_function
from jdnet_jax.inference import flax_runner
from jdnet_jax.inference.flax_runner import FlaxRunner
from tests import tiny_student


def draw(path, leaf):
    """A value of a variable that keeps activations of a network at size: He's for kernels, others about 1 or 0."""
    rng = np.random.default_rng(zlib.crc32("/".join(path).encode()))
    match path[-1]:
        case "kernel":
            value = rng.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5
        case "scale" | "var":
            value = rng.uniform(0.5, 1.5, leaf.shape)
        case _:
            value = rng.uniform(-0.3, 0.3, leaf.shape)
    return value.astype(np.float32)


def norms_left(variables, folded):
    """The paths of a network's BatchNorms whose scale is among the folded parameters."""
    params = flax.traverse_util.flatten_dict(folded)
    norms = {path[:-1] for path in flax.traverse_util.flatten_dict(variables["batch_stats"])}
    return {norm for norm in norms if (*norm, "scale") in params}


class Student:
    """A student that was never trained, with statistics that BatchNorm has to work with, and pictures in colours."""

    def __init__(self, **changes):
        self.card = tiny_student.card(**{"temperature": 1.5, **changes})
        size = self.card.image_size
        module = flax_runner.create(self.card, "tiny")
        shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, size, size, self.card.channels))))
        flat = flax.traverse_util.flatten_dict(shapes)
        drawn = flax.traverse_util.unflatten_dict({path: draw(path, leaf) for path, leaf in flat.items()})
        self.variables = {"batch_stats": {}, **drawn}
        rng = np.random.default_rng(0)
        colors = rng.integers(0, 200, (6, 1, 1, 3))
        self.images = (colors + rng.integers(0, 56, (6, size, size, 3))).astype(np.uint8)
        if self.card.view == views.BOTH:
            self.images = views.seen(self.images, rng.integers(0, 2, (6, size, size, 1)).astype(np.uint8), views.BOTH)
        # On average no class is ahead, so that the pictures are not all one class.
        logits = np.log(FlaxRunner(self.card, self.variables, "tiny").run(self.images).probabilities)
        params = self.variables["params"]
        head = params[next(name for name in ("fc", "classifier", "head") if name in params)]
        head["bias"] -= self.card.temperature * logits.mean(axis=0)
        self.runner = FlaxRunner(self.card, self.variables, "tiny")
        self.function = inference_function.create(self.card, self.variables, "tiny")

    def card_of(self, **changes):
        """Its card as that of an exported file."""
        return dataclasses.replace(self.card, **changes)


@pytest.fixture(scope="session")
def resnet():
    """A network of plain convolutions and shortcuts."""
    return Student()


@pytest.fixture(scope="session")
def rvernet():
    """A network that takes a photo in two parts."""
    branches = {"roi": "resnet_tiny", "context": "resnet_tiny", "roi_options": {"width": 4}}
    return Student(
        model="rvernet",
        options={**branches, "context_options": {"width": 4}, "hidden": 8},
        view=views.BOTH,
        mean=(123.675, 116.28, 103.53) * 2,
        std=(58.395, 57.12, 57.375) * 2,
    )


@pytest.fixture(scope="session")
def transformer():
    """A network without convolutions, but for its patches, and without BatchNorm."""
    return Student(model="vit_tiny_test", options={})


@pytest.fixture(scope="session")
def mobilenet():
    """A network with depthwise convolutions."""
    return Student(model="mobilenetv2_035", options={}, image_size=64, shorter_side=73)


@pytest.fixture(scope="session")
def mobilenetv3():
    """A network with squeeze-and-excitation, hard swish, and a hidden layer behind the pooling."""
    return Student(model="mobilenetv3_small_100", options={}, image_size=64, shorter_side=73)
