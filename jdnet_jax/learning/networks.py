"""The networks of a run: built from the config, checked against each other, initialised or loaded."""

from __future__ import annotations

import contextlib
import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict

from jdnet_jax import handoff, losses, models
from jdnet_jax.config import views
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.config.routing import ENSEMBLE, STUDENT
from jdnet_jax.handoff import class_names as class_names_lib
from jdnet_jax.handoff import sums
from jdnet_jax.learning import branches
from jdnet_jax.learning.devices import DATA_AXIS
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models import initialization, lowering, position_embedding
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.process.errors import UserError

Variables = Mapping[str, PyTree]


@dataclass(frozen=True)
class Network:
    """A network and how it takes part in the run.

    Attributes:
        name: `student`, or the teacher's name in the config.
        model: its name in the zoo.
        options: of the model.
        init: `random`, `imagenet`, a weights file, a repository of the Hugging Face hub, or a hand-off directory; of
            a network with branches also such a source for each, by the branch's name.
        trainable: whether the step updates it. A frozen network runs in evaluation mode.
        module: the Flax module.
        image_size: side in pixels of the images that it takes, at most that of the batch's.
    """

    name: str
    model: str
    options: Mapping[str, Any]
    init: str | Mapping[str, str]
    trainable: bool
    module: Any
    image_size: int

    def prepare(self, batch: Mapping[str, Array | np.ndarray]) -> Float[Array, "batch size size channels"]:
        """A batch's images as this network takes them, float32: at its own size, with its own mean and deviation.

        They are shrunk bilinearly with antialiasing, as the pipeline shrinks photos. Which of the batch's arrays they
        are, `views.images_for` says.
        """
        images = jnp.asarray(views.images_for(self.module.input_spec.channels, batch), jnp.float32)
        if images.shape[1] != self.image_size:
            shape = (images.shape[0], self.image_size, self.image_size, images.shape[-1])
            images = jax.image.resize(images, shape, "bilinear", antialias=True)
        spec = self.module.input_spec
        return (images - np.float32(spec.mean)) / np.float32(spec.std)


def build(config: ConfigDict, num_classes: int) -> dict[str, Network]:
    """All networks of the config, the student first.

    Raises:
        UserError: unknown model or option; names the config key.
    """
    entries = {STUDENT: (config.student, True)}
    entries.update({name: (entry, bool(entry.trainable)) for name, entry in config.teachers.items()})
    networks = {}
    for name, (entry, trainable) in entries.items():
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.options.to_dict().items()}
        try:
            module = models.create(
                entry.model,
                num_classes,
                dtype=jnp.dtype(config.compute_dtype),
                axis_name=DATA_AXIS if config.sync_batch_norm else None,
                data_axis=DATA_AXIS,
                **options,
            )
        except UserError as error:
            raise UserError(f"{config_key(name)}: {error}") from error
        size = config.resolutions.get(name, 0) or config.image_size
        init = entry.init if isinstance(entry.init, str) else entry.init.to_dict()
        networks[name] = Network(name, entry.model, options, init, trainable, module, size)
    return networks


def evaluated(config: ConfigDict, networks: Mapping[str, Network]) -> dict[str, Network]:
    """The networks as they are evaluated: at `config.eval_image_size`, their own resolutions scaled alike.

    Raises:
        UserError: a network's parameters depend on the size of its images.
    """
    size = eval_image_size(config)
    if size == config.image_size:
        return dict(networks)
    found = {}
    for name, network in networks.items():
        found[name] = dataclasses.replace(network, image_size=round(network.image_size * size / config.image_size))
        if _shape_tree(shapes(found[name])[1]) != _shape_tree(shapes(network)[1]):
            raise UserError(
                f"config.eval_image_size is {size}, and {config_key(name)} ({network.model}) has parameters of the "
                f"shape that config.image_size = {config.image_size} gives them, such as positional embeddings: set it "
                "to 0"
            )
    return found


def config_key(name: str) -> str:
    """Where the config describes a network."""
    return f"config.{name}" if name == STUDENT else f"config.teachers.{name}"


def objective(
    config: ConfigDict, networks: Mapping[str, Network], steps: int, class_weights: tuple[float, ...] = ()
) -> tuple[losses.Term, ...]:
    """The config's loss terms over these networks; `class_weights` are cross-entropy's, see there."""
    return losses.build(
        {name: entry.to_dict() for name, entry in config.losses.items()},
        {name: network.trainable for name, network in networks.items()},
        steps,
        dtype=jnp.dtype(config.compute_dtype),
        axis_name=DATA_AXIS if config.sync_batch_norm else None,
        selection=config.teacher_selection,
        readers=readers(config, networks),
        class_weights=class_weights,
    )


def readers(config: ConfigDict, networks: Iterable[str]) -> dict[str, BlockReader]:
    """What reads the blocks of each network, and those of the frozen teachers where they stand together."""
    lengths, pool, stages = tuple(config.blocks.lengths), config.blocks.pool, config.blocks.stages
    of_networks = {n: BlockReader(lengths, pool, tuple(stages[n]) if n in stages else None) for n in networks}
    return {**of_networks, ENSEMBLE: BlockReader(lengths, pool)}


def shapes(network: Network) -> tuple[Outputs, Variables]:
    """Shapes of a network's outputs and variables; nothing is allocated or computed.

    Raises:
        UserError: the network cannot take images of its size.
    """
    try:
        return initialization.shapes(network.module, network.image_size)
    except UserError as error:
        raise UserError(f"{config_key(network.name)} ({network.model}): {error}") from error


