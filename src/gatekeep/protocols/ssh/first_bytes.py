"""What a tunnel carries, told by its first bytes: another SSH, TLS or a database inside is opaque.

Looks, and changes nothing; who forwards the bytes asks `kind` once there is an answer.
"""

from __future__ import annotations

import struct
from typing import Final

_ENOUGH: Final = 16
_TLS_HANDSHAKE: Final = 0x16
_TLS_MAJOR: Final = 3
_POSTGRES: Final = {(3 << 16), (3 << 16) + 2, 80877103, 80877102, 80877104}


class FirstBytes:
    """The first bytes of one direction. `kind` is `ssh`, `tls`, `postgres`, or empty."""

    def __init__(self) -> None:
        self._held = b""
        self.known = False
        self.kind = ""

    def add(self, data: bytes) -> None:
        """More bytes; after the first few none are looked at."""
        if self.known:
            return
        self._held = (self._held + data)[:_ENOUGH]
        self.kind = _kind(self._held)
        if self.kind or len(self._held) >= _ENOUGH:
            self.known = True
            self._held = b""


def _kind(held: bytes) -> str:
    if held.startswith(b"SSH-"):
        return "ssh"
    if len(held) >= 3 and held[0] == _TLS_HANDSHAKE and held[1] == _TLS_MAJOR:  # noqa: PLR2004 - a record's head
        return "tls"
    if len(held) >= 8:  # noqa: PLR2004 - a start-up packet's head
        length, code = struct.unpack_from(">II", held)
        if code in _POSTGRES and 8 <= length <= 10_000:  # noqa: PLR2004 - PostgreSQL's own bounds
            return "postgres"
    return ""
