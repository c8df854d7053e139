"""Processes that are started by one that is killed."""

import os
import select
import signal
import subprocess
import sys

from tests.commands import ROOT

CHILD = """
import sys, time
from jdnet_jax.process import children
children.end_with_parent()
print("runs", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys, time
from jdnet_jax.process import children
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True, **children.ending_with_this())
time.sleep(600)
"""


def test_a_child_ends_with_a_parent_that_is_killed():
    read, write = os.pipe()  # closed where both have ended
    with (
        open(read, "rb", buffering=0) as output,
        subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=write) as parent,
    ):
        os.close(write)
        line = output.readline()
        parent.send_signal(signal.SIGKILL)
        assert line == b"runs\n"
        assert select.select([output], [], [], 60)[0]
        assert output.read() == b""


def test_a_process_that_nobody_started_so_waits_for_nobody():
    code = "import threading\nfrom jdnet_jax.process import children\nchildren.end_with_parent()\n"
    code += "assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
