"""What XLA is told before JAX starts, all of it for CPUs.

**Barriers hold.** What lies behind an optimisation barrier is computed after what lies before it, from nothing else.
The step has them in the gradient of 1x1 convolutions (`models.pointwise`), between micro-batches, and around what is
computed again (`rematerialization`). For CPUs XLA drops them before it optimises: it then undoes the first, computes
micro-batches side by side, and keeps what was to be computed again; time or memory is lost. The pass that drops them is
called `cse_barrier_expander` (jax 0.10).

**Convolutions are Eigen's.** XLA gives convolutions to YNNPACK, whose kernels for 3x3 take one and a half times as long
as Eigen's, which XLA has as well (jaxlib 0.10.2 on an Intel Xeon with AVX-512; `tests/benchmarks/STEP.md`). An XLA that
does not know a flag or its value ends the process, so this one is given only to the versions that it was tried with.

This module imports no JAX, as the flags must be set before JAX starts.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

BARRIERS_HOLD = "--xla_disable_hlo_passes=cse_barrier_expander"
EIGEN_CONVOLUTIONS = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
_TRIED = "0.10."  # jaxlib


def flags(environ: Mapping[str, str], jaxlib: str | None = None) -> str:
    """The value of XLA_FLAGS.

    Args:
        environ: the environment; a flag that it gives itself stays as it is.
        jaxlib: its version; None for that of the one that is installed.
    """
    given = environ.get("XLA_FLAGS", "")
    wanted = [BARRIERS_HOLD]
    if (jaxlib or importlib.metadata.version("jaxlib")).startswith(_TRIED):
        wanted.append(EIGEN_CONVOLUTIONS)
    return " ".join([given, *(flag for flag in wanted if flag.partition("=")[0] not in given)]).strip()
