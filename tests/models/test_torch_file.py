import argparse
import collections
import contextlib
import dataclasses
import fractions
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from jdnet_jax.models import pretrained, torch_file
from jdnet_jax.models.torch_file import read_tensors
from jdnet_jax.process.errors import UserError

# --- A writer of both formats. torch is not here, so stand-ins with its names are pickled in place of its classes.

STORAGES = {
    np.dtype("f8"): "DoubleStorage",
    np.dtype("f4"): "FloatStorage",
    np.dtype("f2"): "HalfStorage",
    np.dtype(ml_dtypes.bfloat16): "BFloat16Storage",
    np.dtype("i8"): "LongStorage",
    np.dtype("i4"): "IntStorage",
    np.dtype("i2"): "ShortStorage",
    np.dtype("i1"): "CharStorage",
    np.dtype("u1"): "ByteStorage",
    np.dtype("?"): "BoolStorage",
}


def _stand_ins():
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for module, names in (
        (torch, [*STORAGES.values(), "ComplexFloatStorage"]),
        (utils, ["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"]),
    ):
        for name in names:
            setattr(module, name, type(name, (), {"__module__": module.__name__, "__qualname__": name}))
    return torch, utils


TORCH, UTILS = _stand_ins()


@dataclasses.dataclass(eq=False)
class Storage:
    """A flat buffer; `length` is what the pickle says of it."""

    values: np.ndarray
    length: int | None = None

    @property
    def persistent_id(self):
        return (
            getattr(TORCH, STORAGES[self.values.dtype]),
            "cpu",
            self.values.size if self.length is None else self.length,
        )


@dataclasses.dataclass
class Tensor:
    """A view of a storage, counted in elements."""

    storage: Storage
    offset: int
    size: tuple
    stride: tuple
    parameter: bool = False
    version: str = "_rebuild_tensor_v2"


def tensor(values, **options):
    strides = tuple(step // values.itemsize for step in np.empty(values.shape, values.dtype).strides)
    return Tensor(Storage(values.ravel()), 0, values.shape, strides, **options)


class _Pickler(pickle.Pickler):
    def __init__(self, file, protocol):
        super().__init__(file, protocol)
        self.storages = {}

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        key = next((key for key, known in self.storages.items() if known is obj), str(len(self.storages)))
        self.storages[key] = obj
        storage_class, device, length = obj.persistent_id
        return ("storage", storage_class, key, device, length, *self.view)

    def reducer_override(self, obj):
        if not isinstance(obj, Tensor):
            return NotImplemented
        if obj.parameter:
            data = dataclasses.replace(obj, parameter=False)
            return UTILS._rebuild_parameter, (data, True, collections.OrderedDict())
        arguments = (obj.storage, obj.offset, obj.size, obj.stride)
        if obj.version == "_rebuild_tensor_v2":
            arguments += (False, collections.OrderedDict())
        return getattr(UTILS, obj.version), arguments


def _dump(checkpoint, protocol, view=()):
    file = io.BytesIO()
    pickler = _Pickler(file, protocol)
    pickler.view = view
    with mock.patch.dict(sys.modules, {"torch": TORCH, "torch._utils": UTILS}):
        pickler.dump(checkpoint)
    return file.getvalue(), pickler.storages


def zip_file(checkpoint, protocol=2, compression=zipfile.ZIP_STORED, byteorder="little"):
    pickled, storages = _dump(checkpoint, protocol)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        for key, storage in storages.items():
            archive.writestr(f"archive/data/{key}", storage.values.tobytes())
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def legacy_file(checkpoint, protocol=2, magic=0x1950A86A20F9469CFC6C, little_endian=True, view=(None,)):
    pickled, storages = _dump(checkpoint, protocol, view)
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(magic, protocol), pickle.dumps(1001, protocol), pickle.dumps(system, protocol), pickled]
    parts.append(pickle.dumps(list(storages), protocol))
    for storage in storages.values():
        parts += [struct.pack("<q", storage.values.size), storage.values.tobytes()]
    return b"".join(parts)


BOTH_FORMATS = pytest.mark.parametrize("write", [zip_file, legacy_file])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "weights.pth"


def written(path, content):
    path.write_bytes(content)
    return path


def read(path, content):
    return read_tensors(written(path, content))


