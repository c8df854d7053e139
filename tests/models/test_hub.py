"""Downloads from a server on the loopback interface that answers as the hub does; each in a process of its own, as
`huggingface_hub` reads its environment when it is imported.
"""

import contextlib
import http.server
import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import safetensors.numpy

from jdnet_jax.models import hub, load_pretrained, pretrained
from jdnet_jax.process.errors import UserError
from tests.commands import ROOT

CONTENT = safetensors.numpy.save({"weight": np.arange(50_000, dtype=np.float32)})
COMMIT = "0123456789" * 4

needs_hub = pytest.mark.skipif(not importlib.util.find_spec("huggingface_hub"), reason="the extra [hub] is absent")


class Handler(http.server.BaseHTTPRequestHandler):
    """timm/small has weights; timm/other has none; any other repository does not exist."""

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        if not self.path.startswith("/timm/small/resolve/main/"):
            code = "EntryNotFound" if self.path.startswith("/timm/other/") else "RepoNotFound"
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        content = CONTENT[first:]
        if body:
            self.server.asked.append(first)
        shorter = body and self.server.behaviour == "announces less"
        if shorter:
            content = content[:1000]
        self.send_response(206 if first else 200)
        self.send_header("ETag", '"a1b2c3"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if body:
            breaks = self.server.behaviour == "breaks once" and len(self.server.asked) == 1
            self.wfile.write(content[:70_000] if breaks else content)
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.behaviour = [], "sound"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def call(server, tmp_path):
    """Runs a function of the module on a source; the cache is in `tmp_path`."""

    def call(source, function="download", **env):
        code = (
            "import sys\nfrom jdnet_jax.models import hub\nfrom jdnet_jax.process.errors import UserError\n"
            "try: print(getattr(hub, sys.argv[1])(sys.argv[2]))\n"
            "except UserError as error: sys.exit(f'error: {error}')\n"
        )
        defaults = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-c", code, function, source],
            cwd=ROOT,
            env={**own, **defaults, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def files(folder):
    """The whole files that a cache shows under their names."""
    return [path for path in folder.rglob(hub.FILE_NAME) if path.exists()]


@needs_hub
def test_the_file_is_downloaded_once_and_its_size_told(call, server, tmp_path):
    result = call("timm/small")
    assert result.returncode == 0, result.stderr
    (path,) = files(tmp_path)
    assert result.stdout.strip() == str(path)
    assert path.read_bytes() == CONTENT
    lines = result.stderr.splitlines()
    assert "downloading timm/small (0.2 MB) ..." in lines
    assert f"downloaded timm/small to {path}" in lines
    again = call("hf-hub:timm/small@main")
    assert (again.stdout, again.stderr) == (result.stdout, "")
    assert server.asked == [0]
    server.shutdown()
    server.server_close()
    offline = call("timm/small", HF_HUB_OFFLINE="1")
    assert (offline.stdout, offline.stderr) == (result.stdout, "")


@needs_hub
def test_looking_whether_it_is_there_downloads_nothing(call, server, tmp_path):
    result = call("timm/small", "check")
    assert result.returncode == 0, result.stderr
    assert server.asked == []
    assert files(tmp_path) == []


@needs_hub
def test_a_transfer_that_breaks_is_begun_again(call, server, tmp_path):
    server.behaviour = "breaks once"
    result = call("timm/small")
    assert result.returncode == 0, result.stderr
    assert len(server.asked) == 2
    assert files(tmp_path)[0].read_bytes() == CONTENT


@needs_hub
def test_half_a_file_never_looks_whole(call, server, tmp_path):
    server.behaviour = "announces less"
    result = call("timm/small")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: timm/small: the transfer failed: ")
    assert last.endswith(": run again")
    assert files(tmp_path) == []
    server.behaviour = "sound"
    result = call("timm/small")
    assert result.returncode == 0, result.stderr
    assert files(tmp_path)[0].read_bytes() == CONTENT


@needs_hub
@pytest.mark.parametrize("function", ["check", "download"])
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("timm/absent", r"has no such repository, or a private one"),
        ("hf-hub:some/absent", r"has no such repository, or a private one"),
        ("timm/other", r"the repository has no model.safetensors"),
    ],
)
def test_what_the_hub_has_not_is_one_line(call, source, reason, function):
    result = call(source, function)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {source}: ")
    assert reason in line


@needs_hub
def test_a_hub_that_may_not_be_reached_is_one_line(call):
    result = call("timm/small", HF_HUB_OFFLINE="1")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: timm/small: http://127.0.0.1:")
    assert "cannot be reached" in line
    assert "not in the cache of this machine" in line


def test_without_the_package_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for function in (hub.check, hub.download):
        with pytest.raises(UserError, match=r"timm/small is on the Hugging Face hub: pip install 'jdnet-jax\[hub\]'"):
            function("timm/small")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("timm/resnet50.a1_in1k", True),
        ("timm/resnet50.a1_in1k@v1.0", True),
        ("hf-hub:timm/resnet50.a1_in1k", True),
        ("hf-hub:somebody/food", True),
        ("somebody/food", False),
        ("runs/demo", False),
        ("timm/a/b.safetensors", False),
        ("hf-hub:resnet50", False),
        ("imagenet", False),
        ("", False),
    ],
)
def test_what_is_an_id(source, expected):
    assert hub.is_id(source) is expected


def test_networks_take_weights_from_the_hub(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(hub, "check", lambda source: asked.append(("check", source)))
    monkeypatch.setattr(hub, "download", lambda source: asked.append(("download", source)) or tmp_path / "absent")
    pretrained.check_weights("resnet18", "timm/resnet18.a1_in1k")
    assert asked == [("check", "timm/resnet18.a1_in1k")]
    with contextlib.suppress(UserError):
        load_pretrained("resnet18", "timm/resnet18.a1_in1k", 10)
    assert asked[1:] == [("download", "timm/resnet18.a1_in1k")]


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "own").touch()
    monkeypatch.chdir(tmp_path)
    pretrained.check_weights("resnet18", "timm/own")
    assert str(pretrained.find_weights("resnet18", "timm/own")) == "timm/own"
