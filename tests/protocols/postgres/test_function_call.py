"""FunctionCall: what it holds, and what is no FunctionCall."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.actions import FUNCTION_CALL
from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.frames import Cutter
from gatekeep.protocols.postgres.function_call import LARGE_OBJECTS, read_function_call
from gatekeep.protocols.postgres.segments import Reader
from gatekeep.protocols.postgres.statements import Names

VALUES = st.lists(st.none() | st.binary(max_size=20), max_size=5)


def body(oid: int, values: list[bytes | None], formats: list[int]) -> bytes:
    """A FunctionCall as libpq writes it."""
    data = struct.pack(f">IH{len(formats)}HH", oid, len(formats), *formats, len(values))
    for value in values:
        data += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return data + struct.pack(">H", 1)


@given(st.integers(0, 2**32 - 1), VALUES, st.sampled_from([[], [0], [1]]))
def test_what_was_written_is_read(oid: int, values: list[bytes | None], formats: list[int]) -> None:
    """Oid, formats and values, NULL among them."""
    call = read_function_call(body(oid, values, formats))
    assert call == (oid, tuple(formats), tuple(values))


@given(VALUES, st.data())
def test_fuzz_any_damage_is_a_clients_fault(
    values: list[bytes | None], data: st.DataObject
) -> None:
    """Cut short, longer, or with a byte changed: read, or refused; nothing else."""
    whole = body(957, values, [1] * len(values))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ClientFault, match="FunctionCall"):
        read_function_call(whole[:cut])
    with pytest.raises(ClientFault, match="not as long"):
        read_function_call(whole + b"x")
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ClientFault):  # and nothing else
        assert len(read_function_call(bytes(changed)).values) < len(whole)


def test_a_segment_of_it_says_what_it_calls() -> None:
    """One execution with the function's oid and raw values, whose source is not SQL."""
    cutter = Cutter()
    cutter.feed(m.frame(b"F", body(955, [b"\0\0\0\1", b"text"], [1])))
    cut = cutter.cut()
    assert cut is not None
    segment = Reader(Names()).read(cut)
    (call,) = segment.executions
    assert (segment.kind, call.mode, call.call) == (FUNCTION_CALL, FUNCTION_CALL, (955, False))
    assert (call.text, call.unknown_source) == ("FunctionCall 955", True)
    assert (call.parameter_formats, call.values) == ((1,), (b"\0\0\0\1", b"text"))


def test_large_object_functions_are_those_that_libpq_calls() -> None:
    """The names that its lo_* functions look up before they call by number."""
    assert {name.removeprefix("pg_catalog.") for name in LARGE_OBJECTS.values()} >= {
        "lo_open", "lo_close", "lo_creat", "lo_create", "lo_unlink", "lo_lseek", "lo_lseek64",
        "lo_tell", "lo_tell64", "lo_truncate", "lo_truncate64", "loread", "lowrite",
    }  # fmt: skip
