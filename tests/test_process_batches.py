"""Real processes, joined over loopback, make up the same global batches whatever their number."""

import json
import os
import socket
import subprocess

import pytest

from tests import forked
from tests.commands import ROOT, SMALL

BATCH, STEPS = 16, 9  # 64 photos: nine batches reach into the third epoch


def examples(processes, small_data):
    """{"batch row": digest} over all processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = (*SMALL, f"--config.batch_size={BATCH}", "--config.augment.mixup=0.4", "--config.augment.repeats=2")
    started = [
        subprocess.Popen(
            [*forked.python(), "-m", "tests.process_batches", *map(str, (port, processes, i, STEPS)), *flags],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": "", "TFDS_DATA_DIR": small_data, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]
    found = {}
    for i, process in enumerate(started):
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"process {i}"
        own = json.loads(output)
        assert len(own) == BATCH * STEPS / processes  # it decoded no more than its own rows
        found.update(own)
    return found


@pytest.mark.slow
def test_one_two_and_four_processes_see_the_same_global_batches(small_data):
    alone = examples(1, small_data)
    assert len(alone) == BATCH * STEPS
    assert len(set(alone.values())) > BATCH * STEPS / 2
    assert examples(2, small_data) == alone
    assert examples(4, small_data) == alone
