"""Weights & Biases in its offline mode, which sends nothing."""

import json
import shutil
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from jdnet_jax.data import Dataset
from jdnet_jax.figures.classification import Result
from jdnet_jax.learning.assembly import Assembly
from jdnet_jax.learning.evaluation import Evaluation
from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import Progress
from jdnet_jax.run import metrics, wandb_writer
from jdnet_jax.run.non_finite import NonFinitePolicy
from jdnet_jax.run.recorder import Recorder
from jdnet_jax.run.workdir import Workdir
from tests import tiny_recipe


def test_without_a_project_nothing_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    wandb_writer.check("")
    with pytest.raises(UserError, match=r"config.wandb=food needs the package wandb: pip install 'jdnet-jax\[wandb\]'"):
        wandb_writer.check("food")


def test_without_a_key_it_does_not_begin(monkeypatch):
    pytest.importorskip("wandb", reason="the extra [wandb] is absent")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(UserError, match="WANDB_API_KEY is not set; set it, or WANDB_MODE=offline"):
        wandb_writer.check("food")
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb_writer.check("food")


def _records(content):
    """The records of wandb's file: LevelDB's log, blocks of 32 KiB with parts of records, behind 7 bytes of its own."""
    at, parts = 7, b""
    while at + 7 <= len(content):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def _written(wandb, place):
    """What each of wandb's files in a folder says, the oldest first: the rows of figures, config, summary, run."""
    from wandb.proto import wandb_internal_pb2

    wandb.teardown()  # its own process has then written everything
    for file in sorted(place.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime_ns):
        rows, config, summary, run = [], {}, {}, None
        for data in _records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                found = {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
                }
                rows.append({key: value for key, value in found.items() if not key.startswith("_")})
            if record.HasField("summary"):
                summary |= {item.key: json.loads(item.value_json) for item in record.summary.update}
            if record.HasField("run"):
                config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
                run = record.run
        yield rows, config, summary, run


@pytest.mark.filterwarnings("default")  # of the package itself
def test_the_figures_of_each_step_are_there_once(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the extra [wandb] is absent")
    monkeypatch.setenv("WANDB_MODE", "offline")
    place = tmp_path / "my run"
    place.mkdir()
    writer = wandb_writer.WandbWriter("food", place, {"seed": 3})
    writer.write_scalars(0, {"val/student/top1": 0.25})
    writer.write_scalars(10, {"loss/total": 2.0})
    writer.write_scalars(10, {"accuracy/student": 0.5})
    writer.conclude({"test/student/top1": 0.75})
    writer.close()
    ((rows, config, summary, run),) = _written(wandb, place)
    lines = [
        {"step": 0, "val/student/top1": 0.25},
        {"step": 10, "loss/total": 2.0, "accuracy/student": 0.5},
    ]
    assert rows == lines
    assert config["seed"] == 3
    assert summary["test/student/top1"] == 0.75
    assert (run.project, run.display_name) == ("food", "my run")
    assert not [path for path in place.rglob("*") if path.name in ("output.log", "diff.patch", "requirements.txt")]
    # A second start is the same run, and as its folder replaces the first where both are sent, it has all.
    writer = wandb_writer.WandbWriter("food", place, {"seed": 3}, [*lines, {"step": 15, "loss/mskd": None}])
    writer.write_scalars(20, {"loss/total": 1.0})
    writer.close()
    _, (rows, _, _, again) = _written(wandb, place)
    assert rows == [*lines, {"step": 15}, {"step": 20, "loss/total": 1.0}]
    assert again.run_id == run.run_id
    # Another run whose folder has the same name is another one there.
    shutil.rmtree(place / "wandb")
    wandb_writer.WandbWriter("food", place, {}).close()
    ((_, _, _, other),) = _written(wandb, place)
    assert other.run_id != run.run_id


class Failing:
    """A stand-in for the package that fails at one of its calls."""

    def __init__(self, fails_at):
        self._fails_at, self.called, self.concluded = fails_at, [], {}
        self.offline = False
        self.Settings = type("Settings", (), {"model_fields": {}, "__init__": lambda self, **_: None})

    def _call(self, name):
        self.called.append(name)
        if name == self._fails_at:
            raise BrokenPipeError(f"the service is\ngone at {name}")

    def init(self, **_):
        self._call("init")
        return self

    def define_metric(self, *_, **__):
        self._call("define_metric")

    def log(self, _):
        self._call("log")

    @property
    def summary(self):
        self._call("summary")
        return self.concluded

    def finish(self):
        self._call("finish")


@pytest.mark.parametrize(
    ("fails_at", "called"),
    [
        ("init", ["init"]),
        ("define_metric", ["init", "define_metric"]),
        ("log", ["init", "define_metric", "log"]),
        ("summary", ["init", "define_metric", "log", "summary"]),
        ("finish", ["init", "define_metric", "log", "summary", "log", "finish"]),
    ],
)
def test_what_fails_there_does_not_end_the_training(tmp_path, monkeypatch, capsys, fails_at, called):
    package = Failing(fails_at)
    monkeypatch.setitem(sys.modules, "wandb", package)
    writer = wandb_writer.WandbWriter("food", tmp_path, {})
    everything = metrics.RunWriter(tmp_path / "m.jsonl", tmp_path / "tb", is_writer=True, others=[writer])
    with everything:
        everything.write_scalars(1, {"loss/total": 2.0})
        everything.write_scalars(2, {"loss/total": 1.0})
        writer.conclude({"test/student/top1": 0.5})
    assert package.called == called
    assert metrics.read(tmp_path / "m.jsonl") == [{"step": 1, "loss/total": 2.0}, {"step": 2, "loss/total": 1.0}]
    said = capsys.readouterr().err
    assert said.count("warning: ") == 1
    assert f"Weights & Biases fails (the service is gone at {fails_at}): it gets no more figures" in said


def test_a_teacher_that_is_trained_first_is_named_after_its_student():
    assert wandb_writer._name(Path("/runs/mine/teachers/teacher")) == "mine/teachers/teacher"
    assert wandb_writer._name(Path("/runs/mine")) == "mine"


def test_a_run_concludes_with_its_test(tmp_path, monkeypatch):
    package = Failing("nothing")
    monkeypatch.setitem(sys.modules, "wandb", package)
    parts = [Mock(spec=kind) for kind in (Dataset, Assembly, Progress, Evaluation, NonFinitePolicy)]
    for project, count in (("", 0), ("food", 4)):
        recorder = Recorder(tiny_recipe.config(wandb=project), *parts, None)
        with recorder.open(Workdir(tmp_path), is_writer=True):
            recorder.conclude({"student": Result(np.array([[3, 1], [0, 4]]), top5_count=8, loss=0.5)})
        assert len(package.concluded) == count
    assert (package.concluded["test/student/top1"], package.concluded["test/student/loss"]) == (7 / 8, 0.5)
