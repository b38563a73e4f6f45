"""CancelRequest: its layout in protocol 3.0 and 3.2. Whose key it is, is not decided here."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

CANCEL_CODE = 80877102
MIN_KEY_BYTES = 4
MAX_KEY_BYTES = 256

_HEAD = struct.Struct("!III")


@dataclass(frozen=True, slots=True)
class CancelKey:
    """What BackendKeyData gave: the process number (32 bits) and the secret (4 to 256 bytes)."""

    pid: int
    secret: bytes = field(repr=False)


def parse_cancel(packet: bytes) -> CancelKey | None:
    """The key in a whole untyped packet (length word included); None if it is malformed.

    PostgreSQL manual, "Message Formats", CancelRequest: 4 bytes of secret in 3.0, up to 256 in 3.2.
    """
    secret = packet[_HEAD.size :]
    if not MIN_KEY_BYTES <= len(secret) <= MAX_KEY_BYTES:
        return None
    length, code, pid = _HEAD.unpack_from(packet)
    if length != len(packet) or code != CANCEL_CODE:
        return None
    return CancelKey(pid, secret)


def cancel_request(key: CancelKey) -> bytes:
    """The packet that asks a target to cancel what runs under `key`."""
    return _HEAD.pack(_HEAD.size + len(key.secret), CANCEL_CODE, key.pid) + key.secret
