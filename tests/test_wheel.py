"""The wheel, installed in an environment of its own and used outside of the checkout."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from tests.commands import ROOT, SMALL, environment


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "jdnet_jax").rglob("__init__.py")}
    assert set(listed) == packages | {"jdnet_jax.configs"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the commands of an environment that has the wheel, and what it needs from this one."""
    place = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    source = place / "source"  # setuptools would leave what it builds in the checkout, and take it for sources later
    for folder in ("jdnet_jax", "configs"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    subprocess.run([*pip, "wheel", "--no-deps", f"--wheel-dir={place}", str(source)], check=True, cwd=place)
    venv.create(place / "venv", with_pip=False)
    (site,) = (place / "venv").glob("lib/python*/site-packages")
    (site / "what_it_needs.pth").write_text(sysconfig.get_paths()["purelib"])
    (wheel,) = place.glob("*.whl")
    python = place / "venv" / "bin" / "python"
    install = [*pip, f"--python={python}", "install", "--no-deps", "--ignore-installed"]
    subprocess.run([*install, str(wheel)], check=True, cwd=place)
    return python.parent


def run(installed, *arguments, cwd, **env):
    """A command of the environment, elsewhere than in the checkout."""
    variables = {name: value for name, value in environment(**env).items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(installed / arguments[0]), *arguments[1:]],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_the_commands_and_configs_are_installed(installed, tmp_path):
    shown = run(installed, "jdnet", cwd=tmp_path)
    assert shown.returncode == 0
    assert "jdnet train PHOTOS" in shown.stdout
    assert "jdnet check PHOTOS" in shown.stdout
    assert run(installed, "python", "-m", "jdnet_jax", cwd=tmp_path).stdout == shown.stdout
    where = run(installed, "python", "-c", "import jdnet_jax; print(jdnet_jax.__file__)", cwd=tmp_path).stdout
    assert Path(where).is_relative_to(installed.parent)
    wrong = run(installed, "jdnet", "trian", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: there is no command 'trian': did you mean train?")
    wrong = run(installed, "jdnet", "train", "--config=gorcery", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--config=gorcery: there is no such file; did you mean grocery?" in wrong.stderr


@pytest.mark.slow
def test_a_run_outside_of_the_checkout(installed, tmp_path, small_data):
    flags = ["--config=demo", *SMALL[1:], "--workdir=mine"]
    result = run(installed, "jdnet", "train", *flags, cwd=tmp_path, TFDS_DATA_DIR=small_data)
    assert result.returncode == 0, result.stderr
    assert "jdnet export --from=mine --format=tflite --output=student.tflite" in result.stdout
    assert (tmp_path / "mine" / "command.txt").read_text().startswith("jdnet train --config=demo ")
    assert (tmp_path / "mine" / "student" / "model.json").is_file()
