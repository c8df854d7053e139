import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jdnet_jax.files import array_file
from jdnet_jax.learning import devices, initial_weights, networks
from jdnet_jax.process.errors import UserError
from jdnet_jax.run import snapshots
from tests import tiny_recipe as tiny


@given(steps=st.integers(1, 500), eval_every=st.integers(1, 600), count=st.integers(0, 9))
def test_the_chosen_steps_are_evaluated_ones_from_the_first_to_the_last(steps, eval_every, count):
    found = snapshots.chosen_steps(steps, eval_every, count)
    evaluated = {0, steps, *range(0, steps, eval_every)}
    assert set(found) <= evaluated
    assert list(found) == sorted(set(found))
    assert len(found) == min(count, len(evaluated))
    if count:
        assert found[-1] == steps
    if count > 1:
        assert found[0] == 0


def test_chosen_steps_by_hand():
    assert snapshots.chosen_steps(2000, 250, 6) == (0, 500, 750, 1250, 1500, 2000)
    assert snapshots.chosen_steps(10, 4, 9) == (0, 4, 8, 10)


@pytest.fixture(scope="module")
def student():
    network = networks.build(tiny.config(), tiny.CLASSES)["student"]
    return network, initial_weights.initialize(network, 0, tiny.CLASSES)


def test_maps_and_probabilities_of_the_true_label(student, tmp_path):
    network, variables = student
    batch = tiny.batch(size=3)
    placed = devices.place(variables)  # on eight devices, as in a run
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        taken = snapshots.Snapshots(folder, {"student": network}, (0, 6), batch)
        for number in (0, 3, 6):
            taken.take(number, {"student": placed})
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["0.npz", "6.npz"]
    assert (tmp_path / "a" / "6.npz").read_bytes() == (tmp_path / "b" / "6.npz").read_bytes()
    outputs = jax.jit(network.module.apply)(variables, network.prepare(batch))
    np.savez(tmp_path / "a" / "photos.npz", **batch)
    photos, at_steps = snapshots.read(tmp_path / "a")
    np.testing.assert_array_equal(photos["label"], batch["label"])
    assert list(at_steps) == [0, 6]
    np.testing.assert_allclose(
        at_steps[6]["student/map"], outputs.activation(jnp.asarray(batch["label"])), rtol=1e-4, atol=1e-5
    )
    shares = jax.nn.softmax(outputs.logits)[np.arange(3), batch["label"]]
    np.testing.assert_allclose(at_steps[0]["student/probability"], shares, rtol=1e-4)


def test_a_run_without_snapshots_has_none(tmp_path):
    assert snapshots.read(tmp_path / "nowhere") == ({}, {})


def test_a_run_that_goes_on_knows_its_files_again(tmp_path, capsys):
    for step in (0, 20):
        array_file.write(tmp_path / f"{step}.npz", {"student/map": np.full((1, 2, 2), step)})
    expected = snapshots.digests(tmp_path)
    array_file.write(tmp_path / "40.npz", {"student/map": np.zeros((1, 2, 2))})  # after the checkpoint
    snapshots.check(tmp_path, expected, 20)
    assert capsys.readouterr().err == ""
    (tmp_path / "0.npz").unlink()
    snapshots.check(tmp_path, expected, 20)
    assert "0.npz is not there: the run goes on from step 20, and the report lacks it" in capsys.readouterr().err
    content = bytearray((tmp_path / "20.npz").read_bytes())
    content[40] ^= 1
    (tmp_path / "20.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"20\.npz is damaged: put back a copy, or delete it"):
        snapshots.check(tmp_path, expected, 20)
    (tmp_path / "20.npz").unlink()
    os.mkfifo(tmp_path / "20.npz")
    with pytest.raises(UserError, match=r"20\.npz is damaged"):
        snapshots.check(tmp_path, expected, 20)
