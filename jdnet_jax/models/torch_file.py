"""Reads the tensors of a weights file, PyTorch's or safetensors, into NumPy arrays; PyTorch is not needed.

PyTorch (`torch.save`) has written two formats, and both are in use:
- since version 1.6 a zip archive, uncompressed: `<root>/data.pkl` describes the objects, `<root>/data/<key>` is the
  content of one storage (a flat buffer that one or several tensors are views of);
- before, the pickles of five things one after another: a magic number, the protocol's version, facts about the machine,
  the objects, the storages' keys; then, in the order of the keys, each storage as its length (int64) and its content.
In both, a tensor is described by a storage, an offset, a size and strides, all counted in elements.

A pickle can run any code. Here it can only describe tensors; see `restricted_pickle`.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import mmap
import os
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors

from jdnet_jax.models import restricted_pickle, state_dict
from jdnet_jax.process.errors import UserError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
MODEL_CARD = "model.json"  # what a safetensors file of ours has in its metadata
#: What a corrupt file breaks cannot be listed one by one; these come from decoding it and mean the same to the user.
_DECODING_ERRORS = (
    safetensors.SafetensorError,
    zipfile.BadZipFile,
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    ArithmeticError,
    RuntimeError,  # what zipfile raises for an encrypted member
)

_SAFETENSORS_DTYPES: Mapping[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


@dataclasses.dataclass(frozen=True)
class Weights:
    """The content of a weights file.

    Attributes:
        tensors: name -> tensor.
        network: the network's name, as the file states it; None where it states none.
    """

    tensors: dict[str, np.ndarray]
    network: str | None = None


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a weights file by name, with PyTorch's counters, which `read` leaves out."""
    return _read(path).tensors


def read(path: str | os.PathLike[str]) -> Weights:
    """The content of a weights file.

    Args:
        path: a file of the safetensors format if its name ends in `.safetensors`, else one that `torch.save` wrote
            (either format): a state dict, or a checkpoint with one under one of `state_dict.CONTAINERS`.

    Returns:
        Arrays of the file's shapes and dtypes (bfloat16 is ml_dtypes'). They are read-only, and those that share their
        memory in the file share it here.

    Raises:
        UserError: there is no such file, it is of another kind, truncated or corrupt, or its pickle asks for anything
            but tensors (nothing is executed).
    """
    weights = _read(path)
    kept = {name: tensor for name, tensor in weights.tensors.items() if not state_dict.is_counter(name)}
    return dataclasses.replace(weights, tensors=kept)


