import os
import subprocess
import sys

from jdnet_jax.process import xla_flags
from jdnet_jax.process.xla_flags import BARRIERS_HOLD, EIGEN_CONVOLUTIONS


def on_cpu(**environ):
    return {"JAX_PLATFORMS": "cpu", **environ}


def test_flags_stand_beside_those_that_are_given_and_give_way_to_them():
    both = f"{BARRIERS_HOLD} {EIGEN_CONVOLUTIONS}"
    assert xla_flags.flags(on_cpu(), "0.10.2") == both
    assert xla_flags.flags(on_cpu(), "0.12.0.1") == both
    assert xla_flags.flags(on_cpu(XLA_FLAGS="--xla_a=1"), "0.10.2") == f"--xla_a=1 {both}"
    passes = "--xla_disable_hlo_passes=b"
    assert xla_flags.flags(on_cpu(XLA_FLAGS=passes), "0.10.2") == f"{passes} {EIGEN_CONVOLUTIONS}"
    fusions = "--xla_cpu_experimental_ynn_fusion_type=reduce"
    assert xla_flags.flags(on_cpu(XLA_FLAGS=fusions), "0.10.2") == f"{fusions} {BARRIERS_HOLD}"


def test_a_jaxlib_that_may_not_know_it_does_not_get_the_experimental_flag():
    assert xla_flags.flags(on_cpu(), "0.13.0") == BARRIERS_HOLD
    assert xla_flags.flags(on_cpu(XLA_FLAGS=BARRIERS_HOLD), "0.13.0") == BARRIERS_HOLD


def test_where_jax_could_use_an_accelerator_xla_is_told_nothing():
    # On a GPU the barriers would stay in the program to the end, which cannot be emitted then.
    for platforms in ("cuda", "tpu", "cuda,cpu"):
        assert xla_flags.flags({"JAX_PLATFORMS": platforms, "XLA_FLAGS": "--xla_a=1"}, "0.10.2") == "--xla_a=1"
    assert xla_flags.flags({}, "0.10.2", accelerators=True) == ""
    assert xla_flags.flags({}, "0.10.2", accelerators=False) == xla_flags.flags(on_cpu(), "0.10.2")


def test_a_plugin_that_is_installed_is_an_accelerator_that_jax_could_use(tmp_path, monkeypatch):
    (tmp_path / "jax_plugins" / "xla_cuda").mkdir(parents=True)
    bare = [entry for entry in sys.path if "site-packages" not in entry]
    monkeypatch.setattr(sys, "path", bare)
    assert not xla_flags._has_plugin()
    monkeypatch.setattr(sys, "path", [*bare, str(tmp_path)])
    assert xla_flags._has_plugin()


CONVOLVE = """
import os
from jdnet_jax.process import xla_flags
os.environ["XLA_FLAGS"] = xla_flags.flags({"JAX_PLATFORMS": "cpu"})
import jax, jax.numpy as jnp
from jax import lax
convolve = lambda x, kernel: lax.conv(x, kernel, (1, 1), "SAME")
# Large enough that YNNPACK would have it.
text = jax.jit(convolve).lower(jnp.ones((8, 64, 32, 32)), jnp.ones((64, 64, 3, 3))).compile().as_text()
print("convolution" in text, "ynn" in text)
"""


def test_xla_takes_the_flags_and_leaves_convolutions_to_eigen():
    environ = {**os.environ, "JAX_PLATFORMS": "cpu"}
    found = subprocess.run([sys.executable, "-c", CONVOLVE], env=environ, capture_output=True, text=True, check=True)
    convolution, by_ynnpack = found.stdout.split()
    assert convolution == "True"
    if EIGEN_CONVOLUTIONS in xla_flags.flags(on_cpu()):
        assert by_ynnpack == "False"
