import os

import pytest

from jdnet_jax.inference import cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot confine a process to CPUs")
def test_a_confined_process_counts_its_own():
    whole = os.sched_getaffinity(0)
    assert cpus.available() == len(whole)
    try:
        os.sched_setaffinity(0, {min(whole)})
        assert cpus.available() == 1
    finally:
        os.sched_setaffinity(0, whole)


def test_where_no_process_can_be_confined_all_count(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert cpus.available() == 3
