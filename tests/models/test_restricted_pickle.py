import collections
import contextlib
import io
import os
import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jdnet_jax.models import restricted_pickle

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


def load(content, admitted=None, persistent_load=None):
    return restricted_pickle.load(io.BytesIO(content), admitted or {}, persistent_load or _no_persistent)


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
