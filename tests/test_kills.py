"""A run that is killed or interrupted, wherever that is, and started again ends as one that was left alone."""

import random
import signal

import pytest

from tests import kills
from tests.commands import started


@pytest.fixture(scope="module")
def untouched_run(tmp_path_factory, small_data):
    """The workdir of a run of `kills.SHORT` that was neither killed nor interrupted."""
    workdir = tmp_path_factory.mktemp("untouched")
    kills.train_to_the_end(kills.SHORT, workdir, small_data)
    return workdir


@pytest.mark.slow
def test_a_run_killed_at_every_kind_of_moment_ends_with_the_same_bits_and_lines(tmp_path, small_data, untouched_run):
    rng = random.Random(5)
    for moment in rng.sample(kills.MOMENTS, len(kills.MOMENTS)):
        assert kills.kill_once(kills.SHORT, tmp_path, small_data, moment, rng).killed, moment
    kills.train_to_the_end(kills.SHORT, tmp_path, small_data)
    untouched = kills.result(untouched_run)
    assert [entry["step"] for entry in untouched[1:]] == sorted({*range(0, 51, 3), *range(0, 51, 6), 50})
    assert kills.result(tmp_path) == untouched


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_same_bits_and_the_same_lines(tmp_path, small_data, untouched_run):
    workdir = tmp_path / "run"

    def run(at=None, **env):
        """Status and standard error of the command, which gets SIGTERM after a line that begins so."""
        env = {"TFDS_DATA_DIR": small_data, **env}
        with started("jdnet_jax.main", *kills.SHORT, f"--workdir={workdir}", **env) as process:
            if at is not None:
                assert any(line.startswith(at) for line in process.stderr)
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=600)
            return process.returncode, errors.strip().splitlines()

    status, lines = run("step ")  # the first that is logged is far from the end
    assert status == 75, lines
    assert lines[-1].startswith("interrupted: step ")
    assert lines[-1].endswith(f"of 50 is saved in {workdir}, the same command continues from there")
    stopped = int(lines[-1].split()[2])
    assert 3 <= stopped < 50
    assert (workdir / "checkpoints" / str(stopped) / "SHA256SUMS").exists()

    # Python itself cannot see a signal while it waits for the compiler.
    status, lines = run("compiling the train step", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "nothing compiled"))
    assert status == 75, lines
    assert lines[-1] == "SIGTERM: leaving at once; the same command continues from the newest checkpoint"
    assert not any(line.startswith("first step done") for line in lines)

    # Once every step is saved a signal has nothing to wait for.
    status, lines = run("testing the networks of step ")
    assert status == 75, lines
    assert lines[-1] == "SIGTERM: leaving at once; the same command continues from the newest checkpoint"
    assert not (workdir / "summary.json").exists()

    assert run()[0] == 0
    assert kills.result(workdir) == kills.result(untouched_run)
