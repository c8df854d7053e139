"""Real processes, joined over loopback, train one run as one process with as many devices does."""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from jdnet_jax.process import together
from jdnet_jax.process.errors import UserError
from jdnet_jax.run import metrics
from tests import kills
from tests.commands import ALONE, ROOT, SMALL, started
from tests.conftest import QUICK_COMPILATION
from tests.process.ports import free_port

SHARED = ("--config.batch_size=16", "--config.sync_batch_norm=True", "--config.log_every=1")


@contextlib.contextmanager
def joined(number, devices, workdir, data, *flags, module="jdnet_jax.main"):
    """So many processes of one run, each with so many devices."""
    port = free_port()
    xla = f"--xla_force_host_platform_device_count={devices} {QUICK_COMPILATION}"
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                started(
                    module,
                    *flags,
                    f"--workdir={workdir}",
                    f"--coordinator=127.0.0.1:{port}",
                    f"--processes={number}",
                    f"--process={i}",
                    TFDS_DATA_DIR=data,
                    XLA_FLAGS=xla,
                )
            )
            for i in range(number)
        ]


def ends(members):
    """The exit status and standard error of each."""
    outputs = [member.communicate(timeout=600)[1] for member in members]
    return [(member.returncode, output) for member, output in zip(members, outputs, strict=True)]


@pytest.mark.slow
@pytest.mark.long
def test_two_processes_with_two_devices_train_what_one_with_four_does(tmp_path, small_data):
    flags = (*SMALL, *SHARED, "--config.steps=2", "--config.eval_every=2")
    for number, devices in ((1, 4), (2, 2)):
        with joined(number, devices, tmp_path / str(number), small_data, *flags) as members:
            found = ends(members)
        assert [status for status, _ in found] == [0] * number, [text[-2000:] for _, text in found]
        assert "compiling the train step for 4 x cpu" in found[0][1]
        speaks = ["step 2/2 (100%)" in text for _, text in found]
        assert speaks == [True, *[False] * (number - 1)]
    one, two = (metrics.read(tmp_path / name / "metrics.jsonl") for name in "12")
    assert [line["step"] for line in two] == [line["step"] for line in one] == [0, 1, 2]
    for ours, theirs in zip(two, one, strict=True):
        for key in (key for key in theirs if key.startswith("loss/")):
            assert ours[key] == pytest.approx(theirs[key], rel=5e-3, abs=1e-3), key
    assert two[0]["val/student/loss"] == pytest.approx(one[0]["val/student/loss"], rel=1e-5)
    assert two[0]["val/student/top1"] == one[0]["val/student/top1"]
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in "12")
    assert [two["student"][split]["count"] for split in ("val", "test")] == [24, 41]
    assert two["student"]["test"]["loss"] == pytest.approx(one["student"]["test"]["loss"], rel=1e-2)


@pytest.mark.slow
def test_a_signal_to_one_process_ends_all_after_the_same_step(tmp_path, small_data):
    flags = (*ALONE, *SHARED, "--config.steps=400", "--config.eval_every=400")
    with joined(2, 4, tmp_path, small_data, *flags) as members:
        assert any(line.startswith("step 2/") for line in members[0].stderr)
        members[1].send_signal(signal.SIGTERM)
        found = ends(members)
    assert [status for status, _ in found] == [75, 75], [text[-2000:] for _, text in found]
    lines = {text.strip().splitlines()[-1] for _, text in found}
    assert len(lines) == 1
    stopped = int(lines.pop().split()[2])
    assert 2 < stopped < 400
    assert (tmp_path / "checkpoints" / str(stopped) / "SHA256SUMS").exists()
    assert [line["step"] for line in metrics.read(tmp_path / "metrics.jsonl")] == list(range(stopped + 1))


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_goes_back_and_loses_each_process_and_a_checkpoint_ends_with_the_same_bits(tmp_path, small_data):
    """Step 5 is not finite, so the run goes back to step 4; then either process is killed, and a checkpoint damaged."""
    flags = (
        *ALONE,
        *SHARED,
        "--config.steps=24",
        "--config.eval_every=24",
        "--config.checkpoint_every=4",
        "--config.keep_checkpoints=3",
        "--config.snapshots=0",
        "--config.on_non_finite=roll_back",
    )

    def start(name):
        return joined(2, 1, tmp_path / name, small_data, *flags, module="tests.spoilt_run")

    # The save of step 12 began when that of step 8 had ended, so a damaged one leaves a good one.
    for dead, moment in ((1, "step 14/"), (0, "first step done")):
        with start("killed") as members:
            before = list(itertools.takewhile(lambda line: not line.startswith(moment), members[0].stderr))  # noqa: B023
            members[dead].kill()
            (status, errors), (killed, _) = ends(members)[:: -1 if dead == 0 else 1]
        assert (status, killed) == (75, -signal.SIGKILL), errors
        assert re.fullmatch(
            rf"process {dead} of 2 stopped answering at step \d+; this process stops too: start all again with the "
            r"same command to continue from step \d+",
            errors.strip().splitlines()[-1],
        )
        # Only the first start comes to step 5 with the data in their first order.
        went_back = any("step 5: loss/ce_student is not finite (nan): back to step 4" in line for line in before)
        assert went_back == (dead == 1), before
    checkpoints = tmp_path / "killed" / "checkpoints"
    newest = max(int(path.name) for path in checkpoints.iterdir() if path.name.isdigit())
    (checkpoints / str(newest) / "default" / "_METADATA").unlink()
    for name in ("killed", "untouched"):
        with start(name) as members:
            found = ends(members)
        assert [status for status, _ in found] == [0, 0], [text[-2000:] for _, text in found]
        if name == "killed":
            assert f"checkpoint {checkpoints / str(newest)} is damaged" in found[0][1]
    untouched = kills.result(tmp_path / "untouched")
    assert untouched[-1]["roll_backs"] == 1
    assert kills.result(tmp_path / "killed") == untouched


