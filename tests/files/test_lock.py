import os
import subprocess
import sys

import pytest

from jdnet_jax.files import lock
from jdnet_jax.process.errors import UserError
from tests.commands import ROOT


def test_one_holds_it_after_the_other_and_the_file_stays_as_it_is(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text("kept")
    code = "import sys\nfrom pathlib import Path\nfrom jdnet_jax.files import lock\n"
    code += "with lock.held(Path(sys.argv[1]), lambda: print('waits', flush=True)): print('holds', flush=True)"
    with subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "holds\n"
    with lock.held(path, lambda: pytest.fail("waited")):
        other = subprocess.Popen([sys.executable, "-c", code, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "waits\n"
    assert other.communicate(timeout=60) == ("holds\n", None)
    assert path.read_text() == "kept"


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo", "of another user"])
def test_nothing_else_is_taken_for_it(tmp_path, monkeypatch, kind):
    path, target = tmp_path / "a.lock", tmp_path / "target"
    match kind:
        case "link":
            target.write_text("of the user")
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.touch()
            monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(UserError, match=r"a\.lock is not a lock file of this user: remove it"):
        lock.held(path, lambda: None).__enter__()
    assert not target.exists() or target.read_text() == "of the user"
