import json

from jdnet_jax import metrics


def test_scalars_of_one_step_become_one_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = metrics.create_writer(path, tmp_path / "tensorboard", is_writer=True)
    writer.write_scalars(2, {"loss/total": 1.5})
    writer.write_scalars(2, {"val/student/top1": 0.25})
    writer.write_scalars(4, {"loss/total": float("nan")})
    writer.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"step": 2, "loss/total": 1.5, "val/student/top1": 0.25}, {"step": 4, "loss/total": None}]


def test_other_processes_write_nothing(tmp_path):
    writer = metrics.create_writer(tmp_path / "metrics.jsonl", tmp_path / "tensorboard", is_writer=False)
    writer.write_scalars(1, {"a": 1.0})
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_cut_off_is_not_read_and_later_lines_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n{"step": 3, "a": 3}\n{"step": 4, "')
    assert [line["step"] for line in metrics.read(path)] == [1, 2, 3]
    metrics.rewind(path, 2)
    assert path.read_text() == '{"step": 1, "a": 1}\n{"step": 2, "a": 2}\n'


def test_median_throughput(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metrics.median_throughput(path) is None
    rates = [{"step": 0}, *[{"step": i, "images_per_second": rate} for i, rate in enumerate((10.0, 30.0, 20.0), 1)]]
    path.write_text("".join(json.dumps(line) + "\n" for line in rates))
    assert metrics.median_throughput(path) == 20.0
