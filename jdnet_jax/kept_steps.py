"""Mapped steps whose trace is kept on disk, so that a later start of the same config need not trace them again.

Tracing and lowering the step of a large teacher take Python many seconds at every start, before JAX can so much as ask
its cache for the compiled program. What they give is StableHLO, which `jax.export` writes and reads. A step that is
kept is always run from what was written, at its first start too, so that every start runs the same program.

A kept step belongs to everything that a trace depends on: the sources of this package, the versions of the libraries,
JAX's settings, the devices, the config, and the data's classes and the run's length. Where any of it differs, the step
is traced. What cannot be read or exported is traced as well, and the log says why.

Reading, and JAX's loading of the compiled program, can begin in the background before there is a state.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import tempfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from absl import logging
from jax import export
from jaxtyping import PyTree
from ml_collections import ConfigDict

import jdnet_jax
from jdnet_jax import step

_MOST = 256  # files, of which each takes some 100 kB

_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "numpy", "ml-collections")
_folder: Path | None = None
_software = ""  # digest of what `keep` found installed


def keep() -> None:
    """Has this process keep its steps, in a folder of JAX's cache of compiled programs; without, none is kept.

    To be called as soon as this package is imported: its modules' files may change while a long run goes on. Where JAX
    has no cache, or one that is no local folder, none is kept either.
    """
    global _folder, _software
    cache = jax.config.values["jax_compilation_cache_dir"] if jax.config.values["jax_enable_compilation_cache"] else ""
    _folder = Path(cache) / "traced" if cache and "://" not in cache else None
    _software = _installed()


class KeptSteps:
    """The steps of one run.

    Several processes share no step: each holds a part of its arguments, and what was exported takes the whole.
    """

    def __init__(self, config: ConfigDict, num_classes: int, steps: int):
        """The arguments are those that `assembly.assemble` makes the steps from."""
        self._folder = _folder if jax.process_count() == 1 else None
        self._origin = ""
        try:
            self._origin = _origin(config.to_json(sort_keys=True), num_classes, steps)
        except TypeError:  # a value of the config has no text that tells it from others
            self._folder = None
        self._begun: dict[str, tuple[Future[_Lowered | None], Future[Any]]] = {}

    def begin(self, *names: str) -> None:
        """Starts to read and load steps in the background, one after the other, where an earlier start kept them.

        A process that ends meanwhile waits for what is being loaded.
        """
        one_thread = ThreadPoolExecutor(1, "kept steps")
        for name in names:
            if (path := self._path(name)) is not None:
                lowered = one_thread.submit(_read, path)
                self._begun[name] = lowered, one_thread.submit(_compiled, lowered)
        one_thread.shutdown(wait=False)

    def step(self, name: str, function: jax.stages.Wrapped, *, donate_state: bool = False) -> Callable[..., Any]:
        """A step by the name under which it is kept.

        Args:
            name: different for different steps of a run.
            function: of `step.mapped`; traced where no start before has kept it.
            donate_state: as it was given to `step.mapped`; such a step returns its next state, and a dictionary.

        Returns:
            what takes and returns what `function` does, always in the same shapes, and has its method `lower`.
        """
        path = self._path(name)
        return function if path is None else KeptStep(path, function, donate_state, self._begun.pop(name, None))

    def _path(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{name}-{self._origin}"


class KeptStep:
    """A mapped step that is run from what an earlier start wrote, or that writes it; see `KeptSteps.step`."""

    def __init__(
        self,
        path: Path,
        function: jax.stages.Wrapped,
        donate_state: bool,
        begun: tuple[Future[_Lowered | None], Future[Any]] | None,
    ):
        self._path, self._function, self._donate_state, self._begun = path, function, donate_state, begun
        self._run: Callable[..., Any] | None = None

    def __call__(self, first: PyTree, second: PyTree) -> Any:
        """Runs the step; the first call reads or traces it, and loads or compiles it."""
        if self._run is None:
            self._run = self.lower(first, second).compile()
        return self._run(first, second)

    def lower(self, first: PyTree, second: PyTree) -> Any:
        """The step before its compilation, as `jax.jit(...).lower(...)`: to be compiled with `compile()`."""
        begun, self._begun = self._begun, None  # what does not fit is let go
        if begun is not None:
            lowered, compiled = begun[0].result(), begun[1]
        else:
            lowered, compiled = _read(self._path), None
        if lowered is None or not lowered.header.fits(first, second):
            try:
                lowered, compiled = self._traced(first, second), None
            except Exception as error:  # what cannot be exported; a mistake in the step shows again at once
                logging.warning("%s is not kept: %s", self._path.name, error)
                return self._function.lower(first, second)
        return _Step(lowered, jax.tree.structure(first), compiled)

    def _traced(self, first: PyTree, second: PyTree) -> _Lowered:
        results: dict[str, Any] = {}
        tree = jax.tree.structure((first, second))

        def flat(*leaves: Any) -> list[Any]:
            returned = self._function(*jax.tree.unflatten(tree, leaves))
            results["names"] = returned[1] if self._donate_state else returned
            return jax.tree.leaves(returned)

        of_whole, of_split = step.shardings()
        shapes = [
            jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
            for part, sharding in ((first, of_whole), (second, of_split))
            for leaf in jax.tree.leaves(part)
        ]
        exported = export.export(jax.jit(flat))(*shapes)
        header = _Header(
            whole=len(jax.tree.leaves(first)),
            donated=self._donate_state,
            arguments=_digest(tree, *exported.in_avals),
            results=jax.tree.map(lambda _: 0, results["names"]),
        )
        content = bytes(exported.serialize())
        lowered = _lowered(header, content)
        if _installed() == _software:  # else the files are no longer those that were traced
            _write(self._path, header.to_line() + zlib.compress(content, 1))
        return lowered


@dataclass(frozen=True)
class _Header:
    """The first line of a file: what the exported program, of flat lists, does not tell.

    Attributes:
        whole: how many of its arguments belong to the step's first, and lie on every device.
        donated: whether those are given away, and the first results are the next of them.
        arguments: digest of the names, shapes and dtypes of all.
        results: the dictionary that the step returns, with 0 for each array.
    """

    whole: int
    donated: bool
    arguments: str
    results: Mapping[str, Any]

    def to_line(self) -> bytes:
        return json.dumps(vars(self), sort_keys=True).encode() + b"\n"

    def fits(self, first: PyTree, second: PyTree) -> bool:
        """Whether these are arguments of the step."""
        leaves, tree = jax.tree.flatten((first, second))
        return self.arguments == _digest(tree, *(jax.core.ShapedArray(leaf.shape, leaf.dtype) for leaf in leaves))


@dataclass(frozen=True)
class _Lowered:
    header: _Header
    program: jax.stages.Lowered


class _Step:
    """A step before its compilation, and what it takes to call it with trees."""

    def __init__(self, lowered: _Lowered, first: Any, compiled: Future[Any] | None):
        self._lowered, self._first, self._begun = lowered, first, compiled

    def compile(self) -> _Compiled:
        if self._begun is None or self._begun.exception() is not None:
            program = self._lowered.program.compile()
        else:
            program = self._begun.result()
        header = self._lowered.header
        names = jax.tree.structure(dict(header.results))
        if header.donated:
            names = jax.tree_util.treedef_tuple((self._first, names))
        return _Compiled(program, names)


class _Compiled:
    """A compiled step, which takes and returns trees."""

    def __init__(self, program: jax.stages.Compiled, returned: Any):
        self._program, self._returned = program, returned
        self.memory_analysis = program.memory_analysis

    def __call__(self, first: PyTree, second: PyTree) -> Any:
        results = self._program(*jax.tree.leaves((first, second)))
        return jax.tree.unflatten(self._returned, results)


def _read(path: Path) -> _Lowered | None:
    """What an earlier start kept; None where there is nothing, or nothing that can be read."""
    try:
        line, _, content = path.read_bytes().partition(b"\n")
        found = _lowered(_Header(**json.loads(line)), zlib.decompress(content))
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever is wrong with the file, the step can be traced anew
        logging.warning("%s cannot be read (%r): the step is traced anew", path, error)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return found


def _write(path: Path, content: bytes) -> None:
    """Keeps a step, and no more of all steps than `_MOST`, those that were used last."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own, as another process may write the same step.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as aside:
            whole = Path(aside) / path.name
            whole.write_bytes(content)
            whole.replace(path)
    except OSError as error:
        logging.warning("the traced step is not kept: %s", error)
    with contextlib.suppress(OSError):  # another process may remove the same files
        kept = [file for file in path.parent.iterdir() if not file.name.startswith(".")]
        for file in sorted(kept, key=lambda file: file.stat().st_mtime)[:-_MOST]:
            file.unlink(missing_ok=True)


