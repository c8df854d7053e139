"""Config files with a mistake, loaded as the commands load them."""

import subprocess
import sys

import pytest

from tests.commands import ROOT

COMMAND = """
from jdnet_jax.process import command_line
command_line.define_config("a config file")
def main(argv):
    print(command_line.required_config().recipe)
    return 0
command_line.run(main)
"""


def load(path):
    """Exit status and standard error of a command with this config file."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, f"--config={path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:\n", "line 1: SyntaxError: invalid syntax"),
        ("\0", "SyntaxError: source code string cannot contain null bytes"),
        ("import jdnet_nothing\n", "line 1: ModuleNotFoundError: No module named 'jdnet_nothing'"),
        ("import sys\ndef get_config():\n    sys.exit(0)\n", "line 3: it ends the program"),
        ("def get_config():\n    return 1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("def get_config():\n    return {}['a']\n", "line 2: KeyError: 'a'"),
        (
            "def get_config():\n    open('/nowhere/x')\n",
            "line 2: FileNotFoundError: [Errno 2] No such file or directory",
        ),
        ("def get_config():\n    raise ValueError('a\\n\\x1b[31m')\n", r"line 2: ValueError: a \x1b[31m"),
        ("def get_config():\n    return get_config()\n", "line 2: RecursionError: maximum recursion depth exceeded"),
        ("class E(BaseException): pass\ndef get_config():\n    raise E('x')\n", "line 3: E: x"),
        ("x = 1\n", "AttributeError: module 'config_config' has no attribute 'get_config'"),
        (
            "def get_config():\n    return {'recipe': 1}\n",
            "get_config must return a config, not dict: see configs/demo.py",
        ),
        (
            "from jdnet_jax.config import default\ndef get_config():\n    config = default()\n    config.steps = 2.5\n",
            "line 4: TypeError: Could not override field 'steps'",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_reason(tmp_path, text, message):
    path = tmp_path / "wrong.py"
    path.write_text(text)
    status, errors = load(path)
    assert status == 2
    separator = ", " if message.startswith("line") else ": "
    (line,) = errors.splitlines()
    assert line.startswith(f"error: {path}{separator}{message}")


def test_a_mistake_in_a_file_that_the_config_imports_is_named_there(tmp_path):
    (tmp_path / "beside.py").write_text("a = (\n")
    path = tmp_path / "wrong.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport beside\n")
    assert load(path) == (2, f"error: {tmp_path / 'beside.py'}, line 1: SyntaxError: '(' was never closed\n")


def test_what_the_project_refuses_is_told_as_it_stands_and_a_sound_file_loads():
    status, errors = load("configs/demo.py:nope")
    assert status == 2
    assert errors.startswith("error: unknown recipe 'nope'; known: jdnet")
    assert load("configs/demo.py") == (0, "")
