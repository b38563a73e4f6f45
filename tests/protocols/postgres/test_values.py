"""Bind values for the record: the target's own binary forms read as the target would show them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.postgres_wire import Wire, frames

from gatekeep.domain.actions import BoundValue
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.values import MAX_VALUE, bound_value, bound_values

CASES = [
    ("bool", 16, ["t", "f"]),
    ("bytea", 17, ["\\x", "\\x00ff10"]),
    ("name", 19, ["a name"]),
    ("int8", 20, ["0", "-9223372036854775808", "9223372036854775807"]),
    ("int2", 21, ["-32768", "7"]),
    ("int4", 23, ["-2147483648", "42"]),
    ("text", 25, ["", "straße ✓"]),
    ("oid", 26, ["4294967295"]),
    ("json", 114, ['{"a": [1, null]}']),
    ("float4", 700, ["0.1", "-3.4028235e+38", "1e-45", "16777216", "NaN"]),
    ("float8", 701, ["0.1", "-1.7976931348623157e+308", "5e-324", "Infinity", "NaN"]),
    ("bpchar", 1042, ["ab  "]),
    ("varchar", 1043, ["ab"]),
    ("date", 1082, ["2000-01-01", "1999-12-31", "2026-11-20", "infinity", "-infinity"]),
    ("timestamp", 1114, ["2026-11-20 19:29:10.000001", "1969-01-01 00:00:00", "infinity"]),
    ("timestamptz", 1184, ["2026-11-20 19:29:10+00", "-infinity"]),
    ("numeric", 1700, [
        "0", "0.00", "1", "-1", "10000", "100000000", "0.0001", "0.00010000", "-12345.6789",
        "12345678901234567890.123456789", "1e20", "-0.5", "NaN", "Infinity", "-Infinity", "9999.9",
    ]),
    ("uuid", 2950, ["123e4567-e89b-12d3-a456-426614174000"]),
    ("jsonb", 3802, ['{"a": 1}']),
]  # fmt: skip


@pytest.mark.parametrize(("name", "oid", "texts"), CASES)
def test_binary_values_read_as_the_server_shows_them(
    connect: Callable[[], Wire], name: str, oid: int, texts: list[str]
) -> None:
    """The server's binary form of a value, decoded, is the same value to the server."""
    wire = connect()
    wire.exchange(m.query("set timezone = 'UTC'"))
    for text in texts:
        binary = ask(wire, f"select $1::{name}", text, 1)
        shown = bound_value(binary, oid, binary=True)
        assert shown.sha256 == ""
        assert shown.text is not None
        again = ask(wire, f"select $1::{name}", shown.text, 1)
        assert again == binary, (text, shown.text)
        if name not in {"float4", "float8", "numeric", "timestamp"}:
            assert shown.text == ask(wire, f"select $1::{name}", text, 0).decode()


def ask(wire: Wire, text: str, value: str, result_format: int) -> bytes:
    """The one value of a query with one parameter, in the format asked for."""
    answer = wire.exchange(
        m.parse("", text) + m.bind("", "", [value.encode()], (0,), (result_format,))
        + m.execute("") + m.SYNC
    )  # fmt: skip
    row = next(body for kind, body in frames(answer) if kind == "D")
    return row[6:]


def test_formats_stand_for_the_values_as_the_protocol_says() -> None:
    """None: all text; one: for all; else one each; an oid that was not given is 0."""
    assert bound_values([b"7", None], (), ()) == (BoundValue(0, "7", 1), BoundValue(0, None))
    four = struct.pack(">i", 4)
    assert [one.text for one in bound_values([four, four], (23, 23), (1,))] == ["4", "4"]
    assert [one.text for one in bound_values([four, b"4"], (23, 23), (1, 0))] == ["4", "4"]


@pytest.mark.parametrize(
    ("value", "oid", "binary"),
    [
        (b"x" * (MAX_VALUE + 1), 25, False),
        (b"\xff", 25, False),
        (b"\x00\x00\x00\x07", 99_999, True),
        (b"\x00\x07", 23, True),
        (b"\x02", 16, True),
        (bytes(65), 17, True),
        (b"\x7f\xff\xff\xfe", 1082, True),
        (b"\x00\x01\x7f\xff\x00\x00\x00\x00\x00\x01", 1700, True),
        (b"\x02{}", 3802, True),
    ],
)
def test_what_cannot_be_shown_is_length_and_hash(value: bytes, oid: int, binary: bool) -> None:
    """Long values, unknown types, and values that are not what their type says."""
    digest = hashlib.sha256(value).hexdigest()
    assert bound_value(value, oid, binary) == BoundValue(
        oid, "", len(value), digest, binary
    )


@given(st.binary(max_size=80), st.sampled_from([oid for _, oid, _ in CASES]), st.booleans())
def test_nothing_is_ever_raised(value: bytes, oid: int, binary: bool) -> None:
    """Whatever a client binds, there is a record of it, and it is bounded."""
    shown = bound_value(value, oid, binary)
    assert shown.text is not None
    assert shown.length == len(value)
    assert len(shown.text) < 40_000
