"""Typed messages of the PostgreSQL protocol (3.0 and 3.2): bytes of each, and back, strictly bounded.

Builders give whole frames; `read_*` take a body (what follows type and length) and raise the fault
of whoever sent it. What a message means in a conversation lives elsewhere.
Source: PostgreSQL manual, "Message Formats" and "Error and Notice Message Fields".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.errors import ClientFault, TargetFault
from gatekeep.messages import WireMessage

HEADER: Final = struct.Struct(">BI")
_I16: Final = struct.Struct(">H")
_I32: Final = struct.Struct(">I")
_TWO_I32: Final = struct.Struct(">II")
_NULL_LENGTH: Final = 0xFFFFFFFF
_MAX_FIELDS: Final = 64

SYNC: Final = b"S\x00\x00\x00\x04"
FLUSH: Final = b"H\x00\x00\x00\x04"
TERMINATE: Final = b"X\x00\x00\x00\x04"

AUTH_OK: Final = 0
AUTH_CLEARTEXT: Final = 3
AUTH_MD5: Final = 5
AUTH_SASL: Final = 10
AUTH_SASL_CONTINUE: Final = 11
AUTH_SASL_FINAL: Final = 12


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """One whole message: type byte, length (which counts itself), body."""
    return kind + _I32.pack(len(body) + 4) + body


def _cstring(text: str) -> bytes:
    return text.replace("\x00", "").encode("utf-8", "surrogateescape") + b"\x00"


# --- what the target side says -----------------------------------------------------------------


def error_response(message: WireMessage) -> bytes:
    """ErrorResponse with fields S V C M and, where present, D H W (the context)."""
    return frame(b"E", _fields(message))


def notice_response(message: WireMessage) -> bytes:
    """NoticeResponse with the same fields as an ErrorResponse."""
    return frame(b"N", _fields(message))


def _fields(message: WireMessage) -> bytes:
    severity = _cstring(message.severity)
    parts = [b"S", severity, b"V", severity, b"C", _cstring(message.sqlstate)]
    parts += [b"M", _cstring(message.primary)]
    for code, text in ((b"D", message.detail), (b"H", message.hint), (b"W", message.context)):
        if text:
            parts += [code, _cstring(text)]
    parts.append(b"\x00")
    return b"".join(parts)


def fields_frame(kind: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """ErrorResponse (`E`) or NoticeResponse (`N`) from raw fields, in order."""
    parts = [code + value + b"\x00" for code, value in fields]
    return frame(kind, b"".join(parts) + b"\x00")


def ready_for_query(status: str) -> bytes:
    """ReadyForQuery; `status` is I, T or E."""
    return frame(b"Z", status.encode("ascii"))


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus: a setting and its value."""
    return frame(b"S", _cstring(name) + _cstring(value))


def backend_key_data(process_id: int, secret: bytes) -> bytes:
    """BackendKeyData; `secret` is 4 bytes in protocol 3.0 and 4 to 256 bytes in 3.2."""
    return frame(b"K", _I32.pack(process_id) + secret)


