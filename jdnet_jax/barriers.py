"""Optimisation barriers that hold on CPUs, too.

What lies behind a barrier is computed after what lies before it, and from nothing else. The step has them in the
gradient of 1x1 convolutions (`models.pointwise`), between micro-batches, and around what is computed again
(`rematerialization`). For CPUs XLA drops them before it optimises: it then undoes the first, computes micro-batches
side by side, and keeps what was to be computed again; time or memory is lost. The pass that drops them is called
`cse_barrier_expander` (jax 0.10).

This module imports no JAX, as the flags must be set before JAX starts.
"""

from __future__ import annotations

from collections.abc import Mapping

_DISABLED = "--xla_disable_hlo_passes"


def xla_flags(environ: Mapping[str, str]) -> str:
    """The value of XLA_FLAGS with which barriers hold on CPUs.

    Args:
        environ: the environment; where it names passes to leave out itself, those stay.
    """
    given = environ.get("XLA_FLAGS", "")
    return given if _DISABLED in given else f"{given} {_DISABLED}=cse_barrier_expander".strip()
