"""Snapshots of activation maps during training: a few photos at a few evaluations, for the report.

`snapshots/photos.npz` holds `image` uint8 [n, size, size, 3], `label` [n] and its `name` [n]; `snapshots/<step>.npz`
holds, for each network, `<name>/map` [n, h, w], the activation map of the true label, and `<name>/probability` [n],
the network's probability of that label. Photos and steps are functions of the config and the data, so an interrupted
run leaves the same files as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree
from ml_collections import ConfigDict

from jdnet_jax.config import views
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.data import Dataset, chosen
from jdnet_jax.files import array_file, user_files
from jdnet_jax.learning.networks import Network
from jdnet_jax.models import lowering
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

PHOTOS = 6  # how many photos are followed

_PHOTOS_FILE = "photos.npz"


def chosen_steps(steps: int, eval_every: int, count: int) -> tuple[int, ...]:
    """At most `count` of the steps at which a run evaluates, spread evenly from the first to the last.

    Args:
        steps: length of the run; it evaluates at 0, at multiples of `eval_every`, and at its end.
        eval_every: steps between two evaluations.
        count: the most steps to choose; a single one is the last.
    """
    evaluated = [*range(0, steps, eval_every), steps]
    if count < 2:
        return tuple(evaluated[len(evaluated) - count :])
    picked = np.linspace(0, len(evaluated) - 1, min(count, len(evaluated)))
    return tuple(evaluated[round(i)] for i in picked)


def begin(
    config: ConfigDict, dataset: Dataset, networks: Mapping[str, Network], folder: Path, steps: tuple[int, ...]
) -> Snapshots:
    """Chooses photos of val by the config's seed, of different classes, and writes them down.

    Args:
        config: config of the run.
        dataset: dataset of the config, prepared.
        networks: all networks of the run at their evaluation image sizes.
        folder: folder for the files; made where it does not exist.
        steps: see `chosen_steps`.

    Raises:
        UserError: they could not be written.
    """
    positions = chosen.spread_over_classes(dataset, "val", PHOTOS, config.seed)
    size = eval_image_size(config)
    photos = chosen.views(dataset, "val", positions.tolist(), size, config.crop_fraction, config.fit)
    folder.mkdir(parents=True, exist_ok=True)
    names = np.array([dataset.class_names[label] for label in photos["label"]])
    array_file.write(
        folder / _PHOTOS_FILE, {"image": views.images_for(3, photos), "label": photos["label"], "name": names}
    )
    return Snapshots(folder, networks, steps, photos)


class Snapshots:
    """Takes the snapshots of a run, on one process alone: with a copy of the networks, on one of its devices.

    Other processes take no part and do not wait.
    """

    def __init__(
        self,
        folder: Path,
        networks: Mapping[str, Network],
        steps: tuple[int, ...],
        photos: Mapping[str, np.ndarray],
    ):
        """Sets folder, steps and photos; nothing is compiled before the first snapshot.

        Args:
            folder: folder of the files; it must be there.
            networks: all networks of the run.
            steps: the steps at which `take` does anything; see `chosen_steps`.
            photos: a batch as an evaluation takes it.
        """
        self._folder, self._steps = folder, steps
        self._photos = dict(photos)
        self._maps = {name: _compiled(network) for name, network in networks.items()}

    def take(self, step: int, variables: Mapping[str, PyTree]) -> None:
        """Writes the maps at this step if it is one of the chosen steps.

        Args:
            step: step of the state.
            variables: network name -> `params` and `batch_stats`, as the mapped steps hold them.

        Raises:
            UserError: they could not be written.
        """
        if step not in self._steps:
            return
        arrays: dict[str, np.ndarray] = {}
        for name in self._maps:
            of_network = jax.tree.map(lambda leaf: leaf.addressable_data(0), variables[name])
            maps, probability = jax.device_get(self._maps[name](of_network, self._photos))
            arrays |= {f"{name}/map": maps, f"{name}/probability": probability}
        array_file.write(self._folder / f"{step}.npz", arrays)


def _compiled(network: Network) -> Any:
    def maps(variables: PyTree, photos: Mapping[str, Array]) -> tuple[Array, Array]:
        labels = photos["label"]
        outputs = network.module.apply(variables, network.prepare(photos), train=False)
        probabilities = jax.nn.softmax(outputs.scores)
        return outputs.activation(labels), jnp.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]

    # A few photos a few times in a run: to compile quickly matters more than to run fast.
    options = {"xla_backend_optimization_level": 0} if lowering.on_cpu() else None
    return jax.jit(maps, compiler_options=options)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each step's file by name, kept in checkpoints so that a resumed run recognises them."""
    return {path.name: _digest(path) for path in _files(folder)}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(user_files.read_bytes(path, array_file.LARGEST)).hexdigest()
    except OSError:
        return ""


def check(folder: Path, expected: Mapping[str, str], step: int) -> None:
    """Checks the files of a resumed run, and reports missing ones, which cannot be made again.

    Args:
        folder: folder of the files.
        expected: their `digests` at the checkpoint.
        step: step of the checkpoint.

    Raises:
        UserError: one is damaged.
    """
    present = digests(folder)
    for name, digest in expected.items():
        if name not in present:
            say(f"note: {folder / name} is not there: the run goes on from step {step}, and the report lacks it")
        elif present[name] != digest:
            raise UserError(f"{folder / name} is damaged: put back a copy, or delete it to go on without it")


def _files(folder: Path) -> list[Path]:
    """The files of the snapshots, by ascending step."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    steps = sorted(int(name[:-4]) for name in names if re.fullmatch(r"(0|[1-9][0-9]*)\.npz", name))
    return [folder / f"{step}.npz" for step in steps]


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[int, dict[str, np.ndarray]]]:
    """The photos (`image`, `label`, `name`), and step -> arrays, ascending; both empty where there are none.

    Raises:
        UserError: a file is damaged, or the photos are missing.
    """
    photos = array_file.read(folder / _PHOTOS_FILE, "put back a copy, or, while the run goes on, start it again")
    steps = [int(path.stem) for path in _files(folder)]
    if steps and not photos:
        raise UserError(
            f"{folder / _PHOTOS_FILE} is missing: put back a copy, or, while the run goes on, start it again"
        )
    return photos, {
        step: array_file.read(folder / f"{step}.npz", "put back a copy, or delete it to show the run without that step")
        for step in steps
    }
