"""What the notebooks run in: for which hardware, and whether the package index has it for Colab's Python."""

import importlib.metadata
import json
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.commands import ROOT

INSTALL = runpy.run_path(str(ROOT / "colab" / "install.py"))
RUNTIME = json.loads((ROOT / "tests" / "colab_runtimes.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def nvidia_smi(folder: Path, answer: str, status: int) -> str:
    """A PATH on which `nvidia-smi` gives this answer."""
    command = folder / "nvidia-smi"
    command.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    command.chmod(0o755)
    return str(folder)


def test_the_jax_for_what_the_runtime_has(tmp_path, monkeypatch):
    jax_extra, devices = INSTALL["jax_extra"], tmp_path / "dev"
    (devices / "vfio").mkdir(parents=True)
    (devices / "vfio" / "vfio").touch()  # is there without a device, too
    monkeypatch.setenv("PATH", "/nowhere")
    assert jax_extra({}, devices) == ""
    assert jax_extra({"TPU_ACCELERATOR_TYPE": "v5litepod-1"}, devices) == "tpu"
    (devices / "vfio" / "0").touch()
    assert jax_extra({}, devices) == "tpu"
    (devices / "vfio" / "0").rename(devices / "accel0")
    assert jax_extra({}, devices) == "tpu"
    monkeypatch.setenv("PATH", nvidia_smi(tmp_path, "NVIDIA-SMI has failed", 9))
    assert jax_extra({}, tmp_path) == ""
    monkeypatch.setenv("PATH", nvidia_smi(tmp_path, "GPU 0: Tesla T4 (UUID: GPU-0)", 0))
    assert jax_extra({}, tmp_path) == "cuda12"


def test_a_python_that_has_the_project_is_taken_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.environ["PATH"])
    INSTALL["prepare"]()
    assert os.environ["PATH"].startswith(f"{Path(sys.executable).parent}{os.pathsep}")
    assert not list(tmp_path.iterdir())
    versions, devices = capsys.readouterr().out.split("\n")[:2]
    assert f"jax {importlib.metadata.version('jax')}" in versions
    assert devices.startswith("cpu ")


def test_where_pip_fails_its_last_lines_say_why(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "environment" / "bin" / "python"
    with pytest.raises(RuntimeError, match="last lines above"):
        INSTALL["install"](python, ["./nowhere"])
    assert "File './nowhere' does not exist" in capsys.readouterr().out
    assert python.exists()


def test_colabs_own_packages_would_not_do():
    """Why the notebooks make an environment; where this fails, they may not need to."""
    wanted = {item.name: item.specifier for item in map(Requirement, PROJECT["dependencies"])}
    old = {name for name, version in RUNTIME["installed"].items() if version not in wanted.get(name, SpecifierSet())}
    assert old >= {"jax", "flax"}
    assert RUNTIME["python"] in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.slow
@pytest.mark.parametrize("extra", RUNTIME["accelerators"], ids=lambda extra: extra or "cpu")
def test_the_index_has_what_the_notebooks_install(extra):
    pytest.importorskip("uv", reason="uv resolves for another Python than this one")
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-", "--extra=export", "--extra=segment"]
    target = [f"--python-version={RUNTIME['python']}", f"--python-platform={RUNTIME['platform']}"]
    wheels = ["--only-binary=:all:", "--no-binary=promise"]  # which has none, and is plain Python
    answer = subprocess.run(
        [*command, *target, *wheels, "--no-python-downloads", "--no-header", "--no-annotate"],
        input=INSTALL["requirements"]("export,segment", extra)[-1],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to fetch" in answer.stderr:
        pytest.skip(f"the package index cannot be reached: {answer.stderr[-300:]}")
    assert answer.returncode == 0, answer.stderr
    names = {line.partition("==")[0] for line in answer.stdout.splitlines()}
    assert names >= {"jax", "flax", {"": "jaxlib", "cuda12": "jax-cuda12-plugin", "tpu": "libtpu"}[extra]}
