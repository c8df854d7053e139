import json

import pytest

from jdnet_jax.files import json_file
from jdnet_jax.files.json_file import NUMBER, Each
from jdnet_jax.process.errors import UserError

KINDS = {"name": str, "steps": int, "rate": (*NUMBER, type(None)), "networks": Each({"top1": NUMBER}), "more?": dict}
SOUND = {"name": "a", "steps": 3, "rate": None, "networks": {"x": {"top1": 1}, "y": {"top1": 0.5, "other": []}}}


def read(folder, text):
    (folder / "a.json").write_bytes(text)
    return json_file.read(folder / "a.json", KINDS, "make it anew")


def test_what_has_its_kinds_is_read(tmp_path):
    for content in (SOUND, SOUND | {"more": {}}, SOUND | {"rate": 2, "networks": {}}):
        assert read(tmp_path, json.dumps(content).encode()) == content


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": 3}, "name is 3"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is true"),
        ({"rate": "fast"}, 'rate is "fast"'),
        ({"networks": []}, "networks is [], not a section"),
        ({"networks": {"x": {"top1": None}}}, "networks.x.top1 is null"),
        ({"networks": {"x": {}}}, "networks.x.top1 is missing"),
        ({"more": 1}, "more is 1"),
        ({"name": ["\n" * 100]}, "name is"),
    ],
)
def test_what_has_others_is_named(tmp_path, changes, reason):
    with pytest.raises(UserError) as error:
        read(tmp_path, json.dumps(SOUND | changes).encode())
    assert str(error.value).startswith(f"{tmp_path / 'a.json'} is damaged ({reason}")
    assert str(error.value).endswith("): make it anew")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff{}", b"[1]", b"null", b"3", b"[" * 100_000, b'"' + b"9" * 5000, b"{}"]
)
def test_what_is_no_json_of_ours_is_one_line(tmp_path, text):
    with pytest.raises(UserError, match=r"a.json is damaged \(.+\): make it anew"):
        read(tmp_path, text)


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"a.json cannot be read \(No such file or directory\): make it anew"):
        json_file.read(tmp_path / "a.json", KINDS, "make it anew")
