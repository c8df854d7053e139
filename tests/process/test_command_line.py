import errno
import os
import subprocess
import sys

import jax
import pytest

from jdnet_jax.process import command_line
from tests.commands import ROOT


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("main", ["--config", "--workdir"]),
        ("export", ["--quantize", "--[no]allow_loss"]),
        ("evaluate", ["--model", "--[no]json", "--perturb", "--classes"]),
        ("predict", ["--model", "--[no]json"]),
        ("segment", ["--backend", "--on_empty"]),
        ("benchmark", ["--config", "--threads"]),
        ("compare", ["--config", "--jobs"]),
        ("demo", ["--host", "--port"]),
        ("report", ["--workdir"]),
        ("models", ["--[no]json"]),
        ("check", ["--config", "--output"]),
    ],
)
def test_help_names_the_flags_without_importing_jax_or_tensorflow(name, flags):
    code = f"import runpy, sys; sys.argv = ['{name}', '--help']\n"
    code += f"try: runpy.run_module('jdnet_jax.{name}', run_name='__main__')\n"
    code += "except SystemExit as ended: assert ended.code == 0, ended.code\n"
    code += "assert not {'jax', 'tensorflow', 'flax'} & set(sys.modules), 'too much was imported'"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert all(flag in result.stdout for flag in flags)


@pytest.mark.parametrize("argument", ["", "--help"])
def test_output_that_nobody_reads_any_more_ends_the_command_quietly(argument):
    code = "import sys; sys.modules['__main__'].__doc__ = 'A line of help.\\n' * 99999\n"
    code += "from jdnet_jax.process import command_line\n"
    code += "def main(argv):\n    while True: print('line ' * 100)\n"
    code += "command_line.run(main, ['many', *sys.argv[1:]])"
    with subprocess.Popen(
        [sys.executable, "-c", code, *argument.split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == ""


def test_a_device_whose_memory_is_full_is_one_line():
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes.\nmore of it")
    assert command_line.mistake(error) == (
        "the device's memory does not hold it (Out of memory allocating 123 bytes): lower config.batch_size or "
        "config.image_size, raise config.grad_accum, or set config.remat=True"
    )
    assert command_line.mistake(jax.errors.JaxRuntimeError("INTERNAL: no")) is None
    assert command_line.mistake(RuntimeError("RESOURCE_EXHAUSTED: of another kind")) is None


def test_nothing_follows_the_line_of_a_mistake():
    code = "import atexit, os, sys\n"
    code += "from jdnet_jax.process import command_line\nfrom jdnet_jax.process.errors import UserError\n"
    code += "def main(argv):\n"
    code += "    atexit.register(lambda: os.write(2, b'written at the end'))\n"
    code += "    atexit.register(lambda: 1 / 0)\n"
    code += "    print('before', file=sys.stderr)\n"
    code += "    raise UserError('there are no photos')\n"
    code += "command_line.run(main, ['wrong'])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "before\nerror: there are no photos\n")


@pytest.mark.parametrize(("verbosity", "logged"), [("warning", False), ("info", True)])
def test_an_error_that_nobody_can_catch_is_for_the_log(verbosity, logged):
    """As in TensorStore's callbacks, whose event loop has ended with the save that failed."""
    code = "import sys\nfrom absl import logging\n"
    code += "from jdnet_jax.process import command_line\nfrom jdnet_jax.process.errors import UserError\n"
    code += "class Callback:\n    def __del__(self): raise RuntimeError('Event loop is closed')\n"
    code += "def main(argv):\n"
    code += f"    logging.use_absl_handler()\n    logging.set_verbosity('{verbosity}')\n"
    code += "    Callback()\n"
    code += "    raise UserError('there is no room')\n"
    code += "command_line.run(main, ['wrong'])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    *before, last = result.stderr.splitlines()
    assert last == "error: there is no room"
    assert any("Event loop is closed" in line for line in before) == logged
    assert bool(before) == logged


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, "/cache/jdnet_jax/compiled 0"),  # whatever takes any time to compile
        ({"JAX_COMPILATION_CACHE_DIR": "/own"}, "/own 1.0"),
    ],
)
def test_compiled_programs_are_kept_where_the_environment_says(given, kept):
    code = (
        "from jdnet_jax.process import command_line; command_line.set_up_libraries(); import jax\n"
        "print(*(jax.config.values[key] for key in "
        "('jax_compilation_cache_dir', 'jax_persistent_cache_min_compile_time_secs')))"
    )
    environ = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    environ |= {"XDG_CACHE_HOME": "/cache", "PYTHONPATH": str(ROOT), **given}
    found = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert found.stdout == f"{kept}\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/a/report.html"),
            "runs/a/report.html: Permission denied",
        ),
        (OSError(errno.EROFS, "Read-only file system", b"a"), "a: Read-only file system"),
        (OSError(errno.ENOSPC, "No space left", "a"), "a: No space left: make room and run again"),
        (ValueError("embedded null byte"), "a path holds a character of value 0, which none can: correct it"),
        (ValueError("of the program"), None),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), None),
    ],
)
def test_what_a_system_refuses_is_one_line(error, line):
    assert command_line.mistake(error) == line


def test_names_reach_the_screen_without_escape_codes():
    code = "from jdnet_jax.process import command_line\nfrom jdnet_jax.process.errors import UserError\n"
    code += "from absl import logging\n"
    code += "def main(argv):\n"
    code += "    command_line.log_warnings_only()\n    logging.warning('of %s', 'a\\x1b[2Jb')\n"
    code += "    raise UserError('a\\x1b[2Jb\\nc')\n"
    code += "command_line.run(main, ['wrong'])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    logged, last = result.stderr.splitlines()
    assert logged.endswith(r"of a\x1b[2Jb")
    assert last == r"error: a\x1b[2Jb\nc"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--config=demo"], ["--config=demo"]),
        (["a", "--x"], ["--config=image_folder", "--config.dataset.data_dir=a", "--x"]),
        (["a", "--config=food"], ["--config=food", "--config.dataset.data_dir=a"]),
        (["a", "--config", "food"], ["--config", "food", "--config.dataset.data_dir=a"]),
        (["a", "--config.seed=1"], ["--config=image_folder", "--config.dataset.data_dir=a", "--config.seed=1"]),
    ],
)
def test_a_folder_of_photos_comes_first(arguments, expected):
    assert command_line.with_photos(["main", *arguments]) == ["main", *expected]
