"""The train step and the evaluation step against PyTorch eager, side by side on this machine.

    JDNET_PARITY_PYTHON=PYTHON_WITH_TIMM python -m tests.benchmarks.step_vs_pytorch [--cases=joint,student]
    python -m tests.benchmarks.step_vs_pytorch --before=FOLDER   # against another checkout of this repository instead

The same architectures (ResNet-50 teacher, MobileNetV2 student; timm's on the other side), 8 images of 128 px, float32,
AdamW, both networks' cross-entropy and, in the joint step, cosine alignment of four stages with 1x1 convolutions and
BatchNorm as adapters, whose gradient into the teacher is scaled. PyTorch runs eagerly in channels_last with its fused
AdamW; its step also waits for the loss, as ours for the whole state. Each side of each case is a process of its own,
which compiles and warms up first and waits while the others run; all take turns, five runs each, so that rows can be
compared as well as sides. Figures are medians. Memory is the most that the process held resident during those runs,
libraries included and what compiling needed before not; all cases together need 15 GB. Linux.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.other_python import other_python

CASES = ("joint", "teacher", "student", "eval_teacher", "eval_student")
ROUNDS, RUNS, IMAGE_SIZE, BATCH, CLASSES = 3, 5, 128, 8, 101


class Side:
    """A process that runs steps when it is told to."""

    def __init__(self, command, folder=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)
        while (line := self._line()) != "ready":
            if not line:
                raise SystemExit(f"{command} ended before it was ready")

    def run(self, count):
        """Seconds of each run."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def end(self):
        """Bytes that it held at most."""
        self.process.stdin.close()
        memory = int(self._line())
        self.process.wait()
        return memory

    def _line(self):
        return self.process.stdout.readline().strip()


def compare(cases, rounds, before):
    """Medians of both sides of each case."""
    sides = {}
    for case in cases:
        sides[case] = start(case, before)
        print(f"{case}: both sides have compiled and warmed up", file=sys.stderr, flush=True)
    seconds = {case: {name: [] for name in both} for case, both in sides.items()}
    for _ in range(rounds):
        for case, both in sides.items():
            for name, side in both.items():
                seconds[case][name] += side.run(RUNS)
    return {case: summary(seconds[case], both) for case, both in sides.items()}


def start(case, before):
    """Both sides of a case, ready to run."""
    ours_command = [sys.executable, "-m", "tests.benchmarks.step_vs_pytorch", f"--worker={case}"]
    if before is not None:
        return {"ours": Side(ours_command), "before": Side(ours_command, before)}
    script = Path(__file__).with_name("pytorch_step.py")
    theirs_command = [other_python(), str(script), case, str(IMAGE_SIZE), str(BATCH)]
    return {"ours": Side(ours_command), "PyTorch": Side(theirs_command)}


def summary(seconds, sides):
    """Medians of a case, whose sides end."""
    result = {
        name: {"seconds": statistics.median(seconds[name]), "fastest": min(seconds[name]), "memory": side.end()}
        for name, side in sides.items()
    }
    for side in result.values():
        side["images_per_second"] = BATCH / side["seconds"]
    ours, other = result.values()
    ratios = {key: other[key] / ours[key] for key in ("seconds", "fastest")}
    return {**result, "speed": ratios["seconds"], "speed_of_fastest": ratios["fastest"]}


def config(case):
    """Our config of a case."""
    from jdnet_jax.config import default
    from jdnet_jax.config.recipes import apply_recipe

    result = default()
    result.image_size, result.batch_size, result.steps = IMAGE_SIZE, BATCH, 1000
    result.schedule.learning_rate = 1e-4
    if case.endswith("teacher"):
        result.student.model = "resnet50"
    return apply_recipe(result, "jdnet-ial" if case == "joint" else "ce")


def work(case):
    """The worker: our side."""
    from jdnet_jax.process import command_line, huge_pages

    huge_pages.ask()  # as every command does
    command_line.set_up_libraries()
    import jax

    from jdnet_jax.benchmark import made_up
    from jdnet_jax.learning import devices
    from jdnet_jax.process import unused_memory
    from tests.benchmarks.worker import loop

    parts = made_up.build(config(case), CLASSES)
    state = devices.place(parts.initial_state())
    if case.startswith("eval"):
        evaluate, batch = devices.mapped(parts.eval_step()), made_up.eval_batch(parts.config, CLASSES)
        variables = {name: state.variables(name) for name in parts.networks}
        loop(lambda: jax.block_until_ready(evaluate(variables, batch)))
        return
    train = devices.mapped(parts.train_step(), donate_state=True)
    batch = made_up.train_batch(parts.config, CLASSES)

    def run():
        nonlocal state
        state, _ = train(state, batch)
        jax.block_until_ready(state)

    run()
    unused_memory.give_back()  # as a run does behind its first step
    loop(run)


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="a checkout to compare with instead of PyTorch")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--worker", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker)
        return
    found = compare(arguments.cases.split(","), arguments.rounds, arguments.before)
    names = ("ours", "PyTorch" if arguments.before is None else "before")
    if {"joint", "teacher", "student"} <= found.keys():
        for name in names:
            alone = sum(found[case][name]["seconds"] for case in ("teacher", "student"))
            found["joint"][name]["of_both_alone"] = found["joint"][name]["seconds"] / alone
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{'':<14}{names[0]:>24}{names[1]:>24}{'speed':>8}{'memory':>18}")
    for case, row in found.items():
        sides = [row[name] for name in names]
        cells = [f"{1e3 * side['seconds']:.0f} ms {side['images_per_second']:.1f} img/s" for side in sides]
        memory = " / ".join(f"{side['memory'] / 1e6:.0f}" for side in sides) + " MB"
        print(f"{case:<14}{cells[0]:>24}{cells[1]:>24}{row['speed']:>7.2f}x{memory:>18}")
        if "of_both_alone" in row["ours"]:
            parts = [f"{name} {row[name]['of_both_alone']:.2f}x" for name in names]
            print(f"{'':<14}the joint step costs, of the sum of both networks' own: {', '.join(parts)}")


if __name__ == "__main__":
    main()
