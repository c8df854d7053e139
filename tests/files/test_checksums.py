import functools
import subprocess

import pytest

from jdnet_jax.files import checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "inside" / "b").write_bytes(b"")
    checksums.write(tmp_path)
    return tmp_path


def test_the_list_holds_the_known_digests_and_is_what_sha256sum_reads(folder):
    # Both from FIPS 180-4's examples: "abc" and the empty message.
    assert (folder / "SHA256SUMS").read_text() == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  inside/b\n"
    )
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    assert checksums.damage(folder) is None


@pytest.mark.parametrize(
    ("name", "content", "phrase"),
    [
        ("a", b"abd", "a has changed"),
        ("a", None, "a is missing"),
        ("inside/b", b"x", "inside/b has changed"),
        ("inside/c", b"x", "inside/c is not in SHA256SUMS"),
        ("SHA256SUMS", None, "SHA256SUMS is missing"),
        ("SHA256SUMS", b"", "SHA256SUMS is damaged"),
        ("SHA256SUMS", b"\xff", "SHA256SUMS is missing or cannot be read"),
        ("SHA256SUMS", b"12  a", "SHA256SUMS is damaged"),
    ],
)
def test_damage_is_named(folder, name, content, phrase):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    assert checksums.damage(folder).startswith(phrase)


def test_any_byte_of_the_list_that_changes_is_found(folder):
    whole = (folder / "SHA256SUMS").read_bytes()
    for i in range(len(whole)):
        (folder / "SHA256SUMS").write_bytes(whole[:i] + bytes([whole[i] ^ 0x20]) + whole[i + 1 :])
        assert checksums.damage(folder) is not None, i
        (folder / "SHA256SUMS").write_bytes(whole[:i])
        assert checksums.damage(folder) is not None, i


def test_only_the_files_asked_for_are_read(folder):
    (folder / "a").write_bytes(b"abd")
    assert checksums.damage(folder, where=lambda name: name.startswith("inside/")) is None


def test_some_files_of_a_folder_and_one_that_is_still_to_come(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "other").write_bytes(b"x")
    checksums.write(tmp_path, ["a"], coming={"b": b""}, list_name="a.SHA256SUMS")
    damage = functools.partial(checksums.damage, tmp_path, exact=False, list_name="a.SHA256SUMS")
    assert damage() == "b is missing"
    (tmp_path / "b").write_bytes(b"")
    assert damage() is None
    (tmp_path / "b").write_bytes(b"1")
    assert damage() == "b has changed"


@pytest.mark.parametrize("name", ["/dev/zero", "../a", "inside/../../a"])
def test_nothing_outside_of_the_folder_is_read(folder, name):
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    assert checksums.damage(folder) == "SHA256SUMS is damaged"


def test_only_files_are_read(folder):
    (folder / "a").unlink()
    (folder / "a").symlink_to("/dev/zero")
    assert checksums.damage(folder) == "a is missing"
