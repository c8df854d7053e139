"""The check that the loss terms of a config can compare the student with its teachers, from shapes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jdnet_jax.config import views
from jdnet_jax.config.defaults import acts
from jdnet_jax.config.routing import STUDENT
from jdnet_jax.learning import networks as networks_lib
from jdnet_jax.learning.networks import Network
from jdnet_jax.losses.alignment import grids_align
from jdnet_jax.models.outputs import Outputs
from jdnet_jax.process.errors import UserError


def check_alignment(config: ConfigDict, networks: Mapping[str, Network]) -> None:
    """Checks that the coupling terms can compare the student with each teacher, from shapes alone.

    Raises:
        UserError: a network with two inputs on data with one, an image size that a network cannot take or be evaluated
            at, a stage or a kind of head that a network lacks, or maps whose grids are not multiples of each other;
            names the key.
    """
    for network in networks.values():
        if network.module.input_spec.channels == 6 and config.dataset.view != views.BOTH:
            raise UserError(
                f"{networks_lib.config_key(network.name)} ({network.model}) takes the region of interest and its "
                f"context: set config.dataset.view={views.BOTH!r}, with a dataset that has masks"
            )
    outputs = {name: networks_lib.shapes(network)[0] for name, network in networks.items()}
    networks_lib.evaluated(config, networks)
    if acts(config.losses.distill) and len(networks) > 1 and outputs[STUDENT].distillation_logits is None:
        raise UserError(
            f"config.losses.distill needs a student with a distillation token, and {networks[STUDENT].model} has none: "
            "choose deit_tiny_distilled_patch16_224, say, or the recipe kd"
        )
    if acts(config.losses.similarity) or acts(config.losses.adversarial) or config.teacher_selection != "all":
        _check_blocks(config, networks)
    together = config.teacher_selection != "all"  # drawn or averaged teachers have no separate maps
    for teacher in (n for n, each in networks.items() if n != STUDENT and (each.trainable or not together)):
        if acts(config.losses.mskd):
            for stage in config.losses.mskd.options.stages:
                _check_stage(stage, networks[STUDENT], networks[teacher])
                if config.losses.mskd.options.variant != "logits":  # its heads pool each grid to a point
                    _check_grids(stage, networks[STUDENT], networks[teacher], outputs)
        if acts(config.losses.ial):
            if config.losses.ial.options.variant == "classes":
                _check_heads((networks[STUDENT], networks[teacher]), outputs)
            labels = jax.ShapeDtypeStruct((1,), jnp.int32)
            maps = [jax.eval_shape(Outputs.activation, outputs[n], labels).shape[1:] for n in (STUDENT, teacher)]
            if not grids_align(*maps):
                raise UserError(
                    f"config.losses.ial: activation maps of student {_grid(maps[0])} and {teacher} {_grid(maps[1])} "
                    f"do not align at {_sizes(networks[STUDENT], networks[teacher])}"
                )


def _check_heads(networks: Sequence[Network], outputs: Mapping[str, Outputs]) -> None:
    """Checks that each network's head is average pooling and one linear layer, as IAL's variant `classes` needs."""
    for network in networks:
        if outputs[network.name].maps is None:
            raise UserError(
                "config.losses.ial.options.variant 'classes' needs heads of averaged feature maps and one linear "
                f"layer, and {network.name} ({network.model}) has another: choose 'l2', say"
            )


def _check_blocks(config: ConfigDict, networks: Mapping[str, Network]) -> None:
    """Checks that the student and each frozen teacher have as many blocks as config.blocks.lengths has entries."""
    frozen = [network for network in networks.values() if not network.trainable]
    lengths = config.blocks.lengths
    if not lengths or not frozen:
        return
    student = networks[STUDENT]
    for network in (student, *frozen):
        count = len(network.module.stages)
        chosen = tuple(config.blocks.stages.get(network.name, range(count)))
        wrong = [stage for stage in chosen if stage >= count]
        if wrong:
            raise UserError(
                f"config.blocks.stages.{network.name}: stage {wrong[0]} does not exist in {network.model}, which has "
                f"stages 0 to {count - 1}"
            )
        if len(chosen) != len(lengths):
            other = frozen[0] if network is student else student
            raise UserError(
                f"config.blocks: {_blocks(config, network)}, {_blocks(config, other)}, and config.blocks.lengths asks "
                f"for {len(lengths)} beside the logits: choose as many with config.blocks.stages.{network.name} or "
                "change the lengths"
            )


def _blocks(config: ConfigDict, network: Network) -> str:
    """The number of blocks of a network before its logits, in words."""
    stages = network.module.stages
    chosen = [stages[i] for i in config.blocks.stages.get(network.name, range(len(stages)))]
    names = ", ".join(f"{stage.name} at stride {stage.stride}" for stage in chosen)
    return f"{network.name} ({network.model}) has {len(chosen)} blocks ({names})"


def _check_stage(stage: int, student: Network, teacher: Network) -> None:
    for network in (student, teacher):
        count = len(network.module.stages)
        if not -count <= stage < count:
            raise UserError(
                f"config.losses.mskd.options.stages: stage {stage} does not exist in {network.name} ({network.model}), "
                f"which has stages 0 to {count - 1} (-1 is the deepest)"
            )


def _check_grids(stage: int, student: Network, teacher: Network, outputs: Mapping[str, Outputs]) -> None:
    grids = [outputs[n.name].stages[stage].shape[1:3] for n in (student, teacher)]
    if not grids_align(*grids):
        raise UserError(
            f"config.losses.mskd.options.stages: stage {stage} is {_grid(grids[0])} in the student ({student.model}) "
            f"and {_grid(grids[1])} in "
            f"{teacher.name} ({teacher.model}) at {_sizes(student, teacher)}"
        )


def _sizes(student: Network, teacher: Network) -> str:
    for network in (student, teacher):
        stride = network.module.stages[-1].stride
        if 32 % stride:  # patches of 14 pixels
            return (
                f"{student.image_size} and {teacher.image_size} pixels: choose a multiple of 32 as config.image_size, "
                f"and {stride}/16 of it as config.resolutions.{network.name}"
            )
    if student.image_size == teacher.image_size:
        return f"config.image_size = {student.image_size}: choose a multiple of 32"
    return (
        f"config.resolutions of {student.image_size} and {teacher.image_size} pixels: choose a multiple of 32 and a "
        "whole multiple of that"
    )


def _grid(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
