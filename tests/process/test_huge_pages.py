import os
import subprocess
import sys

import pytest

from jdnet_jax.process import huge_pages

ONE = "glibc.malloc.hugetlb=1"


@pytest.mark.parametrize(
    ("given", "setting", "expected"),
    [
        (None, "always [madvise] never", ONE),
        ("glibc.malloc.check=1", "always [madvise] never", f"glibc.malloc.check=1:{ONE}"),
        ("glibc.malloc.hugetlb=0", "always [madvise] never", None),
        (None, "[always] madvise never", None),
        (None, "always madvise [never]", None),
    ],
)
def test_the_variable(given, setting, expected):
    environ = {} if given is None else {"GLIBC_TUNABLES": given}
    assert huge_pages.tunables(environ, setting) == expected


def test_a_process_starts_anew_once_and_is_otherwise_the_same(tmp_path):
    setting = tmp_path / "enabled"
    setting.write_text("always [madvise] never")
    code = (
        "import os, sys, pathlib; print(os.getpid(), flush=True); from jdnet_jax.process import huge_pages; "
        f"huge_pages._SETTING = pathlib.Path({str(setting)!r}); huge_pages.ask(); "
        "print(os.environ['GLIBC_TUNABLES'], sys.argv[1:], os.getcwd())"
    )
    env = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", code, "a b", "--c"], capture_output=True, text=True, check=True, env=env
    )
    first, second, last = done.stdout.splitlines()
    assert first == second
    assert last == f"{ONE} {['a b', '--c']} {os.getcwd()}"
