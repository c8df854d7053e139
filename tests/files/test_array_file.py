import re

import numpy as np
import pytest

from jdnet_jax.files import array_file
from jdnet_jax.process.errors import UserError


def test_what_was_written_is_read_and_the_same_arrays_give_the_same_bytes(tmp_path):
    arrays = {"test/label": np.arange(5), "name": np.array(["é", "b"])}
    for name in ("a.npz", "b.npz"):
        array_file.write(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = array_file.read(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_file_that_is_not_there_holds_nothing(tmp_path):
    assert array_file.read(tmp_path / "a.npz") == {}


def test_any_damage_is_one_line(tmp_path):
    path = tmp_path / "a.npz"
    array_file.write(path, {"a": np.arange(1000), "b": np.zeros(3)})
    content, rng = path.read_bytes(), np.random.default_rng(0)
    damaged = [content[:cut] for cut in (0, 1, 50, len(content) - 40)]
    for position in rng.integers(0, len(content), 200):
        damaged.append(bytearray(content))
        damaged[-1][position] ^= 1 << rng.integers(8)
    errors = []
    for changed in damaged:
        path.write_bytes(changed)
        try:
            array_file.read(path, "make it anew")  # a flip in what zip files hold twice, or nobody reads, is none
        except UserError as error:
            errors.append(str(error))
    assert len(errors) > 150
    assert all(re.fullmatch(rf"{path} is damaged \([^\n]+\): make it anew", text) for text in errors)


def test_arrays_of_objects_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(UserError, match=r"a.npz is damaged \(.*pickle"):
        array_file.read(tmp_path / "a.npz")
