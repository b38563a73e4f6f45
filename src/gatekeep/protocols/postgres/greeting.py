"""Typed messages of the start-up phase, both ways: authentication, parameters, key, ready.

Pure layout (PostgreSQL manual, "Message Formats"). What comes after ReadyForQuery lives elsewhere.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping

from gatekeep import messages
from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres.cancel import CancelKey

AUTH_OK = 0
AUTH_CLEARTEXT = 3
AUTH_MD5 = 5
AUTH_SASL = 10
AUTH_SASL_CONTINUE = 11
AUTH_SASL_FINAL = 12

READY_IDLE = b"Z\x00\x00\x00\x05I"

_HEAD = struct.Struct("!cI")
_WORD = struct.Struct("!I")
_SIGNED = struct.Struct("!i")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")


def frame(kind: bytes, body: bytes) -> bytes:
    """One typed message."""
    return _HEAD.pack(kind, len(body) + 4) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    """An Authentication message."""
    return frame(b"R", _WORD.pack(code) + body)


def authentication_sasl(mechanisms: Iterable[str]) -> bytes:
    """AuthenticationSASL: what may be used to sign in."""
    names = b"".join(name.encode() + b"\0" for name in mechanisms)
    return authentication(AUTH_SASL, names + b"\0")


def negotiate_protocol(minor: int, unknown: Iterable[str]) -> bytes:
    """NegotiateProtocolVersion: the newest minor version spoken, and options not known."""
    names = [name.encode() + b"\0" for name in unknown]
    return frame(b"v", _WORD.pack(minor) + _WORD.pack(len(names)) + b"".join(names))


def parameter_status(name: str, value: str) -> bytes:
    """ParameterStatus."""
    return frame(b"S", name.encode() + b"\0" + value.encode() + b"\0")


def backend_key(key: CancelKey) -> bytes:
    """BackendKeyData."""
    return frame(b"K", _WORD.pack(key.pid) + key.secret)


def welcome(parameters: Mapping[str, str], key: CancelKey) -> bytes:
    """All that a client gets between its proof and its first statement."""
    return b"".join(
        (
            authentication(AUTH_OK),
            *(parameter_status(name, value) for name, value in parameters.items()),
            backend_key(key),
            READY_IDLE,
        )
    )


def password_message(body: bytes) -> bytes:
    """PasswordMessage, SASLResponse: the same letter."""
    return frame(b"p", body)


def sasl_initial(mechanism: str, response: bytes) -> bytes:
    """SASLInitialResponse."""
    body = mechanism.encode() + b"\0" + _WORD.pack(len(response)) + response
    return password_message(body)


def parse_sasl_initial(body: bytes) -> tuple[str, bytes]:
    """Mechanism and first message of a SASLInitialResponse. Raises ClientFault."""
    name, zero, rest = body.partition(b"\0")
    if zero and len(rest) >= _SIGNED.size and name.isascii():
        (length,) = _SIGNED.unpack_from(rest)
        response = rest[_SIGNED.size :]
        if length == len(response):
            return name.decode(), response
    answer = messages.client_violation("Sign-in sent a malformed SASLInitialResponse.")
    raise ClientFault(answer.primary, cause="malformed SASLInitialResponse", answer=answer)


def parse_authentication(body: bytes) -> tuple[int, bytes]:
    """Code and rest of an Authentication message. Raises ValueError."""
    if len(body) < _WORD.size:
        raise ValueError("Authentication message too short")
    return _WORD.unpack_from(body)[0], body[_WORD.size :]


def parse_sasl_mechanisms(body: bytes) -> list[str]:
    """The mechanisms that an AuthenticationSASL offers. Raises ValueError."""
    if not body.endswith(b"\0\0"):
        raise ValueError("AuthenticationSASL without an end")
    return [name.decode("ascii") for name in body[:-2].split(b"\0")]


def parse_parameter(body: bytes) -> tuple[str, str]:
    """Name and value of a ParameterStatus. Raises ValueError."""
    parts = body.split(b"\0")
    if len(parts) != 3 or parts[2] or not parts[0]:  # noqa: PLR2004 - name, value, nothing
        raise ValueError("malformed ParameterStatus")
    return parts[0].decode(), parts[1].decode()


def parse_backend_key(body: bytes) -> CancelKey:
    """The key of a BackendKeyData. Raises ValueError."""
    if not 8 <= len(body) <= 4 + 256:  # noqa: PLR2004 - the number and 4 to 256 bytes
        raise ValueError("malformed BackendKeyData")
    return CancelKey(_WORD.unpack_from(body)[0], body[_WORD.size :])


def parse_error(body: bytes) -> tuple[str, str]:
    """SQLSTATE and primary message of an ErrorResponse; `XX000` for a state that is none."""
    fields = dict(_fields(body))
    state = fields.get("C", "")
    return state if _SQLSTATE.match(state) else "XX000", fields.get("M", "")


def _fields(body: bytes) -> Iterator[tuple[str, str]]:
    for part in body.split(b"\0"):
        if part:
            yield chr(part[0]), part[1:].decode(errors="replace")
