"""The smallest recipe that has every part, shared by the tests of the step, the state and the loop."""

import jax
import numpy as np

from jdnet_jax.config import check, recipes
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import assembly, networks

CLASSES, SIZE = 5, 32


def config(**changes):
    result = config_lib.default()
    result.image_size = SIZE
    result.batch_size = 16
    result.student = {"model": "resnet_tiny", "init": "random", "options": {"width": 4}}
    result.teachers = {"teacher": config_lib.teacher("resnet_tiny", width=8)}
    result.losses.mskd.options.stages = (0, 1, 2)
    result.losses.kl.weight = 0.5
    result.schedule.learning_rate = 1e-2
    result.steps = 20
    result.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    check.check(result, weights=False)
    return result


def meal_config(teachers, recipe="meal", **changes):
    """One of MEAL's recipes with frozen teachers of these widths, from their hand-offs: name -> (width, folder)."""
    result = config()
    frozen = {name: config_lib.teacher("resnet_tiny", str(at), False, width=w) for name, (w, at) in teachers.items()}
    result.teachers = {**(result.teachers if recipe == "jdnet_meal" else {}), **frozen}
    result.blocks.lengths = (16, 8, 4)
    result.groups = {"discriminators": {"schedule": {"learning_rate": 1e-3}}}
    result = recipes.apply_recipe(result, recipe)
    result.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    check.check(result)
    return result


class Recipe:
    """The parts of a config and the state at step 0."""

    def __init__(self, conf):
        self.config = conf
        self.parts = assembly.assemble(conf, CLASSES, conf.steps)
        self.networks, self.terms, self.frozen = self.parts.networks, self.parts.terms, self.parts.frozen
        self.optimizers = self.parts.optimizers
        self.state = self.parts.initial_state()

    def step(self):
        """The train step of one device, not mapped."""
        return self.parts.train_step()


def batch(size=16, seed=0, pixels=SIZE):
    """A global batch of noise whose label can be learned: each class is brighter in one row of the picture."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, size).astype(np.int32)
    images = rng.integers(0, 128, (size, pixels, pixels, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 6 : label * 6 + 6] += 100
    return {"image": images, "label": labels}


def mapped(function, devices, out_axes=None):
    """`step.mapped` on the first `devices` of the machine's, to compare numbers of devices in one process."""
    return jax.pmap(
        function, axis_name=networks.DATA_AXIS, in_axes=(None, 0), out_axes=out_axes, devices=jax.devices()[:devices]
    )


def cut(global_batch, devices, grad_accum=1):
    """The global batch as [devices, grad_accum, batch, ...], as `step.rows` and `step.split` cut it."""
    size = len(global_batch["label"])
    order = np.arange(size).reshape(grad_accum, devices, -1).transpose(1, 0, 2)
    return {key: value[order] for key, value in global_batch.items()}
