"""Exact evaluation: the mapped steps run over a whole split, every example counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, PyTree

from jdnet_jax.figures.classification import Result
from jdnet_jax.learning.devices import split
from jdnet_jax.process.errors import UserError


def evaluate(
    step: Callable[..., Any], variables: Mapping[str, PyTree], batches: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, Result]:
    """Runs the mapped evaluation step over all batches and sums its counts.

    Args:
        step: `devices.mapped(step.eval_step(networks))`.
        variables: network name -> its variables.
        batches: this process's share of each padded batch (`image`, `label`, `mask`; `context` where there is one).

    Returns:
        the result of each network, and of `ensemble` where the step counts it.
    """
    totals: dict[str, Any] = {}
    pending = None
    for batch in batches:
        sums = step(variables, _split(batch))
        # Adding the counts of the batch before lets the device work on this one meanwhile.
        _add(totals, pending)
        pending = sums
    _add(totals, pending)
    count = int(totals["count"])
    counted = (key.removesuffix("/top5") for key in totals if key.endswith("/top5"))
    return {
        name: Result(totals[f"{name}/confusion"], int(totals[f"{name}/top5"]), float(totals[f"{name}/loss"]) / count)
        for name in dict.fromkeys([*variables, *counted])
    }


def logits(
    step: Callable[..., Any], variables: PyTree, batches: Iterable[Mapping[str, np.ndarray]]
) -> tuple[Float[np.ndarray, "n classes"], Int[np.ndarray, " n"]]:
    """The logits of every example and its label, in the order of the split; padding is left out.

    Args:
        step: `devices.mapped(step.logits_step(network))`.
        variables: variables of the network.
        batches: as for `evaluate`.
    """
    parts = [{key: np.asarray(rows) for key, rows in step(variables, _split(batch)).items()} for batch in batches]
    kept = [(part["logits"][part["mask"]], part["label"][part["mask"]]) for part in parts]
    return np.concatenate([rows for rows, _ in kept]), np.concatenate([rows for _, rows in kept])


def _split(batch: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    if (batch["label"][batch["mask"]] < 0).any():
        raise UserError("photos without a label (-1) cannot be scored: choose another split (config.dataset.splits)")
    return split({key: batch[key] for key in ("image", "context", "label", "mask") if key in batch})


def _add(totals: dict[str, Any], sums: Mapping[str, Any] | None) -> None:
    for key, value in (sums or {}).items():
        kind = np.float64 if key.endswith("/loss") else np.int64
        totals[key] = totals.get(key, 0) + np.asarray(value, kind)
