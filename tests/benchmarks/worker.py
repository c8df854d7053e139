"""The loop of a process that step_vs_pytorch.py measures; needs nothing but Python."""

import json
import re
import sys
import time
from pathlib import Path


def loop(run):
    """Says that it is ready after two runs; then answers each line, a number of runs, with the seconds of each.

    At the end of stdin it says how much memory the process held at most in these runs, in bytes.
    """
    for _ in range(2):
        run()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, such as the compiler's, is forgotten
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        print(json.dumps(seconds), flush=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak[1]) * 1024, flush=True)
