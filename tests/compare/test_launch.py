"""The launcher, with a training that takes a moment in place of `jdnet_jax.main`."""

import dataclasses
import os
import shutil
import signal
import sys
import threading
import time

import pytest

from jdnet_jax.compare import launch, plan
from jdnet_jax.run.workdir import Workdir
from tests.compare import runs

# Stands in for Python: finishes the run, or does what the run's folder says in `do`.
_TRAINING = """#!{python}
import json, os, pathlib, signal, sys, time
place = pathlib.Path(sys.argv[-1].removeprefix("--workdir="))
(place / "started").write_text(str(time.monotonic()) + " " + str(sorted(os.sched_getaffinity(0))))
do = (place / "do").read_text() if (place / "do").exists() else ""
if do == "fail":
    print("error: no luck", flush=True)
    sys.exit(2)
if do == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    (place / "ready").write_text("")
    time.sleep(60)
assert pathlib.Path(sys.argv[-2].removeprefix("--config=")).exists()
scores = {{"top1": 0.5, "top5": 1.0, "macro_f1": 0.5, "count": 2}}
student = {{"model": "resnet_tiny", "params": 1, "val": scores, "test": scores}}
summary = {{"recipe": "ce", "dataset": "d", "protocol": "p", "step": 1, "steps": 1, "seed": 0}}
summary["images_per_second"] = None
(place / "summary.json").write_text(json.dumps({{**summary, "student": student, "teachers": {{}}}}))
"""


@pytest.fixture(autouse=True)
def _short_training(tmp_path, monkeypatch):
    script = tmp_path / "training"
    script.write_text(_TRAINING.format(python=sys.executable))
    script.chmod(0o755)
    monkeypatch.setattr(launch.sys, "executable", str(script))
    monkeypatch.setattr(launch, "_POLL", 0.02)


def a_run(folder, name, needs=(), do=""):
    place = Workdir(folder / name)
    place.claim(runs.config("ce", 0))
    (place.path / "do").write_text(do)
    return plan.Run(name, "ce", 0, runs.config("ce", 0), place, needs)


def launcher(folder, jobs=1, cores=0):
    said = []
    return launch.Launcher(folder, jobs, cores, said.append), said


def test_a_failure_ends_those_that_need_it_and_no_others(tmp_path):
    planned = [
        a_run(tmp_path, "teacher", do="fail"),
        a_run(tmp_path, "kd", needs=("teacher",)),
        a_run(tmp_path, "ce"),
    ]
    started, said = launcher(tmp_path)
    assert started.run_all(planned)
    assert started.failed == {"teacher": "status 2: error: no luck", "kd": "needs teacher"}
    assert planned[2].place.finished() is not None
    assert not (tmp_path / "kd" / "started").exists()
    assert any(line.startswith("run 3 of 3, ce: test top-1 50 % of 2 (9 to 91), after ") for line in said)
    assert "run 1 of 3, teacher: failed with status 2: error: no luck" in said


def test_what_is_finished_is_not_trained_again(tmp_path):
    planned = [a_run(tmp_path, name) for name in ("a", "b")]
    assert launcher(tmp_path)[0].run_all(planned)
    for run in planned:
        (run.place.path / "started").unlink()
    started, said = launcher(tmp_path)
    assert started.run_all(planned)
    assert said == ["2 of 2 runs are finished already"]
    assert not (tmp_path / "a" / "started").exists()


def test_a_teacher_that_no_run_needs_any_more_is_not_trained_again(tmp_path):
    teacher, student = a_run(tmp_path, "teacher"), a_run(tmp_path, "kd", needs=("teacher",))
    teacher = dataclasses.replace(teacher, recipe="")
    assert launcher(tmp_path)[0].run_all([teacher, student])
    shutil.rmtree(teacher.place.path)
    assert launcher(tmp_path)[0].run_all([teacher, student])
    assert not teacher.place.path.exists()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: ())(0)) < 2, reason="needs two cores")
def test_runs_beside_each_other_wait_for_what_they_need(tmp_path):
    planned = [a_run(tmp_path, "a"), a_run(tmp_path, "b"), a_run(tmp_path, "c", needs=("a", "b"))]
    assert launcher(tmp_path, jobs=2, cores=1)[0].run_all(planned)
    began = {run.name: float((run.place.path / "started").read_text().split()[0]) for run in planned}
    for needed in ("a", "b"):
        assert began[needed] < began["c"]


def test_a_signal_is_passed_on_once_and_the_same_runs_go_on_later(tmp_path):
    planned = [a_run(tmp_path, "a", do="wait"), a_run(tmp_path, "b")]
    started, said = launcher(tmp_path)

    def interrupt():
        while not (tmp_path / "a" / "ready").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=interrupt)
    thread.start()
    assert not started.run_all(planned)
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert started.failed == {"a": "interrupted"}
    assert not (tmp_path / "b" / "started").exists()
    assert "SIGTERM: ending 1 runs, which save where they are" in said
    (tmp_path / "a" / "do").write_text("")
    assert launcher(tmp_path)[0].run_all(planned)
    assert all(run.place.finished() for run in planned)


def test_a_run_that_another_process_still_trains_is_waited_for(tmp_path):
    run = a_run(tmp_path, "a")
    started, said = launcher(tmp_path)
    ended = threading.Event()

    def train():
        with run.place.held():
            while not any("waiting" in line for line in said):
                time.sleep(0.02)
            assert not (run.place.path / "started").exists()
        ended.set()

    thread = threading.Thread(target=train)
    thread.start()
    while not run.place.is_held():
        time.sleep(0.02)
    assert started.run_all([run])
    thread.join()
    assert ended.is_set()
    assert said[0] == "run 1 of 1, a: another process still trains there; waiting for its end"
    assert run.place.finished() is not None


@pytest.mark.parametrize("moment", ["process", "line"])
def test_a_signal_while_a_run_is_being_started_ends_it_too(tmp_path, monkeypatch, moment):
    started, said = launcher(tmp_path, jobs=2)
    begun = []
    start, say = launch.subprocess.Popen, started._say

    def interrupt(now):
        if now == moment and len(begun) == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def starting(*args, **kwargs):
        begun.append(start(*args, **kwargs))
        interrupt("process")
        return begun[-1]

    def saying(text):
        say(text)
        if text.startswith("run 1 of 2, a: started"):
            interrupt("line")

    monkeypatch.setattr(launch.subprocess, "Popen", starting)
    monkeypatch.setattr(started, "_say", saying)
    assert not started.run_all([a_run(tmp_path, "a", do="wait"), a_run(tmp_path, "b")])
    (process,) = begun
    assert process.returncode in (75, -signal.SIGTERM)  # the latter before it listens
    assert "a" in started.failed
    assert any(text.startswith("SIGTERM: ending ") for text in said)
