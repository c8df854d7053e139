import dataclasses
import errno
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jdnet_jax.files import checksums
from jdnet_jax.files.plain_path import LiteralPath
from jdnet_jax.learning import devices
from jdnet_jax.learning.state import TrainState
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.checkpoint import Checkpoints


def state_at(step: int) -> TrainState:
    return TrainState(
        step=jnp.int32(step),
        rng=jax.random.key_data(jax.random.key(0)),
        params={"student": {"kernel": jnp.full((2, 3), float(step))}},
        batch_stats={"student": {}},
        opt_state={},
        ema={},
    )


def saved(folder, accuracies, keep=1):
    checkpoints = Checkpoints(folder, keep)
    for step, accuracy in accuracies.items():
        checkpoints.save(state_at(step), accuracy)
    checkpoints.wait()
    return checkpoints


def test_the_newest_and_the_best_are_kept_and_known_again_by_another_process(tmp_path):
    first = saved(tmp_path, {1: 0.2, 2: 0.9, 3: 0.4, 4: 0.5, 5: None})
    assert (first.latest_step(), first.best_step()) == (5, 2)
    first.close()
    second = Checkpoints(tmp_path, 1)
    assert (second.latest_step(), second.best_step()) == (5, 2)
    second.save(state_at(6), 0.6)
    second.wait()
    assert (second.latest_step(), second.best_step()) == (6, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "6"}
    second.close()


def test_of_equals_the_later_is_the_best(tmp_path):
    checkpoints = saved(tmp_path, {1: 0.5, 2: 0.5}, keep=2)
    assert checkpoints.best_step() == 2
    checkpoints.close()


def test_round_trip_is_exact(tmp_path):
    checkpoints = saved(tmp_path, {3: 0.1})
    restored = checkpoints.restore(3, state_at(0))
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(state_at(3)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    checkpoints.close()


def test_a_state_on_every_device_is_copied_before_its_memory_is_used_again(tmp_path):
    """The next step overwrites the state while its checkpoint is written; it comes back on every device."""
    large = devices.place(dataclasses.replace(state_at(3), params={"student": {"kernel": jnp.arange(2.0**20)}}))
    assert len(large.params["student"]["kernel"].sharding.device_set) == jax.device_count() == 8
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.save(large, 0.1)
    overwritten = jax.jit(lambda state: jax.tree.map(jnp.zeros_like, state), donate_argnums=0)(large)
    checkpoints.wait()
    restored = checkpoints.restore(3, overwritten)
    np.testing.assert_array_equal(restored.params["student"]["kernel"], np.arange(2.0**20, dtype=np.float32))
    for a, b in zip(jax.tree.leaves(restored), jax.tree.leaves(overwritten), strict=True):
        assert a.sharding == b.sharding
    checkpoints.close()


def test_a_checkpoint_whose_state_had_another_part_is_of_another_version(tmp_path):
    """The run's config is the same, so what wrote it was not."""
    checkpoints = saved(tmp_path, {3: 0.1})
    other = dataclasses.replace(state_at(0), ema={"params": {}})
    with pytest.raises(UserError) as caught:
        checkpoints.restore(3, other)
    assert str(caught.value) == (
        f"checkpoint {tmp_path / '3'} cannot be restored (User-provided restore item and on-disk value metadata tree "
        "structures do not match): go on with the version of jdnet_jax that wrote it, delete that folder to go on from "
        "an older one, or choose another --workdir"
    )
    checkpoints.close()


def test_notes_come_back_as_they_were(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2)
    notes = {"unlogged": [{"loss/total": float(np.float32(0.1))}, {"loss/total": float("nan")}], "skips": 2}
    checkpoints.save(state_at(1), None, notes)
    checkpoints.save(state_at(2), 0.5)
    checkpoints.wait()
    assert str(checkpoints.notes(1)) == str(notes)  # NaN is not equal to itself
    assert checkpoints.notes(2) == {}
    checkpoints.close()


def test_a_checkpoint_of_other_shapes_is_named(tmp_path):
    checkpoints = saved(tmp_path, {3: 0.1})
    other = dataclasses.replace(state_at(0), params={"student": {"weight": jnp.zeros(4)}})
    with pytest.raises(UserError, match=r"checkpoint .*3 cannot be restored"):
        checkpoints.restore(3, other)
    assert checkpoints.last_good() == f"the last good checkpoint is {tmp_path / '3'}"
    checkpoints.close()


def test_checkpoints_at_multiples_are_kept_beside_the_newest_and_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, 1, keep_every=3)
    for step, accuracy in {1: 0.2, 2: 0.9, 3: 0.4, 4: 0.5, 5: 0.1, 6: 0.1, 7: 0.1, 8: None}.items():
        checkpoints.save(state_at(step), accuracy)
    checkpoints.close()
    assert {path.name for path in tmp_path.iterdir()} == {"2", "3", "6", "8"}


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file: file.write_bytes(b""),
    "deleted": lambda file: file.unlink(),
}


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    saved(folder, {3: 0.5, 6: 0.4}, keep=2).close()
    return folder


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_to_any_file_of_the_newest_is_named_and_the_one_before_is_used(two_checkpoints, tmp_path, capsys, how):
    names = [name for name in files_of(two_checkpoints / "6") if (two_checkpoints / "6" / name).stat().st_size]
    assert len(names) >= 8
    for i, name in enumerate(names):
        folder = tmp_path / str(i)
        shutil.copytree(two_checkpoints, folder)
        DAMAGES[how](folder / "6" / name)
        checkpoints = Checkpoints(folder, 2)
        assert (checkpoints.latest_step(), checkpoints.best_step()) == (3, 3), name
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"checkpoint {folder / '6'} is damaged (")
        # A digest that was changed in the list looks like a change of the file that it belongs to.
        assert name in lines[0] or name == "SHA256SUMS"
        assert (folder / "6.damaged").is_dir()
        if i == 0:  # the step is reached again, and saved under its own name
            restored = checkpoints.restore(3, state_at(0))
            np.testing.assert_array_equal(restored.params["student"]["kernel"], np.full((2, 3), 3.0))
            checkpoints.save(state_at(6), 0.4)
            checkpoints.wait()
            assert checkpoints.latest_step() == 6
        checkpoints.close()


