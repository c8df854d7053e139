"""The networks of a run, built from the config; `initial_weights` has their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict

from jdnet_jax import losses, models
from jdnet_jax.config import views
from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.config.recipes import TRAINED_BEFORE
from jdnet_jax.config.routing import ENSEMBLE, STUDENT
from jdnet_jax.learning.devices import DATA_AXIS
from jdnet_jax.losses.blocks import BlockReader
from jdnet_jax.models import initialization, lowering
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.process.errors import UserError

Variables = Mapping[str, PyTree]


@dataclass(frozen=True)
class Network:
    """A network and how it takes part in the run.

    Attributes:
        name: `student`, or the teacher's name in the config.
        model: its name in the zoo.
        options: options of the model.
        init: `random`, `imagenet`, a weights file, a repository of the Hugging Face hub, or a hand-off directory; of
            a network with branches also such a source for each, by the branch's name.
        trainable: whether the step updates it. A frozen network runs in evaluation mode.
        module: the Flax module.
        image_size: side of its input images in pixels, at most the batch's.
        fresh_classifier: whether weights without a classifier for the run's classes get one that starts at random; not
            where the recipe needs the network trained.
    """

    name: str
    model: str
    options: Mapping[str, Any]
    init: str | Mapping[str, str]
    trainable: bool
    module: Any
    image_size: int
    fresh_classifier: bool = False

    def prepare(self, batch: Mapping[str, Array | np.ndarray]) -> Float[Array, "batch size size channels"]:
        """A batch's images as this network takes them, float32: at the network's size, with its mean and deviation.

        They are shrunk bilinearly with antialiasing, as the pipeline shrinks photos. `views.images_for` chooses the
        batch's arrays.
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
        fresh = name == STUDENT or (trainable and config.recipe not in TRAINED_BEFORE)
        networks[name] = Network(name, entry.model, options, init, trainable, module, size, fresh)
    return networks


def evaluated(config: ConfigDict, networks: Mapping[str, Network]) -> dict[str, Network]:
    """The networks as they are evaluated: at `config.eval_image_size`, with separate resolutions scaled alike.

    Raises:
        UserError: a network's parameters depend on the size of its images.
    """
    size = eval_image_size(config)
    if size == config.image_size:
        return dict(networks)
    resized = {}
    for name, network in networks.items():
        resized[name] = dataclasses.replace(network, image_size=round(network.image_size * size / config.image_size))
        if _shape_tree(shapes(resized[name])[1]) != _shape_tree(shapes(network)[1]):
            raise UserError(
                f"config.eval_image_size is {size}, and {config_key(name)} ({network.model}) has parameters of the "
                f"shape that config.image_size = {config.image_size} gives them, such as positional embeddings: set it "
                "to 0"
            )
    return resized


def config_key(name: str) -> str:
    """The config key of a network."""
    return f"config.{name}" if name == STUDENT else f"config.teachers.{name}"


def objective(
    config: ConfigDict, networks: Mapping[str, Network], steps: int, class_weights: tuple[float, ...] = ()
) -> tuple[losses.Term, ...]:
    """The config's loss terms over these networks; `class_weights` are those of cross-entropy."""
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
    """The block reader of each network, and of the frozen teachers' ensemble if there is one."""
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
    """The paths of the classifier's parameters: all whose shape depends on the number of classes."""
    longer = dataclasses.replace(network, module=network.module.clone(num_classes=network.module.num_classes + 1))
    leaves, other = (flax.traverse_util.flatten_dict(shapes(one)[1]["params"]) for one in (network, longer))
    return frozenset(path for path, leaf in leaves.items() if leaf.shape != other[path].shape)


def fits(network: Network, variables: Variables) -> bool:
    """Whether variables have the names and shapes of the network's."""
    return _shape_tree(variables) == _shape_tree({"batch_stats": {}, **shapes(network)[1]})


def run_once(function: Callable[..., PyTree], *arguments: PyTree) -> PyTree:
    """`jax.jit(function)(*arguments)`, compiled quickly rather than for a fast run.

    Many small draws or arrays of zeros in one program take LLVM long to optimise on a CPU; with no optimisation at all
    the draws differ in their last bits. While only shapes are traced, nothing is compiled.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arguments)):
        return function(*arguments)
    quick = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}
    options = quick if lowering.on_cpu() else None
    return jax.jit(function, compiler_options=options)(*arguments)


def introduction(networks: Mapping[str, Network], params: Mapping[str, PyTree], image_size: int) -> list[str]:
    """A line for the user on each network: model, number of parameters, initial weights, and another image size.

    Args:
        networks: networks of the run.
        params: network name -> its parameters.
        image_size: the run's image size in pixels.
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
    """The number of parameters."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
