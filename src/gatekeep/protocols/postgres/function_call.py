"""FunctionCall: a function named by its oid, with values and no SQL. Reads it; judges nothing.

PostgreSQL manual, "Function Call" and Message Formats. libpq's large-object calls (`lo_import`,
psql's lo_import, JDBC's LargeObject) are made of it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from gatekeep.errors import ClientFault

LARGE_OBJECTS: Final[Mapping[int, str]] = {
    oid: f"pg_catalog.{name}"
    for oid, name in (
        (715, "lo_create"), (764, "lo_import"), (765, "lo_export"), (767, "lo_import"),
        (952, "lo_open"), (953, "lo_close"), (954, "loread"), (955, "lowrite"), (956, "lo_lseek"),
        (957, "lo_creat"), (958, "lo_tell"), (964, "lo_unlink"), (1004, "lo_truncate"),
        (3170, "lo_lseek64"), (3171, "lo_tell64"), (3172, "lo_truncate64"),
        (3457, "lo_from_bytea"), (3458, "lo_get"), (3459, "lo_get"), (3460, "lo_put"),
    )
}  # fmt: skip
"""Built-in functions on large objects by oid (pg_proc.dat): the same on every server."""

_NULL: Final = -1


class FunctionCall(NamedTuple):
    """Oid of the function, formats of its arguments (0 text, 1 binary), and their raw values."""

    oid: int
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]


def read_function_call(body: bytes) -> FunctionCall:
    """The body of a FunctionCall. Raises ClientFault where it is not what it says."""
    try:
        oid, count = struct.unpack_from(">IH", body)
        at = 6
        formats: tuple[int, ...] = struct.unpack_from(f">{count}H", body, at)
        at += 2 * count
        wanted = struct.unpack_from(">H", body, at)[0]
        at += 2
        values: list[bytes | None] = []
        for _ in range(wanted):
            length = struct.unpack_from(">i", body, at)[0]
            at += 4
            if length == _NULL:
                values.append(None)
                continue
            end = at + length
            if length < 0 or end > len(body):
                raise ClientFault("FunctionCall: a value longer than the message")
            values.append(body[at:end])
            at = end
        if len(body) != at + 2 or (count > 1 and count != wanted):
            raise ClientFault("FunctionCall: not as long as it says")
    except struct.error:
        raise ClientFault("FunctionCall: shorter than it says") from None
    return FunctionCall(oid, formats, tuple(values))
