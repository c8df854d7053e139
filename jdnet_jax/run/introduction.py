"""The introduction of a run, printed before its first step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from absl import logging
from clu import parameter_overview
from ml_collections import ConfigDict

from jdnet_jax.config.defaults import eval_image_size
from jdnet_jax.data import Dataset
from jdnet_jax.data.wording import counted
from jdnet_jax.figures.imbalance import ADVICE, Imbalance
from jdnet_jax.learning import advice, networks
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.state import TrainState


def lines(
    config: ConfigDict,
    dataset: Dataset,
    parts: Assembly,
    state: TrainState,
    workdir: Path,
    imbalance: Imbalance | None = None,
) -> Iterator[str]:
    """The lines on networks, data, initial weights, length and devices; the log gets every parameter.

    Args:
        config: config of the run.
        dataset: dataset of the run.
        parts: the assembled run.
        state: the state at the run's beginning, or where it goes on.
        workdir: workdir of the run.
        imbalance: imbalance of the classes; None where it is not known.
    """
    yield f"{config.recipe} on {dataset.name}: {dataset.protocol}"
    if dataset.unlabelled:
        yield dataset.unlabelled.protocol
    sampling, weighing = config.dataset.balance, config.losses.ce.options.balance
    if sampling or weighing:
        done = "sampled more often" if sampling else "weighted more in cross-entropy"
        key = "dataset.balance" if sampling else "losses.ce.options.balance"
        told = f"; {imbalance}" if imbalance is not None else ""
        yield f"photos of small classes are {done} (config.{key} = {sampling or weighing:g}){told}"
    elif imbalance is not None and imbalance.matters:
        yield f"imbalance: {imbalance}; {ADVICE}"
    yield from networks.introduction(parts.networks, state.params, config.image_size)
    yield from advice.lines(config.recipe, parts.networks, state.params)
    for name in parts.networks:
        overview = parameter_overview.get_parameter_overview(state.params[name], include_stats=False)
        logging.info("%s\n%s", name, overview)
    first, steps = int(state.step), parts.steps
    start = f"continuing after step {first} of {steps}" if first else counted(steps, "step")
    size, shown = config.image_size, eval_image_size(config)
    pixels = f"{size} px" + (f", evaluated at {shown}" if shown != size else "")
    yield f"{start}, batch {config.batch_size}, {pixels}; workdir {workdir}"