def negotiate_protocol_version(minor: int, unknown: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: the newest version offered (3.`minor`) and options not known."""
    version = (3 << 16) | minor
    names = b"".join(_cstring(name) for name in unknown)
    return frame(b"v", _TWO_I32.pack(version, len(unknown)) + names)


def authentication(code: int, data: bytes = b"") -> bytes:
    """An Authentication message of the given code (`AUTH_*`) with its data."""
    return frame(b"R", _I32.pack(code) + data)


def authentication_ok() -> bytes:
    """AuthenticationOk."""
    return authentication(AUTH_OK)


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    """AuthenticationSASL: the mechanisms offered, preferred first."""
    return authentication(AUTH_SASL, b"".join(_cstring(name) for name in mechanisms) + b"\x00")


# --- what the client side says -----------------------------------------------------------------


def password_message(secret: bytes) -> bytes:
    """PasswordMessage: a NUL-terminated password or MD5 response."""
    return frame(b"p", secret + b"\x00")


def sasl_initial_response(mechanism: str, data: bytes) -> bytes:
    """SASLInitialResponse: chosen mechanism and the client-first message."""
    return frame(b"p", _cstring(mechanism) + _I32.pack(len(data)) + data)


def sasl_response(data: bytes) -> bytes:
    """SASLResponse: mechanism-specific data."""
    return frame(b"p", data)


def query(text: str) -> bytes:
    """Query: one string of statements for the simple protocol."""
    return frame(b"Q", _cstring(text))


def parse(statement: str, text: str, oids: Sequence[int] = ()) -> bytes:
    """Parse: a prepared statement, with the type oids of its parameters (0: not given)."""
    types = struct.pack(f">H{len(oids)}I", len(oids), *oids)
    return frame(b"P", _cstring(statement) + _cstring(text) + types)


def bind(
    portal: str,
    statement: str,
    values: Sequence[bytes | None] = (),
    formats: Sequence[int] = (),
    result_formats: Sequence[int] = (),
) -> bytes:
    """Bind: a portal from a statement and values; formats are 0 for text, 1 for binary."""
    parts = [_cstring(portal), _cstring(statement)]
    parts.append(struct.pack(f">H{len(formats)}H", len(formats), *formats))
    parts.append(_I16.pack(len(values)))
    for value in values:
        parts.append(_I32.pack(_NULL_LENGTH if value is None else len(value)))
        parts.append(value or b"")
    parts.append(struct.pack(f">H{len(result_formats)}H", len(result_formats), *result_formats))
    return frame(b"B", b"".join(parts))


def execute(portal: str, limit: int = 0) -> bytes:
    """Execute: run a portal, at most `limit` rows (0: all)."""
    return frame(b"E", _cstring(portal) + _I32.pack(limit))


def describe(kind: str, name: str) -> bytes:
    """Describe: a statement (`S`) or a portal (`P`)."""
    return frame(b"D", kind.encode("ascii") + _cstring(name))


def close(kind: str, name: str) -> bytes:
    """Close: a statement (`S`) or a portal (`P`)."""
    return frame(b"C", kind.encode("ascii") + _cstring(name))


def copy_fail(why: str) -> bytes:
    """CopyFail: the target is to give up the rows it took, with this in its error."""
    return frame(b"f", _cstring(why))


def sync() -> bytes:
    """Sync."""
    return SYNC


def flush() -> bytes:
    """Flush."""
    return FLUSH


def terminate() -> bytes:
    """Terminate."""
    return TERMINATE


# --- reading what a client sent (ClientFault) ----------------------------------------------------


@dataclass(slots=True)
class ParseMessage:
    """A Parse: name ("" for unnamed), statement bytes without the NUL, type oids."""

    statement: str
    text: bytes
    oids: tuple[int, ...]


@dataclass(slots=True)
class BindMessage:
    """A Bind: names, formats of the parameters, their raw values (None for NULL)."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]


def read_query(body: bytes) -> bytes:
    """The statement bytes of a Query. Raises ClientFault for a missing or an early NUL."""
    if body.find(b"\x00") != len(body) - 1 or not body:
        raise ClientFault("Query: bytes after the end of the statement, or no end")
    return body[:-1]


def read_parse(body: bytes) -> ParseMessage:
    """A Parse. Raises ClientFault where it does not end exactly where it says."""
    name_end = body.find(b"\x00")
    text_end = body.find(b"\x00", name_end + 1)
    if name_end < 0 or text_end < 0 or len(body) < text_end + 3:
        raise ClientFault("Parse: shorter than it says")
    count = _I16.unpack_from(body, text_end + 1)[0]
    if len(body) != text_end + 3 + 4 * count:
        raise ClientFault("Parse: bytes after its end, or too few parameter types")
    oids = struct.unpack_from(f">{count}I", body, text_end + 3) if count else ()
    return ParseMessage(wire_name(body[:name_end]), body[name_end + 1 : text_end], oids)


def read_bind(body: bytes) -> BindMessage:
    """A Bind. Raises ClientFault where counts, lengths and size disagree."""
    try:
        portal_end = body.index(b"\x00")
        statement_end = body.index(b"\x00", portal_end + 1)
        formats, at = _shorts(body, statement_end + 1)
        values, at = _values(body, at)
        _, at = _shorts(body, at)
    except (ValueError, struct.error):
        raise ClientFault("Bind: shorter than it says") from None
    if at != len(body):
        raise ClientFault("Bind: bytes after its end")
    if len(formats) > 1 and len(formats) != len(values):
        raise ClientFault("Bind: the formats do not match the values")
    portal = wire_name(body[:portal_end])
    return BindMessage(portal, wire_name(body[portal_end + 1 : statement_end]), formats, values)


def _shorts(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count = _I16.unpack_from(body, at)[0]
    if not count:
        return (), at + 2
    return struct.unpack_from(f">{count}H", body, at + 2), at + 2 + 2 * count


def _values(body: bytes, at: int) -> tuple[tuple[bytes | None, ...], int]:
    count = _I16.unpack_from(body, at)[0]
    at += 2
    if not count:
        return (), at
    values: list[bytes | None] = []
    for _ in range(count):
        length = _I32.unpack_from(body, at)[0]
        at += 4
        if length == _NULL_LENGTH:
            values.append(None)
            continue
        value = body[at : at + length]
        if len(value) != length:
            raise ValueError
        values.append(value)
        at += length
    return tuple(values), at


def read_execute(body: bytes) -> tuple[str, int]:
    """Portal name and row limit (0: all). Raises ClientFault."""
    end = body.find(b"\x00")
    if end < 0 or len(body) != end + 5:
        raise ClientFault("Execute: not a name and a row limit")
    return wire_name(body[:end]), _I32.unpack_from(body, end + 1)[0]


def read_described(body: bytes, message: str) -> tuple[str, str]:
    """`S` or `P`, and the name, of a Describe or Close (`message`). Raises ClientFault."""
    if body[:1] not in {b"S", b"P"} or body.find(b"\x00") != len(body) - 1:
        raise ClientFault(f"{message}: not a kind and a name")
    return body[:1].decode("ascii"), wire_name(body[1:-1])


def wire_name(name: bytes) -> str:
    """A statement's or portal's name: any bytes, kept apart exactly."""
    return name.decode("utf-8", "surrogateescape")


# --- reading what a target sent (TargetFault) ----------------------------------------------------


def read_fields(body: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an ErrorResponse or NoticeResponse, in order. Raises TargetFault."""
    if body[-1:] != b"\x00":
        raise TargetFault("error or notice: no end")
    fields: list[tuple[bytes, bytes]] = []
    at, last = 0, len(body) - 1
    while at < last:
        end = body.find(b"\x00", at + 1)
        if end >= last or len(fields) == _MAX_FIELDS or not body[at]:
            raise TargetFault("error or notice: broken fields")
        fields.append((body[at : at + 1], body[at + 1 : end]))
        at = end + 1
    return fields


@dataclass(slots=True)
class TargetError:
    """What an ErrorResponse says: severity (never translated), SQLSTATE, primary message."""

    severity: str
    sqlstate: str
    message: str


def read_error(body: bytes) -> TargetError:
    """Severity, SQLSTATE and message of an ErrorResponse. Raises TargetFault."""
    fields = dict(read_fields(body))
    severity = fields.get(b"V", fields.get(b"S", b""))
    sqlstate = fields.get(b"C", b"")
    if len(sqlstate) != 5 or b"M" not in fields:  # noqa: PLR2004 - a SQLSTATE has five characters
        raise TargetFault("error: no SQLSTATE or no message")
    return TargetError(severity.decode("ascii", "replace"), sqlstate.decode("ascii", "replace"),
                       fields[b"M"].decode("utf-8", "replace"))  # fmt: skip


def read_parameter_status(body: bytes) -> tuple[str, str]:
    """Name and value. Raises TargetFault."""
    parts = _target_strings(body, 2, "ParameterStatus")
    return parts[0].decode("utf-8", "replace"), parts[1].decode("utf-8", "replace")


def read_notification(body: bytes) -> tuple[int, str, bytes]:
    """Sender's process id, channel and payload of a NotificationResponse. Raises TargetFault."""
    parts = _target_strings(body[4:], 2, "NotificationResponse")
    return _I32.unpack_from(body)[0], parts[0].decode("utf-8", "replace"), parts[1]


def read_command_complete(body: bytes) -> str:
    """The command tag. Raises TargetFault."""
    return _target_strings(body, 1, "CommandComplete")[0].decode("utf-8", "replace")


def _target_strings(body: bytes, count: int, message: str) -> list[bytes]:
    parts = body.split(b"\x00")
    if len(parts) != count + 1 or parts[-1]:
        raise TargetFault(f"{message}: wrong shape")
    return parts


def read_ready(body: bytes) -> str:
    """The transaction status: I, T or E. Raises TargetFault."""
    if body not in {b"I", b"T", b"E"}:
        raise TargetFault("ReadyForQuery: no such transaction status")
    return body.decode("ascii")


def read_authentication(body: bytes) -> tuple[int, bytes]:
    """Code and data of an Authentication message. Raises TargetFault."""
    if len(body) < 4:  # noqa: PLR2004 - the code's own size
        raise TargetFault("Authentication: no code")
    return _I32.unpack_from(body)[0], body[4:]


def read_backend_key_data(body: bytes) -> tuple[int, bytes]:
    """Process id and cancel secret (4 to 256 bytes). Raises TargetFault."""
    if not 8 <= len(body) <= 260:  # noqa: PLR2004 - 4 bytes of id and 4 to 256 of secret
        raise TargetFault("BackendKeyData: wrong size")
    return _I32.unpack_from(body)[0], body[4:]


def read_sasl_mechanisms(data: bytes) -> list[str]:
    """The mechanisms of an AuthenticationSASL (data after the code). Raises TargetFault."""
    parts = data.split(b"\x00")
    if len(parts) < 3 or parts[-1] or parts[-2]:  # noqa: PLR2004 - one name and two ends
        raise TargetFault("AuthenticationSASL: wrong shape")
    return [part.decode("ascii", "replace") for part in parts[:-2]]


def read_sasl_initial_response(body: bytes) -> tuple[str, bytes]:
    """Mechanism and client-first message. Raises ClientFault."""
    end = body.find(b"\x00")
    if end < 0 or len(body) < end + 5 or _I32.unpack_from(body, end + 1)[0] != len(body) - end - 5:
        raise ClientFault("SASLInitialResponse: not a mechanism and its data")
    return body[:end].decode("ascii", "replace"), body[end + 5 :]
