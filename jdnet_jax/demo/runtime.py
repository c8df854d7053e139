"""The browser's runtimes for models, fetched once from the npm registry at the versions of `web/package-lock.json`."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from jdnet_jax.process.errors import UserError
from jdnet_jax.process.progress import say

WEB = Path(__file__).parent / "web"

_LOCK = ("package.json", "package-lock.json")
_NODE = "Node.js (https://nodejs.org, or apt-get install npm)"

#: The files of each runtime: where npm puts them, and what they are called on the page.
FILES = {
    "litert": {
        "@litertjs/core/dist/index.js": "litert.js",
        "@litertjs/wasm-utils/dist/index.js": "litert_wasm_utils.js",
        # One of the two is used: the first where the browser has relaxed SIMD.
        "@litertjs/core/wasm/litert_wasm_internal.js": "litert_wasm_internal.js",
        "@litertjs/core/wasm/litert_wasm_internal.wasm": "litert_wasm_internal.wasm",
        "@litertjs/core/wasm/litert_wasm_compat_internal.js": "litert_wasm_compat_internal.js",
        "@litertjs/core/wasm/litert_wasm_compat_internal.wasm": "litert_wasm_compat_internal.wasm",
    },
    "onnxruntime": {
        "onnxruntime-web/dist/ort.wasm.min.mjs": "onnxruntime.js",
        "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.mjs",
        "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    },
}

# Packages import each other by name, which a browser cannot resolve.
_IMPORTS = {"litert.js": (b'"@litertjs/wasm-utils"', b'"./litert_wasm_utils.js"')}


def find_or_build() -> Path:
    """The folder of the runtimes, fetched if it is not there.

    Raises:
        UserError: it cannot be fetched.
    """
    folder = _folder()
    names = (name for files in FILES.values() for name in files.values())
    if not all((folder / name).is_file() and (folder / f"{name}.gz").is_file() for name in names):
        build()
    return folder


def build() -> Path:
    """Fetches the runtimes and returns their folder, with each file also compressed (`.gz`).

    Raises:
        UserError: there is no npm, the registry cannot be reached, or the folder cannot be written.
    """
    folder = _folder()
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"npm, which downloads the browser runtime once, is not installed: install {_NODE}")
    say("downloading the browser runtime from the npm registry (once) ...")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".web-", dir=folder.parent) as name:
            aside = Path(name)
            _install(npm, aside)
            (aside / "runtime").mkdir()
            for files in FILES.values():
                for source, target in files.items():
                    _copy(aside / "node_modules" / source, aside / "runtime" / target)
            if folder.exists():
                folder.rename(aside / "old")
            _place(aside / "runtime", folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror}): set XDG_CACHE_HOME to another folder"
        ) from error
    return folder


def _place(built: Path, folder: Path) -> None:
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process has just put the same files there
            raise


def _folder() -> Path:
    """The folder in the user's cache (a package may not be writable), named by a digest of what decides its content."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    content = (WEB / "package-lock.json").read_bytes() + repr((FILES, _IMPORTS)).encode()
    version = hashlib.sha256(content).hexdigest()[:12]
    return cache / "jdnet_jax" / f"web-{version}"


def _install(npm: str, folder: Path) -> None:
    """Installs the page's packages with npm, which checks the files' digests and runs no scripts of theirs."""
    for name in _LOCK:
        shutil.copy(WEB / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = " ".join(result.stderr.split())[:300] or f"status {result.returncode}"
        raise UserError(
            f"npm ci failed ({reason}): it needs {_NODE} and the registry that `npm config get registry` names"
        )


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if target.name in _IMPORTS:
        package, file = _IMPORTS[target.name]
        assert content.count(package) == 1, f"{source} imports {package!r} in another way"
        content = content.replace(package, file)
    target.write_bytes(content)
    target.with_name(f"{target.name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