def error_of(path, content):
    """The one line that the user sees."""
    with pytest.raises(UserError) as caught:
        read(path, content)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert len(message) < 700
    return message


# --- What can be read.

ARRAYS = st.sampled_from(sorted(STORAGES, key=str)).flatmap(
    lambda dtype: npst.arrays(
        np.uint8, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), elements=st.integers(0, 1)
    ).map(lambda values: values.astype(dtype))
)


@BOTH_FORMATS
@settings(deadline=None)
@given(arrays=st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4), protocol=st.sampled_from([2, 3, 4, 5]))
def test_tensors_come_back(path, write, arrays, protocol):
    content = write(collections.OrderedDict((name, tensor(values)) for name, values in arrays.items()), protocol)
    tensors = read(path, content)
    assert list(tensors) == list(arrays)
    for name, values in arrays.items():
        assert tensors[name].dtype == values.dtype
        np.testing.assert_array_equal(tensors[name], values, strict=True)


@BOTH_FORMATS
def test_views_of_one_storage(path, write):
    storage = Storage(np.arange(12, dtype=np.float32))
    tensors = read(
        path,
        write({
            "transposed": Tensor(storage, 0, (4, 3), (1, 4)),
            "column": Tensor(storage, 1, (3,), (4,)),
            "last": Tensor(storage, 11, (), ()),
            "diagonal": Tensor(storage, 0, (3,), (5,)),
        }),
    )  # fmt: skip
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(tensors["transposed"], matrix.T)
    np.testing.assert_array_equal(tensors["column"], [1, 5, 9])
    np.testing.assert_array_equal(tensors["last"], 11)
    np.testing.assert_array_equal(tensors["diagonal"], [0, 5, 10])
    assert np.shares_memory(tensors["transposed"], tensors["column"])
    assert not any(values.flags.writeable for values in tensors.values())


@BOTH_FORMATS
def test_parameters_and_the_first_way_to_rebuild_a_tensor(path, write):
    values = np.float32([[1, 2], [3, 4]])
    tensors = read(path, write({"a": tensor(values, parameter=True), "b": tensor(values, version="_rebuild_tensor")}))
    np.testing.assert_array_equal(tensors["a"], values)
    np.testing.assert_array_equal(tensors["b"], values)


@BOTH_FORMATS
def test_checkpoints_as_timm_and_deit_write_them(path, write):
    weights = collections.OrderedDict(weight=tensor(np.ones(2, np.float32)))
    weights._metadata = {"": {"version": 1}}
    beside = {"args": argparse.Namespace(model="resnet18", lr=0.1), "metric": np.float64(81.5), "epoch": 3}
    beside |= {"optimizer": {"state": {}, "param_groups": [{"betas": (0.9, 0.999)}]}, "milestones": {3, 4}}
    for checkpoint in ({"arch": "resnet18", "state_dict": weights, **beside}, {"model": weights, **beside}):
        found = torch_file.read(written(path, write(checkpoint)))
        np.testing.assert_array_equal(found.tensors["weight"], [1, 1])
        assert found.network == checkpoint.get("arch")
    np.testing.assert_array_equal(read(path, write({**weights, "best": np.float32(3), "epoch": 3}))["weight"], [1, 1])


@BOTH_FORMATS
@pytest.mark.parametrize("place", ["storage", "offset", "size", "stride", "in size", "entry", "checkpoint"])
def test_what_is_endless_is_not_gone_through(path, write, place):
    endless = ()
    for _ in range(100):
        endless = (endless, endless)
    good = tensor(np.zeros(2, np.float32))
    if place in ("storage", "offset", "size", "stride"):
        error_of(path, write({"weight": dataclasses.replace(good, **{place: endless})}))
    elif place == "in size":
        error_of(path, write({"weight": dataclasses.replace(good, size=(endless,))}))
    else:
        error_of(path, write({"weight": good, "a": endless} if place == "entry" else endless))


def test_endless_keys_of_storages_are_not_gone_through(path):
    endless = ()
    for _ in range(100):
        endless = (endless, endless)
    good = legacy_file({"weight": tensor(np.zeros(2, np.float32))})
    keys = pickle.dumps(["0"], 2)
    assert good.count(keys) == 1
    assert "keys" in error_of(path, good.replace(keys, pickle.dumps([endless], 2)))


