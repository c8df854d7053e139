import pytest

from jdnet_jax import config as config_lib
from jdnet_jax.errors import UserError
from jdnet_jax.workdir import Workdir


def test_the_dataset_is_the_one_that_was_claimed(tmp_path):
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41), "seed": 3}
    place = Workdir(tmp_path)
    place.claim(config)
    found = place.dataset_config()
    assert found.to_dict() == config.dataset.to_dict()
    assert found.options.counts == (64, 24, 41)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"dataset": 3}', '{"dataset": {"name": "food101"}}'])
def test_a_config_that_tells_of_no_dataset(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config.json cannot be read .*: name the dataset with --config"):
        Workdir(tmp_path).dataset_config()
