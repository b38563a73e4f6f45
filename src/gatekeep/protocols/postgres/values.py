"""Bind values for the record: text, the common binary types, and length with hash for the rest.

What is decoded here is evidence for people, never given to a target. Nothing raises.
Source: the send and receive functions of PostgreSQL's built-in types.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gatekeep.domain.actions import BoundValue

MAX_VALUE: Final = 1_024
"""Longer values are kept as length and SHA-256, in bytes."""
_MAX_BYTEA: Final = 64
_BINARY: Final = 1
_NO_SECRETS: Final = frozenset({16, 20, 21, 23, 26, 700, 701, 1082, 1114, 1184, 1700, 2950})
"""Truth values, numbers, times and ids."""
_EPOCH_DAY: Final = date(2000, 1, 1)
_INFINITE_DATE: Final = {2**31 - 1: "infinity", -(2**31): "-infinity"}
_INFINITE_TIME: Final = {2**63 - 1: "infinity", -(2**63): "-infinity"}
_NUMERIC_SIGNS: Final = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_NEGATIVE: Final = 0x4000
_JSONB_VERSION: Final = 1


def bound_value(value: bytes | None, oid: int, binary: bool) -> BoundValue:
    """One bind value as it is recorded. `oid` 0: the client did not say. Never raises."""
    if value is None:
        return BoundValue(oid, None)
    length = len(value)
    text = ""
    if length <= MAX_VALUE:
        try:
            if not binary:
                return BoundValue(oid, value.decode(), length)
            decode = _DECODERS.get(oid)
            if decode is not None:
                text = decode(value)
                return BoundValue(oid, text, length)
        except (ValueError, ArithmeticError, struct.error):
            pass  # not what its type says: kept by length and hash like all that is unknown
    return BoundValue(oid, "", length, hashlib.sha256(value).hexdigest(), binary)


def bound_values(
    values: Sequence[bytes | None], oids: Sequence[int], formats: Sequence[int]
) -> tuple[BoundValue, ...]:
    """All values of a Bind: no formats mean text, one stands for all. Never raises."""
    if not values:
        return ()
    one = len(formats) == 1
    return tuple(
        bound_value(
            value,
            oids[at] if at < len(oids) else 0,
            (formats[0] if one else formats[at] if at < len(formats) else 0) == _BINARY,
        )
        for at, value in enumerate(values)
    )


def as_secrets(values: Sequence[BoundValue]) -> tuple[BoundValue, ...]:
    """The same, where the statement is of a kind that holds secrets: as its literals, all texts are."""
    return tuple(
        value if value.text is None or value.oid in _NO_SECRETS else replace(value, secret=True)
        for value in values
    )


def _number(layout: str) -> Callable[[bytes], str]:
    unpack = struct.Struct(layout).unpack
    return lambda value: str(unpack(value)[0])


def _float4(value: bytes) -> str:
    """The shortest decimal that is the same 4-byte float."""
    number = struct.unpack(">f", value)[0]
    for digits in range(6, 9):
        shown = f"{number:.{digits}g}"
        if struct.pack(">f", float(shown)) == value:
            return shown
    return f"{number:.9g}"


def _bool(value: bytes) -> str:
    if value not in {b"\x00", b"\x01"}:
        raise ValueError
    return "t" if value == b"\x01" else "f"


def _bytea(value: bytes) -> str:
    if len(value) > _MAX_BYTEA:
        raise ValueError
    return "\\x" + value.hex()


def _uuid(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))


def _jsonb(value: bytes) -> str:
    if value[:1] != bytes([_JSONB_VERSION]):
        raise ValueError
    return value[1:].decode()


def _numeric(value: bytes) -> str:
    """Base-10000 digits with weight, sign and display scale."""
    count, weight, sign, scale = struct.unpack_from(">HhHH", value)
    digits = struct.unpack_from(f">{count}H", value, 8)
    if len(value) != 8 + 2 * count or any(digit > 9_999 for digit in digits):  # noqa: PLR2004 - a digit of base 10000
        raise ValueError
    if sign in _NUMERIC_SIGNS:
        return _NUMERIC_SIGNS[sign]
    if sign not in {0, _NEGATIVE} or scale > 16_383 or abs(weight) > 4_096:  # noqa: PLR2004 - bounds
        raise ValueError
    whole = "".join(f"{digits[at] if at < count else 0:04d}" for at in range(weight + 1))
    first = weight + 1
    rest = "".join(
        f"{digits[at] if 0 <= at < count else 0:04d}" for at in range(first, first + scale // 4 + 1)
    )[:scale]
    shown = (whole.lstrip("0") or "0") + (f".{rest}" if rest else "")
    return ("-" if sign else "") + shown


def _date(value: bytes) -> str:
    days = struct.unpack(">i", value)[0]
    return _INFINITE_DATE.get(days) or (_EPOCH_DAY + timedelta(days=days)).isoformat()


def _timestamp(value: bytes) -> str:
    micros = struct.unpack(">q", value)[0]
    if micros in _INFINITE_TIME:
        return _INFINITE_TIME[micros]
    moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(" ")


def _timestamptz(value: bytes) -> str:
    shown = _timestamp(value)
    return shown if "infinity" in shown else shown + "+00"


_DECODERS: Final[dict[int, Callable[[bytes], str]]] = {
    16: _bool, 17: _bytea, 18: bytes.decode, 19: bytes.decode, 20: _number(">q"),
    21: _number(">h"), 23: _number(">i"), 25: bytes.decode, 26: _number(">I"),
    114: bytes.decode, 700: _float4, 701: _number(">d"), 1042: bytes.decode, 1043: bytes.decode,
    1082: _date, 1114: _timestamp, 1184: _timestamptz, 1700: _numeric, 2950: _uuid, 3802: _jsonb,
}  # fmt: skip