def test_a_damaged_best_is_named_and_the_next_best_is_used(two_checkpoints, tmp_path, capsys):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    flip(max((folder / "3" / "default").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else -1))
    checkpoints = Checkpoints(folder, 2)
    assert checkpoints.latest_step() == 6
    assert checkpoints.best_step() == 6
    assert f"checkpoint {folder / '3'} is damaged (default/" in capsys.readouterr().err
    assert not (folder / "3").exists()
    checkpoints.close()


def test_where_no_checkpoint_is_good_one_line_says_so_and_nothing_is_moved(two_checkpoints, tmp_path):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    for step in ("3", "6"):
        flip(folder / step / "metrics" / "metrics")
    with pytest.raises(UserError) as error:
        Checkpoints(folder, 2)
    assert str(error.value).startswith(
        f"no checkpoint in {folder} is good (6: metrics/metrics has changed; 3: metrics/metrics has changed): put back"
    )
    assert {path.name for path in folder.iterdir()} == {"3", "6"}


def test_a_save_that_was_killed_before_its_checksums_is_as_if_it_had_not_begun(two_checkpoints, tmp_path, monkeypatch):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")

    def full_disk(directory):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checkpoints = Checkpoints(folder, 2)
    with monkeypatch.context() as patch:
        patch.setattr(checksums, "write", full_disk)
        checkpoints.save(state_at(9), 0.9)
        with pytest.raises(UserError, match=r"No space left on device\); the last good checkpoint is .*/6: make room"):
            checkpoints.wait()
    assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"3", "6", "9"}
    again = Checkpoints(folder, 2)
    assert (again.latest_step(), again.best_step()) == (6, 3)
    again.save(state_at(9), 0.9)
    again.wait()
    assert {path.name for path in folder.iterdir()} == {"6", "9"}
    again.close()


