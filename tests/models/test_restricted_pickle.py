import argparse
import collections
import contextlib
import datetime
import io
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jdnet_jax.models import restricted_pickle
from jdnet_jax.models.state_dict import INERT

KEYS = st.text() | st.integers() | st.floats(allow_nan=False) | st.none() | st.booleans()
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(KEYS, inner).map(collections.OrderedDict)
    ),
)


def load(content, admitted=None, persistent_load=None, inert=()):
    return restricted_pickle.load(io.BytesIO(content), admitted or {}, persistent_load or _no_persistent, inert)


def _no_persistent(persistent_id):
    raise AssertionError(f"no persistent id was written, but {persistent_id!r} was read")


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class Plain:
    """An instance of this class is pickled through its class, not through a call."""


@settings(deadline=None)
@given(value=PLAIN, protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_data_comes_back(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


def test_shared_objects_stay_shared():
    part = [1]
    first, second = load(pickle.dumps([part, part], 2))
    assert first is second


def test_stream_is_left_behind_the_pickle():
    stream = io.BytesIO(pickle.dumps(1, 2) + pickle.dumps("two", 2) + b"rest")
    assert restricted_pickle.load(stream, {}, _no_persistent) == 1
    assert restricted_pickle.load(stream, {}, _no_persistent) == "two"
    assert stream.read() == b"rest"


def test_admitted_function_is_called_in_place_of_the_named_one():
    content = pickle.dumps([Call(os.path.join, "a", "b")], 2)
    assert load(content, {"posixpath.join": lambda *parts: parts}) == [("a", "b")]


def test_persistent_ids_are_resolved():
    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("kind", 7) if obj == "outside" else None

    file = io.BytesIO()
    Pickler(file, 2).dump(["inside", "outside"])
    assert load(file.getvalue(), persistent_load=lambda persistent_id: persistent_id[1]) == ["inside", 7]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [(os.system, "echo > {}", "posix.system"), (eval, "__import__('pathlib').Path('{}').touch()", "eval")],
)
def test_calls_are_refused_and_not_made(tmp_path, protocol, function, argument, name):
    proof = tmp_path / "executed"
    content = pickle.dumps({"weight": Call(function, argument.format(proof))}, protocol)
    with pytest.raises(restricted_pickle.RefusedError, match=name):
        load(content)
    assert not proof.exists()
    pickle.loads(content)  # the attack is real: the general machine falls for it
    assert proof.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_instances_are_refused(protocol):
    with pytest.raises(restricted_pickle.RefusedError):
        load(pickle.dumps(Plain(), protocol))
    with pytest.raises(restricted_pickle.RefusedError, match="NEWOBJ"):  # even if the class's name is admitted
        load(pickle.dumps(Plain(), 2), {f"{__name__}.Plain": Plain, "copyreg._reconstructor": Plain})


@pytest.mark.parametrize("content", [b"\x80\x02(iposix\nsystem\n.", b"\x80\x02cposix\nsystem\n.", b"\x80\x02\x82\x01."])
def test_other_ways_to_name_code_are_refused(content):
    with pytest.raises(restricted_pickle.RefusedError):
        load(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",  # no end
        b"\x80\x02.",  # nothing on the stack
        b"\x80\x02)u.",  # items without a mark
        b"\x80\x02(K\x01u.",
        b"\x80\x02K\x01K\x02\x86K\x03a.",  # append to a tuple
        b"\x80\x02)K\x01K\x02s.",  # item of a tuple
        b"\x80\x02h\x05.",  # memo never written
        b"\x80\x02K\x01)R.",  # call of a number
        b"\x80\x02}]K\x01s.",  # a list as a key
        b"\x80\x02K\x01\x86.",  # a pair of one
        b"I1\n.",  # an instruction of protocol 0
        b"\x80\x02K\x01}b.",  # attributes of a number
    ],
)
def test_malformed_pickles_are_errors(content):
    with pytest.raises((ValueError, LookupError, TypeError)):
        load(content)


def test_attributes_of_an_ordered_dict_are_ignored():
    state = collections.OrderedDict(a=1)
    state._metadata = {"version": 1}  # as torch's state dicts have
    loaded = load(pickle.dumps(state, 2))
    assert loaded == {"a": 1}
    assert type(loaded) is dict


def test_stated_lengths_are_not_allocated():
    huge = struct.pack("<I", 2**31 - 1)
    with pytest.raises(ValueError, match="remain"):
        load(b"\x80\x02X" + huge + b"a.")  # a string of 2 GiB
    assert load(b"\x80\x02K\x07r" + huge + b".") == 7  # a memo of 2**31 entries, which an array would be sized for


