import numpy as np

from jdnet_jax import data
from jdnet_jax.config import defaults as config_lib
from jdnet_jax.learning import host_batches


def small(monkeypatch, small_data):
    monkeypatch.setenv("TFDS_DATA_DIR", small_data)
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41)}
    config.batch_size, config.eval_batch_size, config.image_size = 16, 10, 32
    return data.prepare(config.dataset), config


def test_a_run_that_goes_on_sees_what_an_untouched_one_does(monkeypatch, small_data):
    dataset, config = small(monkeypatch, small_data)
    whole = host_batches.training(dataset, config, seed=3)
    next(whole)
    expected, found = next(whole), next(host_batches.training(dataset, config, seed=3, start_step=1))
    assert found["label"].shape == (16,)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    other = next(host_batches.training(dataset, config, seed=4, start_step=1))
    assert np.any(other["index"] != found["index"])


def test_evaluation_has_as_many_examples_for_each_of_eight_devices_and_every_photo_once(monkeypatch, small_data):
    dataset, config = small(monkeypatch, small_data)
    batches = list(host_batches.evaluation(dataset, config, "test"))
    assert [len(batch["label"]) for batch in batches] == [16, 16, 16]
    assert sum(int(batch["mask"].sum()) for batch in batches) == 41
