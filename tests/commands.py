"""The project's commands as a person runs them, in a process of their own; shared by their tests."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tests import forked
from tests.conftest import QUICK_COMPILATION

ROOT = Path(__file__).resolve().parent.parent

# A run of the embedded set in seconds; the fixture `small_data` has its pictures.
SMALL = (
    "--config=configs/demo.py:jdnet",
    "--config.dataset.options.counts=(64,24,41)",
    "--config.steps=2",
    "--config.batch_size=8",
    "--config.image_size=32",
    "--config.student.options.width=4",
    "--config.teachers.teacher.options.width=8",
)

# For what a run does, whatever it trains: the student without its teacher, compiled in less time.
ALONE = ("--config=configs/demo.py:ce", *(flag for flag in SMALL[1:] if "teacher" not in flag))


def command(name, *args, fresh=False, **env):
    """Runs `python -m jdnet_jax.<name>` in the project's root with these variables added to the environment.

    Where it is not to be `fresh`, it finds the libraries imported, see `tests.forked`.
    """
    return subprocess.run(
        [*_python(fresh), "-m", f"jdnet_jax.{name}", *args],
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def interrupted(words, number, module, *args, fresh=True, **env):
    """What `python -m <module>` prints if it gets a signal at the line with these words, and then ends as told."""
    with subprocess.Popen(
        [*_python(fresh), "-m", module, *args],
        cwd=ROOT,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if words in line:
                process.send_signal(number)
        assert process.wait(120) == 75, lines
    return "".join(lines)


@contextlib.contextmanager
def started(module, *args, fresh=False, **env):
    """`python -m <module>` as `command` runs one, but going on beside the test, which may not outlive it."""
    process = subprocess.Popen(
        [*_python(fresh), "-m", module, *args],
        cwd=ROOT,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _python(fresh):
    return [sys.executable] if fresh else forked.python()


def environment(**added):
    """That of a command with one device. All that is compiled is kept: a start compiles dozens of small programs."""
    ours = {
        "XLA_FLAGS": QUICK_COMPILATION,
        "PYTHONPATH": str(ROOT),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return {**os.environ, **ours, **added}


def last_line(result):
    """The last line on standard error."""
    return result.stderr.strip().splitlines()[-1]
