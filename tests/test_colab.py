"""The notebooks, executed by the cells that a person runs, at the size that `SMALL` stands for.

That of `jdnet_food101_tpu` is `commands.SMALL`, `meal` has two teachers and one student, `rvernet` one view.
"""

import ast
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests import forked
from tests.commands import environment

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "colab").glob("*.ipynb"))
HARDWARE = {"jdnet_food101_tpu": ("TPU", "V5E1"), "jdnet_your_photos": ("GPU", "T4")}  # CPUs alone for the others
HOME = "OWNER/jdnet_jax"  # the repository on GitHub: a placeholder until it has one

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["jdnet_food101_tpu", "jdnet_your_photos", "meal", "rvernet"]


@each_notebook
def test_a_notebook_says_what_it_does_on_which_runtime_and_how_long(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for heading in ("**What it does.**", "**Runtime.**", "**How long.**"):
        assert heading in notebook.cells[0].source
    parameters = notebook.cells[1]
    assert parameters.metadata.tags == ["parameters"]
    assert "SMALL = False" in parameters.source


@each_notebook
def test_a_notebook_opens_on_colab_from_the_repository_that_it_installs(path):
    notebook = nbformat.read(path, as_version=4)
    address = f"https://colab.research.google.com/github/{HOME}/blob/main/colab/{path.name}"
    assert notebook.cells[0].source.startswith("[![Open in Colab](https://colab.research.google.com/assets/")
    assert f"({address})\n" in notebook.cells[0].source
    assert f'SOURCE = "https://github.com/{HOME}"' in notebook.cells[1].source


@each_notebook
def test_a_notebook_asks_colab_for_the_hardware_that_it_is_for(path):
    metadata = nbformat.read(path, as_version=4).metadata
    assert (metadata.get("accelerator"), metadata.colab.get("gpuType")) == HARDWARE.get(path.stem, (None, None))


@each_notebook
def test_the_project_runs_in_its_environment_and_not_in_the_notebook(path):
    """The notebook's own Python is the runtime's, which has neither the project nor the JAX that it needs."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            plain = [re.sub(r"^(\s*)[!%].*", r"\1pass", line) for line in lines]
            nodes = list(ast.walk(ast.parse("\n".join(plain))))
            names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
            names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
            assert not [name for name in names if name.split(".")[0] in ("jdnet_jax", "jax", "PIL", "numpy")]
            assert "sys.executable" not in cell.source


@each_notebook
def test_a_notebook_is_stored_without_what_it_printed(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each_notebook
def test_no_command_of_a_notebook_fails_unnoticed(path):
    for cell in nbformat.read(path, as_version=4).cells:
        lines = [line.strip() for line in cell.source.splitlines() if cell.cell_type == "code"]
        for line, following in itertools.pairwise([*lines, ""]):
            if line.startswith("!python"):
                assert "_exit_code" in following, line


@pytest.mark.slow
@pytest.mark.long
@each_notebook
def test_a_notebook_runs_from_its_first_cell_to_its_last(path, tmp_path, small_data):
    notebook = nbformat.read(path, as_version=4)
    places = {"WORKDIR": "run", "RUNS": "runs", "PHOTOS": "my photos"}
    given = {name: str(tmp_path / place) for name, place in places.items() if f"{name} = " in notebook.cells[1].source}
    values = "\n".join(f"{name} = {value!r}" for name, value in {**given, "SMALL": True}.items())
    notebook.cells.insert(2, nbformat.v4.new_code_cell(values))
    nbformat.write(notebook, tmp_path / "small.ipynb")
    for folder in ("colab", "configs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    # A shell's `python` is this one, as on Colab, but forked.
    python = forked.script(tmp_path / "bin" / "python")
    paths = [str(python.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    result = subprocess.run(
        [sys.executable, "-m", "jupyter", "execute", "--timeout=600", "--output=executed.ipynb", "small.ipynb"],
        cwd=tmp_path,
        env=environment(PATH=os.pathsep.join(paths), TFDS_DATA_DIR=small_data),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    executed = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    (exported,) = tmp_path.glob("*.tflite")
    assert exported.read_bytes()[4:8] == b"TFL3"  # as it says of itself
