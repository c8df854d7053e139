from unittest import mock

import pytest
import tensorflow as tf

from jdnet_jax import data
from jdnet_jax.benchmark import accelerators, compilation, input_pipeline
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError


@pytest.fixture
def rates(monkeypatch):
    """An input of 2,000 images a second of CPU time, whose data are not there."""
    monkeypatch.setattr(input_pipeline.run_check, "check", lambda *_, **__: None)
    dataset = mock.Mock(spec=data.Dataset, protocol="photos", decoded=None)
    monkeypatch.setattr(input_pipeline.data, "prepare", lambda _: dataset)
    monkeypatch.setattr(input_pipeline, "_STREAMS", dict.fromkeys(input_pipeline.STAGES, lambda *_: iter(())))
    monkeypatch.setattr(input_pipeline, "_rate", lambda *_: input_pipeline.Rate(3000.0, 2000.0))


def test_it_tells_how_many_cores_feed_a_device(rates, monkeypatch):
    step = {"compiles": True, "images": 128, "roofline": {"arithmetic": 0.01, "bandwidth": 0.064}}

    def measure(config, device, classes, which):
        assert (classes, which) == (101, ("train_step",))
        return {"steps": {"train_step": step}}

    monkeypatch.setattr(compilation, "measure", measure)
    result = input_pipeline.measure(config_lib.default(), 1.0, accelerators.parse("v5e-8"), 101)
    # 8 chips at 128 images in 64 ms each are 16,000 images/s.
    assert result["feeds"] == {"device": "v5e-8", "images_per_second": pytest.approx(16000), "cores": pytest.approx(8)}
    shown = input_pipeline.table({**result, "feeds": {**result["feeds"], "cores": 7.2}})
    assert "v5e-8 takes in 16,000 images/s at most, by its compiler: 8 of these cores feed it" in shown
    assert "feeds" not in input_pipeline.measure(config_lib.default(), 1.0, None, 101)


def test_a_step_that_does_not_compile_is_one_line(rates, monkeypatch):
    failed = {"steps": {"train_step": {"compiles": False, "why": "no tiles"}}}
    monkeypatch.setattr(compilation, "measure", lambda *_: failed)
    with pytest.raises(UserError, match=r"^--device=h100-8: the train step does not compile: no tiles$"):
        input_pipeline.measure(config_lib.default(), 1.0, accelerators.parse("h100-8"), 101)


def test_cpu_time_is_of_all_threads(monkeypatch):
    clock, used = iter([0.0, 0.5, 2.0]), iter([10.0, 14.0])
    monkeypatch.setattr(input_pipeline.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(input_pipeline.time, "process_time", lambda: next(used))
    assert input_pipeline._count(iter([100, 200]), 1.0) == input_pipeline.Rate(50.0, 25.0)


def test_the_stage_augment_makes_the_views_of_the_config(monkeypatch):
    seen = []

    def view(photo, key, image_size, augment, *, fit, crop_of):
        seen.append((image_size, fit))
        return tf.zeros([image_size, image_size, 3], tf.uint8)

    monkeypatch.setattr(input_pipeline.augment, "random_view", view)
    monkeypatch.setattr(input_pipeline, "_counts", lambda dataset, config, number: number(tf.constant(b""), key))
    config, key = config_lib.default(), tf.zeros([2], tf.int64)
    config.fit, config.image_size = "pad", 48
    assert input_pipeline._augment(mock.Mock(spec=data.Dataset, decoded=None), config) == 0
    assert seen == [(48, "pad")]
