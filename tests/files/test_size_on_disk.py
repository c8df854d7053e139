from jdnet_jax.files.size_on_disk import size_on_disk


def test_a_file_and_a_folder_with_folders(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b").write_bytes(b"12345")
    assert size_on_disk(tmp_path / "a") == 3
    assert size_on_disk(tmp_path) == 8
