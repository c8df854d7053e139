"""The demo page of a student: all of its files by address."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdnet_jax.demo import runtime
from jdnet_jax.demo.model_file import ModelFile
from jdnet_jax.figures import intervals
from jdnet_jax.handoff.model_card import ModelCard
from jdnet_jax.inference import colormap

INDEX = "index.html"
DESCRIPTION = "site.json"  # the page's description of its student
RUNTIME = "runtime"  # the folder of the runtime

#: The page may run scripts and WebAssembly from its server, and send requests to that server only.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob:",
        "style-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)

_PAGE = runtime.WEB / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
}


@dataclass(frozen=True)
class Asset:
    """A file of the page.

    Attributes:
        content: the content, not compressed.
        media_type: value of `Content-Type`.
        compressed: the content, compressed by gzip; None where that is not worth it.
        tag: a digest of the content, for `ETag`.
    """

    content: bytes
    media_type: str
    compressed: bytes | None
    tag: str


def create(model: ModelFile, runtimes: Path) -> dict[str, Asset]:
    """All files by their addresses, which are relative to the page's.

    Args:
        model: the student.
        runtimes: the folder of `runtime.find_or_build`.
    """
    files = {path.name: path.read_bytes() for path in sorted(_PAGE.iterdir())}
    files[INDEX] = files[INDEX].replace(b'content="POLICY"', f'content="{POLICY}"'.encode())
    files[model.name] = model.content
    addresses = ["./", *(name for name in files if name != INDEX), DESCRIPTION]
    files[DESCRIPTION] = json.dumps(_description(model, addresses), ensure_ascii=False).encode()
    site = {name: _asset(name, content) for name, content in files.items()}
    for name in runtime.FILES[model.runtime].values():
        compressed = (runtimes / f"{name}.gz").read_bytes()
        site[f"{RUNTIME}/{name}"] = _asset(name, (runtimes / name).read_bytes(), compressed)
    return site


def _asset(name: str, content: bytes, compressed: bytes | None = None) -> Asset:
    media_type = _TYPES.get(Path(name).suffix, "application/octet-stream")
    if compressed is None:
        compressed = gzip.compress(content, 6, mtime=0)
    worth = len(compressed) < 0.95 * len(content)
    return Asset(content, media_type, compressed if worth else None, hashlib.sha256(content).hexdigest()[:32])


def _description(model: ModelFile, files: list[str]) -> Mapping[str, Any]:
    """The card without entries for those who trained only, such as the photos' path."""
    card = model.card
    about = {
        "file": model.name,
        "runtime": model.runtime,
        "bytes": len(model.content),
        "name": card.model,
        "classes": list(card.classes),
        "image_size": card.image_size,
        "shorter_side": card.shorter_side,
        "dtype": card.dtype,
        "not_sure_below": card.not_sure_below,
        "accuracy": _accuracy(card),
    }
    return {"model": about, "files": files, "colors": colormap.table().tolist()}


def _accuracy(card: ModelCard) -> str | None:
    """Top-1 on test in words, if the card has it."""
    test = card.accuracy.get("test")
    if not isinstance(test, dict) or not {"top1", "count"} <= test.keys():
        return None
    top1, count = test["top1"], test["count"]
    if not (isinstance(top1, float | int) and 0 <= top1 <= 1 and isinstance(count, int) and count >= 1):
        return None
    return intervals.share(top1, count)
