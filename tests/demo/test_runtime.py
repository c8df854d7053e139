import json
import shutil
import subprocess

import pytest

from jdnet_jax.demo import runtime
from jdnet_jax.process.errors import UserError


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """An npm that puts files in place without a network; what it is asked for is kept in `calls`."""
    calls = []

    def run(command, cwd, **options):
        calls.append(command)
        for files in runtime.FILES.values():
            for source in files:
                path = cwd / "node_modules" / source
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b'import { createWasmLib } from "@litertjs/wasm-utils";')
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_it_is_fetched_once_and_anew_when_asked(npm, tmp_path):
    folder = runtime.find_or_build()
    assert runtime.find_or_build() == folder
    assert len(npm) == 1
    assert npm[0][1] == "ci"  # the very versions and digests of the lock file
    assert "--ignore-scripts" in npm[0]
    (folder / "litert.js").write_text("changed")
    assert runtime.build() == folder
    assert len(npm) == 2
    names = {name for files in runtime.FILES.values() for name in files.values()}
    assert {path.name for path in folder.iterdir()} == names | {f"{name}.gz" for name in names}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["litert.js", "onnxruntime.js.gz"])
def test_it_is_fetched_again_where_a_file_is_gone(npm, name):
    folder = runtime.find_or_build()
    (folder / name).unlink()
    assert runtime.find_or_build() == folder
    assert (folder / name).is_file()
    assert len(npm) == 2


def test_two_that_fetch_at_once_do_not_hinder_each_other(npm, monkeypatch):
    folder = runtime.build()
    monkeypatch.setattr(runtime.Path, "exists", lambda path: False)  # it was put there a moment later
    assert runtime.build() == folder
    assert (folder / "litert.js").is_file()


def test_imports_by_name_become_files(npm):
    folder = runtime.build()
    assert (folder / "litert.js").read_text() == 'import { createWasmLib } from "./litert_wasm_utils.js";'


def test_without_npm_one_line_says_what_to_install(npm, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=r"npm, which downloads .*, is not installed: install Node\.js"):
        runtime.find_or_build()


def test_an_npm_that_fails_leaves_nothing(npm, monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "npm error network\n is unreachable")
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(UserError, match=r"npm ci failed \(npm error network is unreachable\)"):
        runtime.find_or_build()
    assert list((tmp_path / "cache" / "jdnet_jax").iterdir()) == []


def test_the_lock_file_has_digests_and_the_registry_of_whoever_runs_it():
    packages = json.loads((runtime.WEB / "package-lock.json").read_text())["packages"]
    wanted = json.loads((runtime.WEB / "package.json").read_text())
    for name, version in wanted["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, package in packages.items():
        assert package.get("resolved", "https://registry.npmjs.org/").startswith("https://registry.npmjs.org/")
        assert name == "" or package["integrity"].startswith("sha512-")