@BOTH_FORMATS
@pytest.mark.parametrize(
    ("wrappers", "read_from"),
    [
        (["state_dict"], "state_dict"),
        (["model"], "model"),
        (["state_dict_ema", "state_dict"], "state_dict_ema"),
        (["model", "model_ema"], "model_ema"),
    ],
)
def test_checkpoints_of_training_scripts(path, write, wrappers, read_from):
    checkpoint = {"epoch": 3, "arch": "resnet18", "optimizer": {"state": {0: tensor(np.zeros(2, np.float32))}}}
    for i, wrapper in enumerate(wrappers):
        checkpoint[wrapper] = {"weight": tensor(np.full(2, i, np.float32))}
    np.testing.assert_array_equal(read(path, write(checkpoint))["weight"], [wrappers.index(read_from)] * 2)


def test_a_package_that_torch_wrote():
    tensors = read_tensors(pretrained.find_weights("tf_efficientnet_lite0", "imagenet"))
    assert len(tensors) == 296
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_blocks.15._bn2.num_batches_tracked"].dtype == np.int64
    # What torch.load gives.
    np.testing.assert_array_equal(tensors["_fc.bias"][:3], np.float32([0.03205391, -0.01598576, 0.005290735]))
    np.testing.assert_array_equal(
        tensors["_conv_stem.weight"][5, 2, 1], np.float32([-0.16491231, -0.04709863, -0.04709863])
    )


def test_safetensors(tmp_path):
    arrays = {
        "float": np.arange(6, dtype=np.float32).reshape(2, 3),
        "half": np.float16([1, 2]),
        "brain": np.array([1, 2.5], ml_dtypes.bfloat16),
        "scalar": np.array(7, np.int64),
    }
    safetensors.numpy.save_file(arrays, tmp_path / "weights.safetensors")
    tensors = read_tensors(tmp_path / "weights.safetensors")
    assert tensors.keys() == arrays.keys()
    for name, values in arrays.items():
        assert tensors[name].dtype == values.dtype
        np.testing.assert_array_equal(tensors[name], values, strict=True)


# --- What is refused.


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, argument):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


@BOTH_FORMATS
@pytest.mark.parametrize("place", ["instead of the tensors", "among the tensors", "beside the tensors", "in a tensor"])
def test_code_in_a_file_is_not_executed(tmp_path, path, write, place):
    proof = tmp_path / "executed"
    attack = Call(os.system, f"echo > {proof}")
    good = tensor(np.zeros(3, np.float32))
    checkpoint = {
        "instead of the tensors": attack,
        "among the tensors": {"weight": good, "bias": attack},
        "beside the tensors": {"epoch": attack, "state_dict": {"weight": good}},
        "in a tensor": {"weight": dataclasses.replace(good, offset=attack)},
    }[place]
    message = error_of(path, write(checkpoint))
    assert "'posix.system'" in message
    assert "nothing was executed" in message
    assert not proof.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_before_the_magic_number_is_not_executed(tmp_path, path, protocol):
    proof = tmp_path / "executed"
    error_of(path, pickle.dumps(Call(os.system, f"echo > {proof}"), protocol))
    error_of(path, legacy_file({}, magic=Call(os.system, f"echo > {proof}")))
    assert not proof.exists()


@BOTH_FORMATS
def test_a_whole_pickled_object_is_refused_by_name(path, write):
    assert "'fractions.Fraction'" in error_of(path, write({"model": fractions.Fraction(1, 2)}))


