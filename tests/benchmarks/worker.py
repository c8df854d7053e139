"""The loop of a process that step_vs_pytorch.py measures; needs nothing but Python."""

import json
import resource
import sys
import time


def loop(run):
    """Says that it is ready after two runs; then answers each line, a number of runs, with the seconds of each.

    At the end of stdin it says how much memory the process held at most, in bytes.
    """
    for _ in range(2):
        run()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - began)
        print(json.dumps(seconds), flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
