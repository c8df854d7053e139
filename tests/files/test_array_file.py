import numpy as np

from jdnet_jax.files import array_file


def test_what_was_written_is_read_and_the_same_arrays_give_the_same_bytes(tmp_path):
    arrays = {"test/label": np.arange(5), "name": np.array(["é", "b"])}
    for name in ("a.npz", "b.npz"):
        array_file.write(tmp_path / name, arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = array_file.read(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_file_that_is_not_there_or_cut_off_holds_nothing(tmp_path):
    path = tmp_path / "a.npz"
    assert array_file.read(path) == {}
    array_file.write(path, {"a": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:-40])
    assert array_file.read(path) == {}