@BOTH_FORMATS
def test_every_shorter_file_is_refused(path, write):
    content = write({"a": tensor(np.arange(3, dtype=np.float32)), "b": tensor(np.ones(2, np.float16))})
    for length in range(len(content)):
        error_of(path, content[:length])


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # pickletools', where damage makes a text of protocol 0
@BOTH_FORMATS
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damaged_files_raise_nothing_else(path, write, data):
    content = bytearray(write({"a": tensor(np.arange(6, dtype=np.float32).reshape(2, 3)), "b": tensor(np.ones(2))}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UserError):
        read(path, bytes(content))


@BOTH_FORMATS
@pytest.mark.parametrize(
    "bad",
    [
        Tensor(Storage(np.zeros(4, np.float32)), 1, (4,), (1,)),  # one too far
        Tensor(Storage(np.zeros(4, np.float32)), 0, (2, 2), (3, 2)),
        Tensor(Storage(np.zeros(4, np.float32)), 0, (10**12,), (0,)),  # one element repeated
        Tensor(Storage(np.zeros(4, np.float32)), 0, (2**63, 2), (1, 1)),
        Tensor(Storage(np.zeros(4, np.float32)), -1, (2,), (1,)),
        Tensor(Storage(np.zeros(4, np.float32)), 3, (2,), (-1,)),
        Tensor(Storage(np.zeros(4, np.float32)), 0, (2, 2), (1,)),
        Tensor(Storage(np.zeros(4, np.float32)), 0, (2.0,), (1,)),
        Tensor(Storage(np.zeros(4, np.float32)), 0, (1,) * 100, (1,) * 100),
        Tensor(Storage(np.zeros(4, np.float32), length=2**40), 0, (4,), (1,)),
        Tensor(Storage(np.zeros(4, np.float32), length=-1), 0, (1,), (1,)),
        Tensor(Storage(np.zeros(4, np.float32), length=True), 0, (1,), (1,)),
        Tensor("storage", 0, (1,), (1,)),
    ],
    ids=repr,
)
def test_impossible_tensors_are_refused(path, write, bad):
    error_of(path, write({"weight": bad}))


def test_compressed_members_are_refused(path):
    bomb = {"weight": tensor(np.zeros(10**6, np.float32))}
    content = zip_file(bomb, compression=zipfile.ZIP_DEFLATED)
    assert len(content) < 10**5
    assert "larger than the file" in error_of(path, content)
    incompressible = {"w": tensor(np.random.default_rng(0).integers(0, 256, 100, np.uint8))}
    assert "compressed" in error_of(path, zip_file(incompressible, compression=zipfile.ZIP_DEFLATED) + b" " * 1000)


def test_other_byte_orders_are_refused(path):
    state = {"weight": tensor(np.zeros(2, np.float32))}
    assert "big-endian" in error_of(path, zip_file(state, byteorder="big"))
    assert "big-endian" in error_of(path, legacy_file(state, little_endian=False))


def test_views_of_storages_are_refused(path):
    state = {"weight": tensor(np.zeros(2, np.float32))}
    assert "view" in error_of(path, legacy_file(state, view=(("1", 0, 2),)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html>", "torch.save"),
        (b"version https://git-lfs.github.com/spec/v1\n", "torch.save"),
        (pickle.dumps({"weight": 1}, 2), "not one that torch.save wrote"),
        (zip_file({"epoch": 3}), "epoch"),
        (zip_file([tensor(np.zeros(2, np.float32))]), "no dictionary"),
        (zip_file({3: tensor(np.zeros(2, np.float32))}), "'3'"),
    ],
)
def test_files_of_another_kind(path, content, reason):
    assert reason in error_of(path, content)


def test_zip_archives_of_another_kind(path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "text")
    assert "data.pkl" in error_of(path, file.getvalue())


def test_paths_that_are_not_files(tmp_path):
    for name, reason in (("absent.pth", "No such file"), ("absent.safetensors", "No such file"), (".", "directory")):
        with pytest.raises(UserError, match=reason):
            read_tensors(tmp_path / name)


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)
    content = path.read_bytes()
    for length in range(len(content)):
        error_of(path, content[:length])
    header = b'{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}'
    assert "C64" in error_of(path, struct.pack("<Q", len(header)) + header + bytes(8))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damaged_safetensors_raise_nothing_else(path, data):
    path = path.with_suffix(".safetensors")
    content = bytearray(safetensors.numpy.save({"a": np.zeros((2, 3), np.float32), "b": np.ones(2, np.float16)}))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UserError):
        read(path, bytes(content))


def test_files_under_the_suffix_of_another_format(tmp_path, path):
    proof = tmp_path / "executed"
    attack = legacy_file({"weight": Call(os.system, f"echo > {proof}")})
    error_of(path.with_suffix(".safetensors"), attack)
    assert not proof.exists()
    assert "torch.save" in error_of(path, safetensors.numpy.save({"a": np.zeros(3, np.float32)}))
