"""Eight fake devices, no accelerator, and one cache of compiled steps for every test and the commands it starts."""

import collections
import functools
import gc
import importlib.metadata
import os
import tempfile

from jdnet_jax.process import xla_flags

# Tests compile far more than they compute, so LLVM is told to optimise as little as it can.
QUICK_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if importlib.metadata.version("jaxlib").startswith("0.10."):
    # A quarter of the time that is left: XLA's older emitters, which jaxlib 0.12 no longer has, write less code, and
    # LLVM gets it as one module.
    QUICK_COMPILATION += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
OURS = {"XLA_FLAGS": f"--xla_force_host_platform_device_count=8 {QUICK_COMPILATION}"}
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", xla_flags.flags({**os.environ, **OURS}))  # with what every command asks for
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Many tests compile the same step; compiling is most of what they cost.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="jdnet-jax-tests-"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")

from pathlib import Path

import flax.linen as nn
import jax
import optax
import pytest
from hypothesis import settings

# A first call compiles, so hypothesis must not time the examples; the same examples are drawn every time.
settings.register_profile("jdnet", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("jdnet")

pytest_plugins = ["tests.browser"]

_MAPS = Path("/proc/self/maps")  # on Linux
SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def pytest_pycollect_makemodule():
    """Imports TensorFlow and the like before a module of tests does.

    jaxtyping's import hook gives another name to the bytecode of all that a checked module imports, so that these 3,000
    modules would be compiled from their source in each process.
    """
    import scipy.stats  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_datasets  # noqa: F401
    from clu import metric_writers  # noqa: F401


def pytest_collection_modifyitems(items):
    """Modules with slow tests come first, so that workers that take a module each end at about the same time."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_collection_finish():
    """What was imported stays: without this each collection of garbage looks through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def grocery_folder() -> Path:
    """The real Grocery Store photos; skips where they are absent."""
    folder = SHARED_DATA / "grocery_store"
    if not folder.is_dir():
        pytest.skip(f"the Grocery Store photos are not at {folder}")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_steps():
    """Compiled functions hold memory maps, of which Linux gives a process 65,530; the whole suite would need more.

    Modules share hundreds of small ones, so they are forgotten where there are many, and not after each module.
    """
    yield
    if _many_maps():
        gc.collect()  # a second's work in a process that has run for long
        if _many_maps():
            jax.clear_caches()


def _many_maps() -> bool:
    return not _MAPS.exists() or _MAPS.read_bytes().count(b"\n") > 16_000


def _promoting(function):
    """A function of a library that promotes dtypes."""

    @functools.wraps(function)
    def promoting(*args, **kwargs):
        with jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return promoting


def _made_promoting(make):
    """A library's function that makes such a function."""
    return lambda *args, **kwargs: _promoting(make(*args, **kwargs))


# Optax's Adam raises a float to the power of an integer, and its schedules compare the two; Flax's layer normalisation
# takes float32 statistics of bfloat16, and its average pooling divides by a number of positions.
optax.tree.bias_correction = _promoting(optax.tree.bias_correction)
optax.cosine_decay_schedule = _made_promoting(optax.cosine_decay_schedule)
optax.piecewise_constant_schedule = _made_promoting(optax.piecewise_constant_schedule)
optax.join_schedules = _made_promoting(optax.join_schedules)
nn.LayerNorm.__call__ = _promoting(nn.LayerNorm.__call__)
nn.avg_pool = _promoting(nn.avg_pool)

# The rooms whose tests refuse implicit promotion of dtypes.
_STRICT = ("figures", "learning", "losses", "models")


@pytest.fixture(autouse=True)
def _strict_promotion(request):
    """Refuses implicit promotion of dtypes."""
    room = request.path.relative_to(Path(__file__).parent).parts[0]
    with jax.numpy_dtype_promotion("strict" if room in _STRICT else "standard"):
        yield


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A data directory in which the small embedded set is prepared, once for all commands."""
    from jdnet_jax import data
    from jdnet_jax.config import default

    folder = str(tmp_path_factory.mktemp("tfds"))
    config = default().dataset
    config.options = {"counts": (64, 24, 41)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", folder)
        data.prepare(config)
    return folder


@pytest.fixture(scope="module")
def prepared_data(small_data):
    """Has the runs of a module take their data from `small_data`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", small_data)
        yield
