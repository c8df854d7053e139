"""Real processes, joined over loopback, make up the same global batches whatever their number."""

import json
import os
import socket
import subprocess
import sys

import pytest

from configs.demo import get_config
from tests import process_batches
from tests.commands import ROOT, SMALL

BATCH, STEPS = 16, 9  # 64 photos: nine batches reach into the third epoch


FLAGS = (*SMALL, f"--config.batch_size={BATCH}", "--config.augment.mixup=0.4", "--config.augment.repeats=2")


def examples(processes, small_data):
    """{"batch row": digest} over all of so many real processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.process_batches", *map(str, (port, processes, i, STEPS)), *FLAGS],
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


def examples_here(rows, small_data, monkeypatch):
    """The same of these rows, in this process."""
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    config = get_config()
    config.dataset.options.counts = (64, 24, 41)
    config.batch_size, config.image_size = BATCH, 32
    config.augment.update(mixup=0.4, repeats=2)
    return process_batches.digests(config, list(rows), STEPS)


@pytest.mark.slow
def test_one_two_and_four_processes_see_the_same_global_batches(small_data, monkeypatch):
    alone = examples_here(range(BATCH), small_data, monkeypatch)
    assert len(alone) == BATCH * STEPS
    assert len(set(alone.values())) > BATCH * STEPS / 2
    assert examples(2, small_data) == alone
    four = {}
    for i in range(4):
        own = examples_here(range(BATCH * i // 4, BATCH * (i + 1) // 4), small_data, monkeypatch)
        assert len(own) == BATCH * STEPS / 4
        four.update(own)
    assert four == alone
