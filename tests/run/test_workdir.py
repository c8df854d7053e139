import fcntl
import subprocess
import sys

import pytest

from jdnet_jax.config import defaults as config_lib
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir, text_of


def test_the_dataset_is_the_one_that_was_claimed(tmp_path):
    config = config_lib.default()
    config.dataset.options = {"counts": (64, 24, 41), "seed": 3}
    config.dataset.cache = True
    place = Workdir(tmp_path)
    place.claim(config)
    found = place.dataset_config()
    assert found.to_dict() == {**config.dataset.to_dict(), "cache": False}
    assert found.options.counts == (64, 24, 41)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"dataset": 3}', '{"dataset": {"name": "food101"}}'])
def test_a_config_that_tells_of_no_dataset(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config.json cannot be read .*: name the dataset with --config"):
        Workdir(tmp_path).dataset_config()


def test_keys_that_are_free_to_change_are_kept_as_they_are_now(tmp_path):
    config = config_lib.default()
    place = Workdir(tmp_path)
    place.claim(config)
    place.checkpoints.mkdir()
    (place.checkpoints / "100").mkdir()
    config.dataset.data_dir = "where the photos lie now"
    place.claim(config)
    assert place.dataset_config().data_dir == "where the photos lie now"
    config.seed += 1
    with pytest.raises(UserError, match="belongs to a run of another config, which differs in seed"):
        place.claim(config)
    assert Workdir(tmp_path / "not there" / "yet").held().__enter__() is None


def test_the_text_of_a_config_is_that_of_its_values():
    a, b = config_lib.default(), config_lib.default()
    b.dataset.data_dir = "elsewhere"
    assert text_of(a, but="dataset.data_dir") == text_of(b, but="dataset.data_dir")
    assert a.dataset.data_dir != "elsewhere"
    b.augment.flip = not b.augment.flip
    assert text_of(a, but="dataset.data_dir") != text_of(b, but="dataset.data_dir")


def test_one_process_trains_in_a_folder(tmp_path):
    place = Workdir(tmp_path)
    with place.held():
        with pytest.raises(UserError, match=r"--workdir=.*: another process is training there: let it end, or stop it"):
            place.held().__enter__()
        code = "from jdnet_jax.run.workdir import Workdir; import sys; Workdir(sys.argv[1]).held().__enter__()"
        other = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
        assert "another process is training there" in other.stderr
    with place.held():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_keeps_nobody(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Workdir(tmp_path).held(), Workdir(tmp_path).held():
        pass
