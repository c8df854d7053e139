"""Parallel work on many files in threads: decoders release Python's lock."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """Results of `function` in the order of `items`, computed at most two per thread ahead of the one asked for.

    The executor's `map` starts on everything at once, so that its results, such as whole photos, fill the memory if
    they are used more slowly than they are made.

    Args:
        function: called from several threads.
        items: its arguments.
        threads: number of threads; None for one per core.
    """
    threads = threads or os.cpu_count() or 1
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        ahead = collections.deque(pool.submit(function, item) for item in itertools.islice(items, 2 * threads))
        try:
            while ahead:
                result = ahead.popleft().result()
                ahead.extend(pool.submit(function, item) for item in itertools.islice(items, 1))
                yield result
        finally:
            for future in ahead:
                future.cancel()
