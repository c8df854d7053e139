"""Weights & Biases in its offline mode, which sends nothing."""

import json
import sys

import pytest

from jdnet_jax.process.errors import UserError
from jdnet_jax.run import wandb_writer


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


@pytest.mark.filterwarnings("default")  # of the package itself
def test_the_figures_of_each_step_are_there_once(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="the extra [wandb] is absent")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    place = tmp_path / "my run"
    place.mkdir()
    writer = wandb_writer.WandbWriter("food", place, {"seed": 3})
    writer.write_scalars(0, {"val/student/top1": 0.25})
    writer.write_scalars(10, {"loss/total": 2.0})
    writer.write_scalars(10, {"accuracy/student": 0.5})
    writer.close()
    wandb.teardown()  # its own process has then written everything
    (file,) = place.glob("wandb/offline-run-*/*.wandb")
    rows, config = [], {}
    for data in _records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            found = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            rows.append({key: value for key, value in found.items() if not key.startswith("_")})
        if record.HasField("run"):
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            assert record.run.project == "food"
    assert rows == [
        {"step": 0, "val/student/top1": 0.25},
        {"step": 10, "loss/total": 2.0, "accuracy/student": 0.5},
    ]
    assert config["seed"] == 3
    assert not [path for path in place.rglob("*") if path.name in ("output.log", "diff.patch", "requirements.txt")]
