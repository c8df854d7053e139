import json

import pytest

from jdnet_jax.process.errors import UserError
from jdnet_jax.run import metrics


def test_scalars_of_one_step_become_one_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with metrics.RunWriter(path, tmp_path / "tensorboard", is_writer=True) as writer:
        writer.write_scalars(2, {"loss/total": 1.5})
        writer.write_scalars(2, {"val/student/top1": 0.25})
        writer.write_scalars(4, {"loss/total": float("nan")})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 2, "loss/total": 1.5, "val/student/top1": 0.25}, {"step": 4, "loss/total": None}]


def test_other_processes_write_nothing(tmp_path):
    with metrics.RunWriter(tmp_path / "metrics.jsonl", tmp_path / "tensorboard", is_writer=False) as writer:
        writer.write_scalars(1, {"a": 1.0})
    assert list(tmp_path.iterdir()) == []


def write_one_line(folder, then=None):
    with metrics.RunWriter(folder / "metrics.jsonl", folder / "tensorboard", is_writer=True) as writer:
        writer.write_scalars(30, {"loss/total": 2.5})
        if then is not None:
            raise then
        writer.flush()


def test_an_error_ends_the_run_with_every_line_on_disk(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_one_line(tmp_path, then=ZeroDivisionError())
    assert metrics.read(tmp_path / "metrics.jsonl") == [{"step": 30, "loss/total": 2.5}]


@pytest.mark.parametrize("victim", ["metrics.jsonl", "tensorboard"])
def test_a_file_that_cannot_be_written_is_one_line(tmp_path, victim):
    """As on a full disk: /dev/full for the lines, TensorFlow's own error for the events."""
    if victim == "metrics.jsonl":
        (tmp_path / victim).symlink_to("/dev/full")
    else:
        (tmp_path / victim).write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"^metrics could not be written in \S+ \([^\n]+\): make room there") as error:
        write_one_line(tmp_path)
    assert "\n" not in str(error.value)


def test_a_line_that_was_cut_off_is_not_read_and_later_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n{"step": 3, "a": 3}\n{"step": 4, "')
    assert [line["step"] for line in metrics.read(path)] == [1, 2, 3]
    metrics.rewind(path, 2)
    assert path.read_text() == '{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n'


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2{"step": 3}\n{"step": 4}\n')
    with pytest.raises(UserError, match=r"metrics.jsonl: line 2 is damaged .*: put back a copy, or delete"):
        metrics.rewind(path, 2)


def test_median_throughput(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metrics.median_throughput(path) is None
    rates = [{"step": 0}, *[{"step": i, "images_per_second": rate} for i, rate in enumerate((10.0, 30.0, 20.0), 1)]]
    path.write_text("".join(json.dumps(line) + "\n" for line in rates))
    assert metrics.median_throughput(path) == 20.0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"null", "it is of no step"),
        (b"{}", "it is of no step"),
        (b"3", "it is of no step"),
        (b'{"step": "3"}', "it is of no step"),
        (b'{"step": true}', "it is of no step"),
        (b'{"step": -1}', "it is of no step"),
        (b'{"step": 1.5}', "it is of no step"),
        (b'{"step": 3, "loss/total": "low"}', "it holds more than numbers"),
        (b'{"step": 3, "loss/total": NaN}', "it holds a number that is not finite"),
        (b'{"step": 3, "loss/total": 1e999}', "it holds a number that is not finite"),
        (b'{"step": 3, "loss/total": 1%b}' % (b"0" * 400), "it holds a number that is not finite"),
        (b"", "Expecting value"),
        (b"\xff", "can't decode"),
        (b"[" * 100_000, ""),
    ],
)
def test_lines_of_another_kind_are_named(tmp_path, line, reason):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 4}\n')
    for use in (metrics.read, metrics.digest, lambda path: metrics.rewind(path, 2), metrics.median_throughput):
        with pytest.raises(UserError, match=rf"metrics.jsonl: line 2 is damaged \(.*{reason}"):
            use(path)


LINES = ['{"step": 0, "a": 1}\n', '{"step": 2, "a": 0.1}\n', '{"step": 4, "a": null}\n']


def test_a_run_goes_on_from_the_lines_that_its_checkpoint_knows(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(LINES[:2]))
    known = metrics.digest(path)
    path.write_text("".join(LINES) + '{"ste')
    metrics.rewind(path, 2, known)
    assert path.read_text() == "".join(LINES[:2])
    for lost in (LINES[:1], LINES[1:], [], [LINES[0], LINES[1].replace("0.1", "0.2"), LINES[2]]):
        path.write_text("".join(lost))
        with pytest.raises(UserError, match=r"does not hold the lines that were written up to step 2: put back a copy"):
            metrics.rewind(path, 2, known)
        assert path.read_text() == "".join(lost)


def test_lines_that_were_deleted_are_told(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(LINES))
    known = metrics.digest(path)
    path.unlink()
    metrics.rewind(path, 4, metrics.digest(path))
    assert capsys.readouterr().err == ""
    metrics.rewind(path, 4, known)
    assert f"note: {path} is not there: the run goes on" in capsys.readouterr().err