def _read(path: str | os.PathLike[str]) -> Weights:
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path.read_bytes())
        with path.open("rb") as file:
            start = file.read(4)
            if not start:
                raise ValueError("it is empty")
            if start == b"PK\x03\x04":
                with zipfile.ZipFile(file) as archive:
                    return _read_archive(archive)
            if start[:1] != b"\x80":  # every pickle that torch writes begins with it
                raise ValueError(f"it begins with {start!r}, which no file written by torch.save does")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _read_legacy(content)
    except OSError as error:
        raise UserError(f"cannot read the weights file {path}: {error.strerror or error}") from error
    except restricted_pickle.RefusedError as error:
        raise UserError(
            f"refused the weights file {path}: {_one_line(error)}, which is not a tensor; nothing was executed. If you "
            "trust the file, save only its tensors with PyTorch: torch.save(model.state_dict(), ...)"
        ) from error
    except _DECODING_ERRORS as error:
        reason = f"{path} is not a readable weights file (truncated or corrupt?): {_one_line(error)}"
        raise UserError(reason) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _read_safetensors(content: bytes) -> Weights:
    tensors = {}
    for name, entry in safetensors.deserialize(content):
        if entry["dtype"] not in _SAFETENSORS_DTYPES:
            raise ValueError(f"tensor {name!r} has the dtype {entry['dtype']}, which is not supported")
        tensor = np.frombuffer(bytes(entry["data"]), _SAFETENSORS_DTYPES[entry["dtype"]])
        tensors[name] = tensor.reshape(entry["shape"])
    (length,) = struct.unpack("<Q", content[:8])
    about = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if MODEL_CARD in about:  # of a file that this project exported
        about = {**about, "arch": json.loads(about[MODEL_CARD])["model"]}
    return Weights(tensors, state_dict.network(about))


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A storage that the pickle names; its content is read when a wanted tensor needs it."""

    key: str
    dtype: np.dtype
    length: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor as the pickle describes it; nothing here is checked yet."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, size, stride)  # what follows concerns gradients


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def _size(numbers: Any = ()) -> tuple[Any, ...]:
    if not isinstance(numbers, tuple | list):
        raise TypeError("a size is neither a tuple nor a list")
    return tuple(numbers)


#: The globals that a weights file may name. A storage's class only stands for a dtype and is never called.
_ADMITTED: Mapping[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _size,
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


def _storage(persistent_id: Any) -> _Storage:
    """The storage that a persistent id ('storage', class, key, device, length[, view]) names."""
    kind, dtype, key, _, length, *view = persistent_id
    if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str) or not _is_count(length):
        raise ValueError("an object outside its pickle is not a storage")
    if any(item is not None for item in view):
        raise ValueError(f"storage {key!r} is a view of another one, which only PyTorch before 0.4 wrote")
    return _Storage(key, dtype, length)


def _read_archive(archive: zipfile.ZipFile) -> Weights:
    """The zip format. Its members are not compressed, so none can be larger than the file."""
    members = {member.filename: member for member in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise ValueError("it is a zip archive without <name>/data.pkl, so torch.save did not write it")
    root = pickles[0].removesuffix("data.pkl")
    available = os.fstat(archive.fp.fileno()).st_size if archive.fp else 0
    if sum(member.file_size for member in members.values()) > available:
        raise ValueError("its members are together larger than the file")

    def content(name: str) -> bytes:
        if name not in members:
            raise ValueError(f"it lacks {name}")
        if members[name].compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed, which torch.save never does")
        return archive.read(name)

    if root + "byteorder" in members and content(root + "byteorder") != b"little":
        raise ValueError("it was written on a big-endian machine")
    checkpoint = restricted_pickle.load(io.BytesIO(content(root + "data.pkl")), _ADMITTED, _storage, state_dict.INERT)

    def read_storage(storage: _Storage) -> bytes:
        return content(f"{root}data/{storage.key}")

    return _weights(checkpoint, read_storage)


def _read_legacy(content: mmap.mmap) -> Weights:
    """The format before PyTorch 1.6."""
    storages: dict[str, _Storage] = {}

    def persistent_load(persistent_id: Any) -> _Storage:
        storage = _storage(persistent_id)
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {storage.key!r} is described in two ways")
        return storage

    def load() -> Any:
        return restricted_pickle.load(content, _ADMITTED, persistent_load, state_dict.INERT)

    if load() != _LEGACY_MAGIC or load() != _LEGACY_PROTOCOL:
        raise ValueError("it is a pickle, but not one that torch.save wrote")
    if not load()["little_endian"]:
        raise ValueError("it was written on a big-endian machine")
    checkpoint, keys = load(), load()
    starts: dict[str, int] = {}
    position = content.tell()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("its storages' keys are not texts")
    for key in keys:
        (length,) = struct.unpack("<q", content[position : position + 8])
        if length != storages[key].length:
            raise ValueError(f"storage {key!r} has {length} elements where {storages[key].length} were announced")
        starts[key] = position + 8
        position += 8 + length * storages[key].dtype.itemsize
        if position > len(content):
            raise ValueError(f"it ends inside storage {key!r}")

    def read_storage(storage: _Storage) -> bytes:
        start = starts[storage.key]
        return content[start : start + storage.length * storage.dtype.itemsize]

    return _weights(checkpoint, read_storage)


def _weights(checkpoint: Any, read_storage: Callable[[_Storage], bytes]) -> Weights:
    return Weights(_arrays(state_dict.find(checkpoint, _Tensor), read_storage), state_dict.network(checkpoint))


def _arrays(tensors: Mapping[str, _Tensor], read_storage: Callable[[_Storage], bytes]) -> dict[str, np.ndarray]:
    flat: dict[_Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        storage = tensor.storage
        if not isinstance(storage, _Storage):
            raise ValueError(f"tensor {name!r} has no storage")
        if storage not in flat:
            content = read_storage(storage)
            if len(content) != storage.length * storage.dtype.itemsize:
                raise ValueError(
                    f"storage {storage.key!r} has {len(content)} bytes for {storage.length} {storage.dtype}"
                )
            flat[storage] = np.frombuffer(content, storage.dtype)
        arrays[name] = _view(name, flat[storage], tensor)
    return arrays


def _view(name: str, flat: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """The tensor as a part of its storage, after a check of its bounds."""
    offset, size, stride = tensor.offset, tensor.size, tensor.stride
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 32):
        raise ValueError(f"tensor {name!r} has no valid shape")
    if not all(_is_count(number) for number in (offset, *size, *stride)):
        raise ValueError(f"tensor {name!r} has no valid shape")
    elements = math.prod(size)
    if elements == 0:
        return np.empty(size, flat.dtype)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if last >= flat.size or elements > flat.size:
        raise ValueError(f"tensor {name!r} of shape {size} does not fit its storage of {flat.size} elements")
    strides = tuple(step * flat.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(flat[offset:], size, strides, writeable=False)


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**63  # (isinstance would take a bool for an int)
