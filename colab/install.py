"""What the notebooks run in: a virtual environment for the project alone.

A Colab runtime comes with a JAX that is older than the project needs, and with packages that want that one
(`tests/colab_runtimes.json`). So nothing of the runtime's own is changed, no session is restarted, and the notebook's
commands run the environment's `python`, which is first on the PATH from here on.

The runtime's Python runs this module, so that it imports nothing but the standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = Path(".venv-colab")
BACKENDS = {"cuda12": "gpu", "tpu": "tpu"}  # an extra of jax -> what JAX calls the devices that it is for
LAST_LINES = 25  # of pip's, where it fails

SHOW_VERSIONS = """
import importlib.metadata as metadata, sys, jax
names = "jax", "jaxlib", "flax", "orbax-checkpoint", "numpy"
print("Python", sys.version.split()[0], *(f"{name} {metadata.version(name)}" for name in names))
print(jax.default_backend(), jax.devices())
"""


def prepare(extras: str = "export") -> None:
    """Makes `python` one that has the project, and prints its versions and devices.

    Args:
        extras: the project's extras, separated by commas. An environment that is there already is taken as it is.

    Raises:
        RuntimeError: pip fails, or JAX does not find the TPU or GPU that is there; what they said is printed.
    """
    extra = jax_extra(os.environ)
    python = Path(sys.executable)
    if not _has_project(python):
        python = ENVIRONMENT.resolve() / "bin" / "python"
        if not _has_project(python):
            install(python, requirements(extras, extra))
    os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ.pop("TPU_LIBRARY_PATH", None)  # the runtime's; the environment's JAX needs the libtpu beside it
    shown = subprocess.run([python, "-c", SHOW_VERSIONS], stdout=subprocess.PIPE, text=True, check=False)
    print(shown.stdout)
    if shown.returncode != 0:
        raise RuntimeError("JAX finds no device: choose another runtime")
    unused = extra and not shown.stdout.splitlines()[-1].startswith(BACKENDS[extra])
    if unused and os.environ.get("JAX_PLATFORMS") != "cpu":
        raise RuntimeError(
            f"JAX does not find this runtime's {BACKENDS[extra].upper()}: choose another runtime, or go on with the "
            "CPU by os.environ['JAX_PLATFORMS'] = 'cpu' before this cell"
        )


def jax_extra(environ: Mapping[str, str], devices: Path = Path("/dev")) -> str:
    """The extra of jax for what this machine has: "cuda12", "tpu" or "" for CPUs alone."""
    if _has_gpu():
        return "cuda12"
    named = any(name in environ for name in ("TPU_ACCELERATOR_TYPE", "TPU_NAME", "COLAB_TPU_ADDR"))
    return "tpu" if named or any(devices.glob("accel[0-9]*")) or any(devices.glob("vfio/[0-9]*")) else ""


def requirements(extras: str, extra: str) -> list[str]:
    """What pip is asked for in the checkout, with the project's extras and that of jax."""
    return ["-e", f".[{extras}]", f"jax[{extra}]" if extra else "jax"]


def install(python: Path, wanted: list[str]) -> None:
    """Makes the environment of this `python` anew and installs into it; Colab's Python has no pip to put there."""
    print(f"installing {' '.join(wanted)} into {python.parent.parent} (some minutes) ...")
    venv.create(python.parent.parent, clear=True, with_pip=False)
    command = [sys.executable, "-m", "pip", f"--python={python}", "install", "--progress-bar=off", *wanted]
    pip = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if pip.returncode != 0:
        print(*pip.stdout.splitlines()[-LAST_LINES:], sep="\n")
        raise RuntimeError("pip cannot install the project: read its last lines above")


def _has_gpu() -> bool:
    if not shutil.which("nvidia-smi"):
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def _has_project(python: Path) -> bool:
    """Whether the project is installed for this Python; alone (-I), as the checkout is no installation."""
    ask = "import importlib.metadata as metadata; metadata.version('jdnet-jax')"
    return python.exists() and subprocess.run([python, "-I", "-c", ask], capture_output=True).returncode == 0