# Joins as the environment or the arguments say, and then does what the last argument says.
MEMBER = """
import sys
from jdnet_jax.process import together
from jdnet_jax.process.errors import UserError
coordinator, do = sys.argv[1:3]
together.join(*((coordinator, 2, int(sys.argv[3])) if coordinator else (None, None, None)))
with together.together():
    print(together.jax.process_index(), together.jax.process_count(), flush=True)
    exec(do)
"""


def ends_of_two(does, coordinator="", environments=({}, {})):
    """(status, standard output, standard error) of two processes that join and do this."""
    env = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    with contextlib.ExitStack() as stack:
        members = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", MEMBER, coordinator, do, str(i)],
                    cwd=ROOT,
                    env={**env, **environments[i]},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for i, do in enumerate(does)
        ]
        for member in members:
            stack.callback(member.kill)
        outputs = [member.communicate(timeout=120) for member in members]
        return [(member.returncode, *output) for member, output in zip(members, outputs, strict=True)]


def slurm(process):
    port = free_port(_EPHEMERAL)
    return {
        "SLURM_JOB_ID": str(port - _EPHEMERAL),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(process),
        "SLURM_LOCALID": str(process),
    }


def open_mpi(process):
    job = free_port(_EPHEMERAL) - _EPHEMERAL
    return {
        "OMPI_MCA_orte_hnp_uri": f"{job * 4096}.0;tcp://127.0.0.1:1",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": str(process),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(process),
    }


# JAX puts the coordinator of a cluster's job on a port from here on, by the job's number.
_EPHEMERAL = 65536 - 4096


@pytest.mark.parametrize("cluster", [slurm, open_mpi])
def test_processes_of_a_cluster_find_each_other_by_its_variables(cluster):
    found = ends_of_two(["pass"] * 2, environments=[cluster(i) for i in range(2)])
    assert [(status, output) for status, output, _ in found] == [(0, "0 2\n"), (0, "1 2\n")], found


def test_a_mistake_of_one_process_stops_the_other_with_a_line():
    does = ["raise UserError('there are no photos')", "import time; time.sleep(600)"]
    (first, _, mistake), (second, _, line) = ends_of_two(does, f"127.0.0.1:{free_port()}")
    assert (first, mistake) == (2, "error: there are no photos\n")
    assert (second, line) == (2, "process 0 of 2 failed, this process stops too: there are no photos\n")


def test_a_process_alone_lets_errors_through():
    with pytest.raises(UserError, match=r"^there are no photos$"), together.together():
        raise UserError("there are no photos")


def test_flags_that_belong_together():
    with pytest.raises(UserError, match=r"^--coordinator, --processes and --process belong together"):
        together.join("127.0.0.1:1", None, 0)


def test_one_process_waits_for_nobody():
    done = []
    together.by_the_first(lambda: done.append(1))
    assert done == [1]
    assert together.of_the_first(lambda: 7) == 7


@pytest.fixture
def second_of_two(monkeypatch):
    """This process is number 1, and process 0 has what the function says."""

    def other(change):
        monkeypatch.setattr(jax, "process_count", lambda: 2)
        monkeypatch.setattr(jax, "process_index", lambda: 1)
        monkeypatch.setattr(multihost_utils, "process_allgather", lambda own: np.stack([change(own), own]))

    return other


def test_one_process_has_nobody_to_compare_with(monkeypatch):
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda own: pytest.fail("asked the others"))
    together.check_same("config", "text")


def test_the_same_passes_and_another_is_named(second_of_two):
    second_of_two(lambda own: own)
    together.check_same("config", "text")
    second_of_two(lambda own: own + 1)
    with pytest.raises(UserError, match=r"^process 1 has another config than process 0: start all with the same"):
        together.check_same("config", "text")
