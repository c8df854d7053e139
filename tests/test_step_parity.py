"""The joint step against a JDNet in PyTorch that was written from the formulas: same weights and batches, same losses.

Needs another Python with torch and timm, as tests/models/test_parity.py does.
"""

import json
import os
import subprocess
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.config import check, keys
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import networks, state, step
from tests import tiny_recipe as tiny

PYTHON = os.environ.get("JDNET_PARITY_PYTHON", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="JDNET_PARITY_PYTHON names no Python that has torch and timm"),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("step_parity")
    script = Path(__file__).with_name("step_parity_reference.py")
    result = subprocess.run([PYTHON, script, folder], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def config_of(recipe, folder, image_size, batch_size):
    config = config_lib.default()
    config.image_size, config.batch_size, config.steps = image_size, batch_size, len(recipe["steps"])
    config.student = {"model": recipe["student"], "init": str(folder / "student.safetensors"), "options": {}}
    config.teachers = {"teacher": config_lib.teacher(recipe["teacher"], init=str(folder / "teacher.safetensors"))}
    config.losses.mskd.options.stages = (0, 1, 2, 3)
    config.losses.kl.weight = 1.0
    config.losses.kl.options.temperature = recipe["temperature"]
    for name in keys.COUPLINGS:
        config.losses[name].routing = {"teacher": recipe["r"]}
    config.optimizer.weight_decay, config.optimizer.eps = recipe["decay"], recipe["eps"]
    config.schedule.name, config.schedule.warmup = "constant", 0.0
    config.schedule.learning_rate = recipe["rate"]
    check.check(config)
    return config


def test_five_joint_steps_equal_those_of_a_pytorch_prototype(reference):
    recipe = json.loads((reference / "outputs.json").read_text())
    with np.load(reference / "inputs.npz") as inputs:
        images, labels = inputs["images"], inputs["labels"]
        adapters = {name: inputs[name] for name in inputs.files if name.startswith("stage")}
    config = config_of(recipe, reference, images.shape[2], images.shape[1])
    nets = networks.build(config, recipe["classes"])
    terms = networks.objective(config, nets, config.steps)
    optimizers = state.build_optimizers(config, nets, state.trained_groups(nets, terms), config.steps)
    current = state.create(config, nets, terms, optimizers, recipe["classes"])
    assert set(current.params["adapters"]["mskd_teacher"]) == set(adapters)
    for name, kernel in adapters.items():
        current.params["adapters"]["mskd_teacher"][name]["conv"]["kernel"] = jnp.asarray(kernel)[None, None]
    train = tiny.mapped(step.train_step(nets, terms, optimizers), 1)
    for number, expected in enumerate(recipe["steps"]):
        batch = {"image": images[number], "label": labels[number]}
        current, metrics = train(current, tiny.cut(batch, 1))
        ours = {name: float(metrics[f"loss/{name}"]) for name in expected["losses"]}
        norms = {name: float(metrics[f"grad_norm/{name}"]) for name in expected["norms"]}
        print(number, ours, expected["losses"], norms, expected["norms"])  # pytest -rP shows them
        # Rounding grows from step to step.
        assert ours == pytest.approx(expected["losses"], rel=2e-5 if number == 0 else 5e-3)
        if number == 0:
            assert norms == pytest.approx(expected["norms"], rel=1e-3)
