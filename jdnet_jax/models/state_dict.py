"""State dicts in checkpoints: the keys under which training scripts store them, and prefixes of their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from jdnet_jax.models.restricted_pickle import Inert
from jdnet_jax.process.progress import say

#: Containers of the tensors; the first that has any is read. The moving average comes first, as in timm: it is what
#: their authors evaluate. One may lie in another: `ema`, and in it `module`.
CONTAINERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "model_state_dict_ema", "ema.module", "ema"),
    *("state_dict", "model_state_dict", "model", "module", "net"),
)
_DEEPEST = 4

#: What wrappers put before all names of a network: parallel training, compilation, moving averages, larger models.
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "ema.", "net.")

#: What PyTorch counts, beside the weights: batches, and updates of a moving average. Nothing reads it here.
_COUNTERS = ("num_batches_tracked", "n_averaged")

#: Where scripts write the network's name.
_NETWORK_KEYS = ("arch", "architecture", "model_name")

#: What may stand among the tensors and is left out: numbers and texts, such as an epoch or a score.
_BESIDE = (int, float, str, bytes, type(None), Inert)

_BUILTINS = (
    *("set", "frozenset", "complex", "bytearray", "slice", "range"),
    *("list", "dict", "tuple", "int", "long", "float", "bool", "str", "bytes", "object"),  # of defaultdict(list)
)

#: Classes and functions of values that scripts write beside the tensors, of Python 2 as well; none of them is needed.
INERT = (
    "argparse.Namespace",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "_codecs.encode", "torch.device", "torch.Generator"),
    *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _BUILTINS),
    *(f"collections.{name}" for name in ("defaultdict", "Counter", "deque")),
    *(f"pathlib.{name}" for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")),
    *(f"pathlib._local.{name}" for name in ("Path", "PosixPath", "WindowsPath")),
    *(f"datetime.{name}" for name in ("datetime", "date", "timedelta", "timezone")),
    *(f"torch.{name}" for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")),
    *("easydict.EasyDict", "omegaconf.dictconfig.DictConfig", "yacs.config.CfgNode"),
)


def find(checkpoint: Any, kind: type) -> dict[str, Any]:
    """The dictionary of named tensors in a checkpoint, without other entries.

    A line on standard error names the key and the entries that are left out.

    Args:
        checkpoint: the content of the file; its dictionaries may contain themselves.
        kind: type of the tensors.

    Raises:
        ValueError: there is none, or what stands among the tensors is more than numbers and texts.
    """
    if not isinstance(checkpoint, dict):
        raise ValueError("it holds no dictionary of named tensors")
    path = _path(checkpoint, kind, set(), _DEEPEST) or []
    for name in path:
        checkpoint = checkpoint[name]
    if path:
        say(f"the weights file is a checkpoint: {'.'.join(path)} is read")
    others = [name for name, value in checkpoint.items() if not isinstance(value, kind)]
    if len(others) < len(checkpoint) and all(isinstance(checkpoint[name], _BESIDE) for name in others):
        if others:
            say(f"the weights file has {_names(others)} among its tensors: left out")
        checkpoint = {name: value for name, value in checkpoint.items() if isinstance(value, kind)}
    for name, value in checkpoint.items():
        if not isinstance(name, str) or not isinstance(value, kind):
            raise ValueError(f"its entry {str(name)[:40]!r} is not a tensor (the entries are {_names(checkpoint)})")
    return checkpoint


def network(about: Any) -> str | None:
    """The network that a checkpoint or a file's metadata names; None if it names none."""
    if not isinstance(about, Mapping):
        return None
    return next((about[key] for key in _NETWORK_KEYS if isinstance(about.get(key), str)), None)


def is_counter(name: str) -> bool:
    """Whether a tensor is one of PyTorch's counters."""
    return name.rpartition(".")[2] in _COUNTERS


def prefix(names: Collection[str], expected: Collection[str]) -> str:
    """The prefix of all of a file's names before the network's names: some of PREFIXES and another one, or ''.

    Args:
        names: names of the file's tensors.
        expected: names of the network's tensors; a prefix that one of them begins with stays.
    """
    prefixes = ""
    while names:
        more = next((p for p in PREFIXES if all(name.startswith(prefixes + p) for name in names)), None)
        if more is None or any(name.startswith(more) for name in expected):
            break
        prefixes += more
    return prefixes + _other_prefix({name.removeprefix(prefixes) for name in names}, expected)


def _other_prefix(names: Collection[str], expected: Collection[str]) -> str:
    """An unusual prefix such as `encoder.`, without which, but not with which, most names are the network's."""
    first = next(iter(names), "").partition(".")[0] + "."
    if not all(name.startswith(first) for name in names) or any(name in expected for name in names):
        return ""
    return first if 2 * sum(name.removeprefix(first) in expected for name in names) > len(names) else ""


def _path(checkpoint: Mapping[Any, Any], kind: type, seen: set[int], depth: int) -> list[str] | None:
    if depth == 0 or id(checkpoint) in seen:
        return None
    seen.add(id(checkpoint))
    for name in CONTAINERS:
        inner = checkpoint.get(name)
        path = _path(inner, kind, seen, depth - 1) if isinstance(inner, dict) else None
        if path is not None:
            return [name, *path]
    if not any(isinstance(value, kind) for value in checkpoint.values()):
        # Under an unusual name: the only dictionary with tensors.
        # A pickle may name one object any number of times: each is looked through once.
        inner = {id(value): (name, value) for name, value in checkpoint.items() if isinstance(value, dict)}
        keys = [name for name, value in inner.values() if isinstance(name, str) and _holds(value, kind)]
        return [keys[0]] if len(keys) == 1 else None
    return []


def _holds(entry: Mapping[Any, Any], kind: type) -> bool:
    return any(isinstance(name, str) and isinstance(value, kind) for name, value in entry.items())


def _names(entries: Collection[Any]) -> str:
    return ", ".join(str(key)[:40] for key in list(entries)[:5]) + (", ..." if len(entries) > 5 else "")