def _lowered(header: _Header, content: bytes) -> _Lowered:
    exported = export.deserialize(bytearray(content))
    of_whole, of_split = step.shardings()
    shapes = [
        jax.ShapeDtypeStruct(aval.shape, aval.dtype, sharding=of_whole if i < header.whole else of_split)
        for i, aval in enumerate(exported.in_avals)
    ]
    donated = tuple(range(header.whole)) if header.donated else ()
    # The results of the mapped steps lie on every device.
    return _Lowered(header, jax.jit(exported.call, out_shardings=of_whole, donate_argnums=donated).lower(*shapes))


def _compiled(lowered: Future[_Lowered | None]) -> Any:
    found = lowered.result()
    return None if found is None else found.program.compile()


def _origin(config: str, num_classes: int, steps: int) -> str:
    """Everything that the traces of a run's steps depend on, as a name."""
    settings = {key: value for key, value in jax.config.values.items() if "cache" not in key}
    settings |= {key: value for key, value in os.environ.items() if key.startswith("FLAX_")}
    devices = [(device.platform, device.device_kind) for device in jax.devices()]
    return _digest(_software, settings, devices, config, num_classes, steps)


def _installed() -> str:
    """Digest of every module of this package, and of the libraries' versions."""
    root = Path(jdnet_jax.__file__).parent
    sources = [(str(path.relative_to(root)), path.read_bytes()) for path in sorted(root.rglob("*.py"))]
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return _digest(platform.python_version(), versions, sources)


def _digest(*values: Any) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]
