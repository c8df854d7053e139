"""Rematerialization: the backward pass has each block's input and computes what is inside the block again.

Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv 1604.06174. Less memory for at
most one more forward pass; the mathematics is the same. On CPUs see `xla_flags`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from flax import linen as nn


@contextlib.contextmanager
def of_blocks() -> Iterator[None]:
    """Networks of the zoo that are called in this context compute their blocks again in the backward pass.

    A block is a module that a network (a module with `stages`) calls by itself: a residual block, a layer of a dense
    block or of a transformer, the stem. A network inside another one, such as a branch of RveRNet, is not a block.
    """
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
