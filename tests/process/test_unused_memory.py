import ctypes
import sys

import pytest

from jdnet_jax.benchmark import memory
from jdnet_jax.process import unused_memory

BLOCK, COUNT = 64 * 1024, 2000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_freed_memory_is_given_back():
    """Blocks below one that is still held, which keeps the heap from shrinking by itself."""
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(BLOCK) for _ in range(COUNT)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    for block in blocks[:-1]:
        libc.free(block)
    held = memory.resident()
    unused_memory.give_back()
    assert memory.resident() < held - 0.9 * BLOCK * COUNT
    libc.free(blocks[-1])


def test_elsewhere_it_does_no_harm(monkeypatch):
    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr(unused_memory.ctypes, "CDLL", no_library)
    unused_memory.give_back()
