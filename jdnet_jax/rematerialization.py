"""Rematerialization: the backward pass has each block's input and computes what is inside the block again.

Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv 1604.06174. Less memory for at
most one more forward pass; the mathematics is the same.

This module imports JAX and Flax when they are needed, so that a command can ask for `XLA_FLAGS` before JAX starts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flax import linen as nn

_DISABLED = "--xla_disable_hlo_passes"


def xla_flags(environ: Mapping[str, str]) -> str:
    """The value of XLA_FLAGS with which CPUs, too, compute blocks again.

    For CPUs XLA drops the barriers around what is computed again, sees that it was computed before, and keeps that
    instead: nothing is gained. The pass that drops them is called `cse_barrier_expander` (jax 0.10).

    Args:
        environ: the environment; where it names passes to leave out itself, those stay.
    """
    given = environ.get("XLA_FLAGS", "")
    return given if _DISABLED in given else f"{given} {_DISABLED}=cse_barrier_expander".strip()


@contextlib.contextmanager
def of_blocks() -> Iterator[None]:
    """Networks of the zoo that are called in this context compute their blocks again in the backward pass.

    A block is a module that a network (a module with `stages`) calls by itself: a residual block, a layer of a dense
    block or of a transformer, the stem. A network inside another one, such as a branch of RveRNet, is none.
    """
    from flax import linen as nn

    within = False

    def call(following: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        nonlocal within
        if within or context.method_name != "__call__" or not _is_block(context.module):
            return following(*args, **kwargs)
        within = True
        try:
            # `kwargs` hold `train`, which must stay a Python value.
            return nn.remat(lambda module, *inputs: module(*inputs, **kwargs))(context.module, *args)
        finally:
            within = False

    with nn.intercept_methods(call):
        yield


def _is_block(module: nn.Module) -> bool:
    return _is_network(module.parent) and not _is_network(module)


def _is_network(module: Any) -> bool:
    return hasattr(type(module), "stages")
