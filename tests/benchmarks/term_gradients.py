"""How strongly each loss term pulls on the student, at the start of a run and at its checkpoints.

    python -m tests.benchmarks.term_gradients runs/demo

For each term: its value, the norm of its gradient into the student's parameters, unweighted, as a mean over batches
(`a batch`) and of the mean gradient over them (`mean`: what is left when the batches' noise is averaged out), and the
cosine of that mean gradient with cross-entropy's. Training mode, batches of the run's own stream.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jdnet_jax import data
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.learning import devices, host_batches, networks, state
from jdnet_jax.run.checkpoint import Checkpoints
from jdnet_jax.run.workdir import Workdir

BATCHES = 16


def gradients_of(nets, terms, current):
    """A function of one batch: {term: (value, gradient into the student's parameters as one vector)}."""

    def value(student, term, batch):
        params = {**current.params, STUDENT: student}
        outputs = {}
        for name, network in nets.items():
            variables = {"params": params[name], "batch_stats": current.batch_stats[name]}
            images = network.prepare(batch)
            outputs[name], _ = network.module.apply(
                variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
            )
        own = {}
        if term.group is not None:
            own = {part: getattr(current, part)[term.group][term.name] for part in ("params", "batch_stats")}
        return term.apply(own, outputs, batch["label"], current.step)[0]

    @jax.jit
    def gradients(batch):
        found = {}
        for term in (term for term in terms if STUDENT in term.networks):
            number, tree = jax.value_and_grad(value)(current.params[STUDENT], term, batch)
            found[term.name] = number, jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])
        return found

    return gradients


def report(workdir: Path) -> None:
    """Prints the table of a workdir."""
    place = Workdir(workdir)
    config = ConfigDict(json.loads(place.config.read_text()))
    dataset = data.prepare(config.dataset)
    steps = config_lib.total_steps(config, dataset.sizes["train"])
    nets = networks.build(config, len(dataset.class_names))
    terms = networks.objective(config, nets, steps)
    optimizers = state.build_optimizers(config, state.trained_groups(nets, terms), steps)
    first = state.create(config, nets, terms, optimizers, len(dataset.class_names))
    frozen = [name for name, network in nets.items() if not network.trainable]
    checkpoints = Checkpoints(place.checkpoints, config.keep_checkpoints, frozen=frozen)
    saved = sorted(int(path.name) for path in place.checkpoints.iterdir() if path.name.isdigit())
    for number in (0, *saved):
        current = first if number == 0 else checkpoints.restore(number, devices.place(first))
        current = jax.device_put(jax.device_get(current), jax.devices()[0])
        batches = host_batches.training(dataset, config, seed=config.seed, start_step=number)
        gradients = gradients_of(nets, terms, current)
        found = [jax.device_get(gradients(next(batches))) for _ in range(BATCHES)]
        mean = {name: np.mean([of[name][1] for of in found], 0) for name in found[0]}
        reference = mean["ce_student"]
        print(f"step {number}")
        for name, vector in mean.items():
            norm = np.linalg.norm(vector)
            cosine = vector @ reference / max(norm * np.linalg.norm(reference), 1e-12)
            values = np.mean([of[name][0] for of in found])
            batch_norm = np.mean([np.linalg.norm(of[name][1]) for of in found])
            print(
                f"  {name:<14} value {values:8.4f}   gradient of a batch {batch_norm:8.4f}   "
                f"mean {norm:8.4f}   cosine with ce {cosine:+.2f}"
            )
    checkpoints.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workdir", type=Path, help="a run that is finished")
    report(parser.parse_args().workdir)
