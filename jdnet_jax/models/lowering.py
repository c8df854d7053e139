"""Lowering of layers to XLA's operations: in the fastest form, or as one operation for each layer.

Training wants the first, and has special forms for the CPU. A converter to another format needs the second: it
recognises a layer by its operation, and would keep a convolution that is written out as shifted multiply-adds so.

Which form is fastest depends on the platform that the program is compiled for, which may differ from the tracing one:
only this module decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import jax

ANY = "any"  # of a program that is compiled for several platforms

_PLAIN = ContextVar("plain", default=False)
_PLATFORM: ContextVar[str | None] = ContextVar("platform", default=None)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """A context in which each layer is traced as one operation.

    Trace a new function inside, because `jax.jit` does not trace a function again.
    """
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def is_plain() -> bool:
    """Whether layers are to be one operation each."""
    return _PLAIN.get()


@contextlib.contextmanager
def for_platform(name: str) -> Iterator[None]:
    """A context in which traced functions are compiled for a platform other than JAX's default.

    Trace a new function inside, as for `plain`.

    Args:
        name: a value of `jax.Device.platform` (`cpu`, `gpu` or `tpu`), or `ANY`.
    """
    token = _PLATFORM.set(name)
    try:
        yield
    finally:
        _PLATFORM.reset(token)


def platform() -> str:
    """The platform that the current trace is compiled for."""
    return _PLATFORM.get() or jax.default_backend()


def on_cpu() -> bool:
    """Whether the current trace is compiled for CPUs only."""
    return platform() == "cpu"


def on_gpu() -> bool:
    """Whether the current trace is compiled for GPUs only."""
    return platform() in ("gpu", "cuda", "rocm")


def on_tpu() -> bool:
    """Whether the current trace is compiled for TPUs only."""
    return platform() == "tpu"


def cpu_forms() -> bool:
    """Whether layers use the special forms for CPUs."""
    return on_cpu() and not is_plain()