def test_a_copy_under_the_name_of_another_step_is_found_out(two_checkpoints, tmp_path, capsys):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    shutil.copytree(folder / "3", folder / "9")
    shutil.copytree(folder / "3", folder / "06")
    shutil.copytree(folder / "3", folder / "٣")
    shutil.copytree(folder / "3", folder / "3 (copy)")
    checkpoints = Checkpoints(folder, 2)
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (6, 3)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": set aside")[0] for line in lines] == [
        f"checkpoint {folder / '06'} is damaged (no step has that name)",
        f"checkpoint {folder / '٣'} is damaged (no step has that name)",
        f"checkpoint {folder / '9'} is damaged (it is a copy of step 3)",
    ]
    checkpoints.close()


def test_a_copy_of_a_checkpoint_of_an_earlier_version_is_not_restored(two_checkpoints, tmp_path):
    """They have no file that names their step; the state does."""
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    for step in ("3", "6"):
        (folder / step / "STEP").unlink()
        checksums.write(folder / step)
    shutil.copytree(folder / "3", folder / "9")
    checkpoints = Checkpoints(folder, 3)
    assert int(checkpoints.restore(6, state_at(0)).step) == 6
    with pytest.raises(UserError, match=r"checkpoint .*9 cannot be restored \(it is of step 3\): .*delete that folder"):
        checkpoints.restore(9, state_at(0))
    checkpoints.close()


@pytest.mark.parametrize("name", ["food [v1]", "a*b", "what?"])
def test_a_folder_whose_name_is_a_pattern(tmp_path, name):
    folder = tmp_path / name / "checkpoints"
    saved(folder, {3: 0.5, 6: 0.4}, keep=2).close()
    assert (folder / "6" / "default" / "manifest.ocdbt").is_file()
    checkpoints = Checkpoints(folder, 2)
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (6, 3)
    np.testing.assert_array_equal(checkpoints.restore(6, state_at(0)).params["student"]["kernel"], np.full((2, 3), 6.0))
    checkpoints.close()


def test_what_orbax_did_not_finish_is_no_checkpoint(two_checkpoints, tmp_path, monkeypatch):
    """Its merging of files is what a pattern in a name once kept from happening, with a warning alone."""
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    checkpoints = Checkpoints(folder, 2)
    with monkeypatch.context() as patch:
        patch.setattr(LiteralPath, "glob", lambda self, pattern: iter(()))
        checkpoints.save(state_at(9), 0.9)
        with pytest.raises(UserError, match=r"\(Orbax wrote no manifest.ocdbt\); the last good checkpoint is .*/6"):
            checkpoints.wait()
    again = Checkpoints(folder, 2)
    assert (again.latest_step(), again.best_step()) == (6, 3)
    again.close()


def given_up(checkpoints, monkeypatch):
    """The save that goes on ends as one does that the clock kept from its end."""
    checkpoints.wait_of = checkpoints._manager.wait_until_finished
    monkeypatch.setattr(checkpoints._manager, "wait_until_finished", lambda: raise_once(checkpoints, monkeypatch))


def raise_once(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoints._manager, "wait_until_finished", checkpoints.wait_of)
    checkpoints.wait_of()
    shutil.rmtree(checkpoints.directory / "3")
    raise TimeoutError


def test_a_save_that_was_given_up_is_repeated_where_its_state_is_still_there(tmp_path, monkeypatch, capsys):
    checkpoints = Checkpoints(tmp_path, 2)
    state = state_at(3)
    checkpoints.save(state, 0.9)
    given_up(checkpoints, monkeypatch)
    checkpoints.wait()
    assert "so a save was given up as too slow: it is repeated" in capsys.readouterr().err
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (3, 3)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "other", 2)
    checkpoints.save(state, 0.9)
    given_up(checkpoints, monkeypatch)
    jax.tree.map(lambda leaf: leaf.delete(), state)
    checkpoints.save(state_at(6), 0.5)
    assert "so a save was given up as too slow: the next one is awaited" in capsys.readouterr().err
    checkpoints.wait()
    assert (checkpoints.latest_step(), checkpoints.best_step()) == (6, 6)
    checkpoints.close()


def test_a_damaged_checkpoint_that_cannot_be_renamed_is_one_line(two_checkpoints, tmp_path, monkeypatch):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    flip(folder / "6" / "metrics" / "metrics")

    def read_only(self, target):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(type(folder), "rename", read_only)
    with pytest.raises(UserError, match=r"6 is damaged \(.*\) and cannot be renamed \(Read-only file system\): remove"):
        Checkpoints(folder, 2)