def head(network: Network) -> frozenset[tuple[str, ...]]:
    """Where in the tree of parameters those of the classifier are: all whose shape depends on the number of classes."""
    longer = dataclasses.replace(network, module=network.module.clone(num_classes=network.module.num_classes + 1))
    own, other = (flax.traverse_util.flatten_dict(shapes(one)[1]["params"]) for one in (network, longer))
    return frozenset(path for path, leaf in own.items() if leaf.shape != other[path].shape)


def check_weights(networks: Mapping[str, Network]) -> None:
    """Checks that each network's `init` names weights that exist; nothing is read from them yet.

    Raises:
        UserError: names the config key, and what a source may be.
    """
    for network in networks.values():
        if not isinstance(network.init, str):
            with _named(network):
                branches.check(network.model, network.init, network.options)
                if not network.trainable:
                    raise UserError("weights of its branches do not make a frozen teacher: train it, name its workdir")
            continue
        if network.init == "random" or handoff.is_handoff(network.init):
            continue
        with _named(network):
            models.check_weights(network.model, network.init)


def check_frozen_teachers(networks: Mapping[str, Network], class_names: Sequence[str], view: str) -> None:
    """Checks that frozen teachers that earlier runs trained know the run's classes, and see of a photo what it shows.

    Args:
        networks: of the run.
        class_names: of its data, in the order of the labels.
        view: of its data, one of `views.VIEWS`.

    Raises:
        UserError: a teacher was trained on other classes, on the same ones in another order, or on another view.
    """
    for network in networks.values():
        folder = handoff.find(Path(network.init)) if isinstance(network.init, str) and network.init else None
        if network.trainable or folder is None:
            continue
        card = sums.checked_card(folder)
        with _named(network):
            class_names_lib.check(tuple(class_names), card.classes, "the run's data")
            # `views.images_for`: of a photo in two parts a network of three channels is shown the whole.
            shown = views.PHOTO if view == views.BOTH and network.module.input_spec.channels == 3 else view
            if card.view != shown:
                raise UserError(f"{network.init} was trained on the view {card.view!r} and is shown {shown!r} here")


@contextlib.contextmanager
def _named(network: Network) -> Iterator[None]:
    """Puts the network's config key before a message about its weights."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{config_key(network.name)}.init: {error}") from error


def initialize(network: Network, seed: int, num_classes: int) -> Variables:
    """Parameters and batch statistics, float32: fresh, or loaded from where the network's `init` says.

    Fresh values are a function of the seed and the network's name alone, so that the student of a control starts where
    JDNet's does.

    Raises:
        UserError: weights that do not exist or do not fit the model.
    """
    own_seed = zlib.crc32(f"{seed} {network.name}".encode()) & 0x7FFFFFFF
    key = jax.random.key(own_seed)
    if network.init == "random":
        return _fresh(network, key)
    if not isinstance(network.init, str):
        with _named(network):
            return branches.load(network.model, network.init, network.options, _fresh(network, key), network.image_size)
    with _named(network):
        if handoff.is_handoff(network.init):
            return _from_handoff(network, num_classes)
        variables = models.load_pretrained(
            network.model,
            network.init,
            num_classes,
            image_size=network.image_size,
            seed=own_seed,
            fresh_classifier=network.trainable,
            **network.options,
        )
    logging.info("%s: weights of %s loaded from %s", network.name, network.model, network.init)
    return variables


def _fresh(network: Network, key: Array) -> Variables:
    variables = initialization.draw(network.module, network.image_size, key)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


def _from_handoff(network: Network, num_classes: int) -> Variables:
    variables, card = handoff.load(str(network.init), model=network.model, num_classes=num_classes)
    own, expected = variables["params"], shapes(network)[1]["params"]
    if position_embedding.NAME in own and position_embedding.NAME in expected:
        shape = expected[position_embedding.NAME].shape
        resized = position_embedding.fit(own[position_embedding.NAME], shape, len(network.module.tokens), network.model)
        variables = {**variables, "params": {**own, position_embedding.NAME: resized}}
    if not fits(network, variables):
        raise UserError(
            f"{network.init} holds {network.model} with options {dict(card.options)}, of other shapes "
            f"than the options {dict(network.options)} of {network.name}: give it the same options"
        )
    return variables


def fits(network: Network, variables: Variables) -> bool:
    """Whether the names and shapes of variables are those of the network."""
    return _shape_tree(variables) == _shape_tree({"batch_stats": {}, **shapes(network)[1]})


def run_once(function: Callable[..., PyTree], *arguments: PyTree) -> PyTree:
    """`jax.jit(function)(*arguments)`, compiled for a short compilation rather than a fast run.

    Many small draws or arrays of zeros in one program take LLVM long to optimise well on a CPU; code that is not
    optimised at all would draw to other last bits. Where only shapes are asked for, nothing is compiled.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return function(*arguments)
    quick = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}
    options = quick if lowering.on_cpu() else None
    return jax.jit(function, compiler_options=options)(*arguments)


def introduction(networks: Mapping[str, Network], params: Mapping[str, PyTree], image_size: int) -> list[str]:
    """A line on each network, for the person who waits: its model, size, weights and what it sees.

    Args:
        networks: of the run.
        params: of each network.
        image_size: of the run, in pixels.
    """
    counts = {name: parameter_count(params[name]) for name in networks}
    lines = []
    for name, network in networks.items():
        ratio = "" if name == STUDENT else f", {counts[name] / counts[STUDENT]:.1f}x the student"
        kind = "" if network.trainable else ", frozen"
        if network.image_size != image_size:
            kind += f", at {network.image_size} px"
        size = f"{counts[name] / 1e6:.2f} M parameters{ratio}"
        lines.append(f"{name}: {network.model}, {size}, from {network.init}{kind}")
    return lines


def _shape_tree(variables: Variables) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(dict(variables))
    return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in leaves}


def parameter_count(params: PyTree) -> int:
    """How many numbers the parameters hold."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
