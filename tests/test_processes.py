"""Real processes, joined over loopback, train one run as one process with as many devices does."""

import contextlib
import json
import signal
import socket

import pytest

from jdnet_jax import metrics, processes
from jdnet_jax.errors import UserError
from tests.commands import SMALL, started
from tests.conftest import QUICK_COMPILATION

FLAGS = (*SMALL, "--config.batch_size=16", "--config.sync_batch_norm=True", "--config.log_every=1")


@contextlib.contextmanager
def joined(number, devices, workdir, data, *flags):
    """So many processes of one run, each with so many devices."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    xla = f"--xla_force_host_platform_device_count={devices} {QUICK_COMPILATION}"
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                started(
                    "main",
                    *FLAGS,
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
def test_two_processes_with_four_devices_train_what_one_with_eight_does(tmp_path, small_data):
    flags = ("--config.steps=4", "--config.eval_every=2")
    for number, devices in ((1, 8), (2, 4)):
        with joined(number, devices, tmp_path / str(number), small_data, *flags) as members:
            found = ends(members)
        assert [status for status, _ in found] == [0] * number, [text[-2000:] for _, text in found]
        speaks = ["step 4/4 (100%)" in text for _, text in found]
        assert speaks == [True, *[False] * (number - 1)]
    one, two = (metrics.read(tmp_path / name / "metrics.jsonl") for name in "12")
    assert [line["step"] for line in two] == [line["step"] for line in one] == [0, 1, 2, 3, 4]
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
    with joined(2, 4, tmp_path, small_data, "--config.steps=400", "--config.eval_every=400") as members:
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
def test_where_one_process_dies_the_other_ends_with_a_clear_line(tmp_path, small_data):
    with joined(2, 4, tmp_path, small_data, "--config.steps=4000", "--config.eval_every=4000") as members:
        assert any(line.startswith("step 2/") for line in members[0].stderr)
        members[1].kill()
        _, errors = members[0].communicate(timeout=2 * processes.TIMEOUT)
    assert members[0].returncode not in (0, 75)
    assert "lost another one" in errors or "JAX distributed service detected fatal errors" in errors, errors[-3000:]


def test_flags_that_belong_together():
    with pytest.raises(UserError, match=r"^--coordinator, --processes and --process belong together"):
        processes.join("127.0.0.1:1", None, 0)


def test_one_process_waits_for_nobody():
    done = []
    processes.by_the_first(lambda: done.append(1))
    assert done == [1]
    assert processes.of_the_first(lambda: 7) == 7
