import gzip
import json
import re

import pytest

from jdnet_jax.demo import runtime, site
from jdnet_jax.demo.model_file import ModelFile
from tests import tiny_student


@pytest.fixture(scope="module")
def fake_runtimes(tmp_path_factory):
    """Files with the names of the runtimes."""
    folder = tmp_path_factory.mktemp("runtimes")
    for files in runtime.FILES.values():
        for name in files.values():
            (folder / name).write_bytes(b"run " * 100)
            (folder / f"{name}.gz").write_bytes(gzip.compress(b"run " * 100))
    return folder


def create(fake_runtimes, runtime_name="litert", **changes):
    card = tiny_student.card(**changes)
    return site.create(ModelFile("student.tflite", b"model" * 100, card, runtime_name), fake_runtimes)


def test_the_page_is_told_of_its_student_and_nothing_of_where_it_was_trained(fake_runtimes):
    files = create(
        fake_runtimes,
        trained={"dataset": "/home/somebody/photos"},
        accuracy={"val": {"top1": 0.9, "count": 3}, "test": {"top1": 0.8, "top5": 1.0, "count": 10}},
    )
    told = json.loads(files["site.json"].content)
    assert told["model"]["classes"] == list(tiny_student.CLASSES)
    assert (told["model"]["image_size"], told["model"]["shorter_side"]) == (32, 36)
    assert (told["model"]["file"], told["model"]["bytes"]) == ("student.tflite", 500)
    assert told["model"]["accuracy"] == "80 % of 10 (49 to 94)"
    assert len(told["colors"]) == 256
    assert "somebody" not in files["site.json"].content.decode()


@pytest.mark.parametrize("test", [None, {"top1": 0.5}, {"top1": "?", "count": 9}, {"top1": 1.0, "count": 0}])
def test_an_accuracy_that_is_not_known_is_not_told(fake_runtimes, test):
    told = json.loads(create(fake_runtimes, accuracy={"test": test})["site.json"].content)
    assert told["model"]["accuracy"] is None


@pytest.mark.parametrize("name", list(runtime.FILES))
def test_only_the_runtime_of_the_model_is_part_of_it(fake_runtimes, name):
    files = create(fake_runtimes, name)
    assert {key for key in files if key.startswith("runtime/")} == {
        f"runtime/{f}" for f in runtime.FILES[name].values()
    }
    assert gzip.decompress(files[next(k for k in files if k.startswith("runtime/"))].compressed) == b"run " * 100


def test_what_every_browser_uses_is_listed_for_use_without_a_network(fake_runtimes):
    files = create(fake_runtimes)
    listed = json.loads(files["site.json"].content)["files"]
    assert set(listed) == {"./"} | {key for key in files if key != "index.html" and not key.startswith("runtime/")}


def test_the_page_names_only_files_of_its_own_and_states_its_policy(fake_runtimes):
    files = create(fake_runtimes)
    text = files["index.html"].content.decode()
    assert f'<meta http-equiv="Content-Security-Policy" content="{site.POLICY}"' in text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) <= set(files)
    assert not re.search(r"<script>|<style|style=|\son\w+=", text)  # the policy would block them
    for icon in json.loads(files["manifest.webmanifest"].content)["icons"]:
        assert icon["src"] in files
    for name, asset in files.items():
        if name.endswith((".js", ".css", ".html")) and not name.startswith("runtime/"):
            assert b"http:" not in asset.content
            assert b"https:" not in asset.content


def test_types_and_tags(fake_runtimes):
    files = create(fake_runtimes)
    assert all(asset.media_type for asset in files.values())
    assert {name for name, asset in files.items() if asset.media_type == "application/octet-stream"} == {
        "student.tflite"
    }
    assert files["runtime/litert_wasm_internal.wasm"].media_type == "application/wasm"
    again = create(fake_runtimes, temperature=2.0)
    assert {name for name in files if files[name].tag != again[name].tag} == set()
    assert files["site.json"].tag != create(fake_runtimes, shorter_side=40)["site.json"].tag
    assert all(len(asset.compressed) < len(asset.content) for asset in files.values() if asset.compressed)
