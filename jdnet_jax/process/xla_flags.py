"""XLA's flags for CPUs, to be set before JAX starts.

**Barriers are kept.** Operations after an optimisation barrier are computed after those before it, and only from
these. The step has them in the gradient of 1x1 convolutions (`models.pointwise`), between micro-batches, and around
what is computed again (`rematerialization`). For CPUs XLA drops them before it optimises: it then undoes the first,
computes micro-batches side by side, and keeps what was to be computed again; time or memory is lost. The pass that
drops them is called `cse_barrier_expander` (jax 0.10). For GPUs the pass of that name comes late, and a program with
barriers cannot be emitted, so there the flag would break such programs.

**Convolutions are Eigen's.** XLA gives convolutions to YNNPACK, whose kernels for 3x3 take one and a half times as long
as Eigen's, which XLA has as well (jaxlib 0.10.2 on an Intel Xeon with AVX-512; `tests/benchmarks/STEP.md`). An XLA that
does not know a flag or its value ends the process, so this one is set only for the versions that it was tested with:
on 0.10.2, 0.11.2 and 0.12.0.1 convolutions go to YNNPACK without it and stay Eigen's with it.

This module imports no JAX, as the flags must be set before JAX starts.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping

BARRIERS_HOLD = "--xla_disable_hlo_passes=cse_barrier_expander"
EIGEN_CONVOLUTIONS = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
TRIED = ("0.10.", "0.11.", "0.12.")  # the versions of jaxlib whose experimental flags are known


def flags(environ: Mapping[str, str], jaxlib: str | None = None, *, accelerators: bool | None = None) -> str:
    """The value of XLA_FLAGS.

    Args:
        environ: the environment; a flag that it already sets stays as it is.
        jaxlib: version of jaxlib; None for the installed one.
        accelerators: whether JAX could use anything but CPUs; None for what is installed here.
    """
    current = environ.get("XLA_FLAGS", "")
    platforms = environ.get("JAX_PLATFORMS", "")
    cpu = platforms == "cpu" if platforms else not (_has_plugin() if accelerators is None else accelerators)
    if not cpu:
        return current
    wanted = [BARRIERS_HOLD]
    if (jaxlib or importlib.metadata.version("jaxlib")).startswith(TRIED):
        wanted.append(EIGEN_CONVOLUTIONS)
    return " ".join([current, *(flag for flag in wanted if flag.partition("=")[0] not in current)]).strip()


def _has_plugin() -> bool:
    """Whether a JAX plugin for a GPU or TPU is installed, even if there is no such device."""
    modules = any(importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))
    return modules or bool(importlib.metadata.entry_points(group="jax_plugins"))