#: A tuple of two times a tuple of two times ... a hundred times: small, and endless for whoever goes through it.
ENDLESS = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(100))
ADMITTED = {"a.call": lambda *arguments: arguments, "a.size": tuple}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04" + ENDLESS + ENDLESS + b"\x93.",
        b"\x80\x04\x8c\x01a" + ENDLESS + b"\x93.",
        b"\x80\x04" + ENDLESS + b"\x8c\x01a\x93.",
        b"\x80\x02}" + ENDLESS + b"K\x01s.",
        b"\x80\x02" + ENDLESS + b"Nb.",
        b"\x80\x02" + ENDLESS + b")R.",
        b"\x80\x02" + ENDLESS + b")\x81.",
        b"\x80\x02N" + ENDLESS + b"R.",
        b"\x80\x02" + b"(" + b"N" * 10_000 + b"tq\xf0" + b"h\xf0Q" * 20_000 + b".",
        b"\x80\x02ca\ncall\n(" + b"N" * 10_000 + b"tq\xf0" + b"R.",
        b"\x80\x02\x8b" + struct.pack("<i", 10_000) + b"\x01" * 10_000 + b".",  # a number
    ],
)
def test_what_is_endless_is_not_gone_through(content):
    with pytest.raises((ValueError, TypeError)):
        load(content, ADMITTED, lambda persistent_id: None)


@pytest.mark.parametrize("function", ["a size", "a call", "collections OrderedDict"])
def test_one_long_list_is_not_copied_again_and_again(function):
    """A file of a megabyte could ask for a hundred thousand copies of a list of a hundred thousand."""
    module, name = function.encode().split()
    items = b"](" + (b"](K\x01K\x02e" if b"Ordered" in name else b"N") * 2000 + b"eq\xf0"
    calls = b"c" + module + b"\n" + name + b"\nq\xf1" + b"h\xf1h\xf0\x85R" * 2000
    with pytest.raises(ValueError, match="again and again"):
        load(b"\x80\x02" + items + calls + b".", ADMITTED)


def test_sizes_that_are_written_for_each_tensor_are_no_such_list():
    sizes = b"](" + b"ca\nsize\n(K\x40K\x20K\x07K\x07t\x85R" * 5000 + b"e."
    assert load(b"\x80\x02" + sizes, ADMITTED) == [(64, 32, 7, 7)] * 5000


def test_a_pickle_of_endless_instructions_ends(monkeypatch):
    monkeypatch.setattr(restricted_pickle, "_MOST_INSTRUCTIONS", 1000)
    with pytest.raises(ValueError, match="more than 1,000 instructions"):
        load(b"\x80\x02" + b"N" * 1000 + b".")
    assert load(b"\x80\x02" + b"N" * 998 + b".") is None


def test_inert_objects_are_read_and_hold_nothing():
    arguments = argparse.Namespace(model="resnet50", lr=0.1, nested=argparse.Namespace(a=[1]))
    found = load(pickle.dumps({"args": arguments, "epoch": 3}, 2), inert={"argparse.Namespace"})
    assert found == {"args": restricted_pickle.INERT, "epoch": 3}
    counts = collections.defaultdict(list, a=[1], b=[2])
    content = pickle.dumps([counts, 1], 2)
    with pytest.raises(restricted_pickle.RefusedError, match="defaultdict"):
        load(content)
    names = {"collections.defaultdict", "__builtin__.list"}
    assert load(content, inert=names) == [restricted_pickle.INERT, 1]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "value",
    [
        np.float64(0.5),
        np.int32(3),
        np.arange(3.0),
        {1, 2},
        frozenset({1}),
        pathlib.PurePosixPath("/a"),
        collections.Counter("abca"),
        datetime.timedelta(3),
        complex(1, 2),
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_training_scripts_write_are_inert(protocol, value):
    found = load(pickle.dumps({"value": value, "after": 1}, protocol), inert=INERT)
    assert found["after"] == 1
    assert found["value"] is restricted_pickle.INERT or found["value"] == value


def test_no_inert_object_makes_a_call_possible(tmp_path):
    proof = tmp_path / "executed"
    attack = Call(os.system, f"echo > {proof}")
    for value in (argparse.Namespace(x=attack), collections.defaultdict(int, {1: attack}), [complex(1), attack]):
        with pytest.raises(restricted_pickle.RefusedError, match=r"posix\.system"):
            load(pickle.dumps(value, 2), inert=INERT)
    assert not proof.exists()


def test_deeply_nested_keys_do_not_overflow_the_stack():
    with pytest.raises(TypeError, match="key"):
        load(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.")


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # pickletools', where damage makes a text of protocol 0
@settings(deadline=None, max_examples=150)
@given(data=st.data(), value=PLAIN)
def test_damaged_pickles_raise_nothing_unexpected(data, value):
    content = bytearray(pickle.dumps(value, 2))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError, LookupError, TypeError, ArithmeticError):
        load(bytes(content), persistent_load=lambda persistent_id: None)
