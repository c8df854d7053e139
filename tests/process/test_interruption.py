"""Signals to processes of their own; `test_kills` has a whole run that is interrupted."""

import signal
import subprocess
import sys
import time

import pytest

from tests.commands import ROOT, started

WAITS = """
import signal, sys, threading, time
from jdnet_jax.process.interruption import Interruption
signal.signal(signal.SIGINT, {sigint})  # the tests themselves may have been started without it
with Interruption() as interruption:
    interruption.unsaved = {unsaved}
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
        if interruption.requested and {heeds}:
            sys.exit("saved after " + interruption.requested)
"""


def waiting(unsaved, heeds, sigint="signal.default_int_handler"):
    code = WAITS.format(unsaved=unsaved, heeds=heeds, sigint=sigint)
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noted_and_the_loop_ends(number):
    process = waiting(unsaved=True, heeds=True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1  # of sys.exit with a text
    assert errors.splitlines() == [
        f"{number.name}: finishing the step and saving; a second signal leaves at once",
        f"saved after {number.name}",
    ]


def test_a_second_signal_leaves_at_once():
    process = waiting(unsaved=True, heeds=False)
    process.send_signal(signal.SIGTERM)
    assert "finishing the step" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert errors == "SIGINT: leaving at once; the same command continues from the newest checkpoint\n"


def test_where_nothing_is_unsaved_the_first_signal_leaves_at_once():
    process = waiting(unsaved=False, heeds=False)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert errors.startswith("SIGTERM: leaving at once")


def test_a_signal_that_was_ignored_stays_so():
    process = waiting(unsaved=True, heeds=True, sigint="signal.SIG_IGN")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert errors.splitlines()[0].startswith("SIGTERM: finishing the step")


def test_afterwards_signals_do_what_they_did_before():
    code = (
        "import os, signal; from jdnet_jax.process.interruption import Interruption\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with Interruption(): pass\n"
        "try: os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt: print('as before')\n"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (-signal.SIGTERM, "as before\n")


@pytest.mark.slow
def test_a_signal_while_data_are_prepared_leaves_nothing_half_written(tmp_path):
    flags = ("--config=configs/demo.py", f"--workdir={tmp_path / 'run'}")  # 5,800 pictures take seconds
    with started("jdnet_jax.main", *flags, TFDS_DATA_DIR=str(tmp_path / "tfds")) as process:
        while process.poll() is None and not list(tmp_path.glob("tfds/**/*incomplete*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert any(line.startswith("SIGTERM: leaving at once") for line in errors.splitlines()), errors
    assert not list(tmp_path.glob("tfds/**/dataset_info.json"))
    assert not (tmp_path / "run" / "checkpoints").exists()
