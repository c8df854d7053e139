"""Eight fake devices, strict numerics and no accelerator for every test."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pathlib import Path

import jax
import pytest
from hypothesis import settings

# A first call compiles, so hypothesis must not time the examples; the same examples are drawn every time.
settings.register_profile("jdnet", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("jdnet")

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def grocery_folder() -> Path:
    """The real Grocery Store photos; skips where they are absent."""
    folder = SHARED_DATA / "grocery_store"
    if not folder.is_dir():
        pytest.skip(f"the Grocery Store photos are not at {folder}")
    return folder


@pytest.fixture
def strict_promotion():
    """Refuses implicit promotion of dtypes and of ranks."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield
