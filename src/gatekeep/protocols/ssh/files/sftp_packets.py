"""Packets of sftp version 3 (draft-ietf-secsh-filexfer-02): cutting a stream, reading and writing fields.

No meaning here: what a packet asks for is `sftp_actions`', whether an answer fits is `sftp_answers`'.
"""

from __future__ import annotations

import struct
from typing import Final

INIT: Final = 1
VERSION: Final = 2
OPEN: Final = 3
CLOSE: Final = 4
READ: Final = 5
WRITE: Final = 6
LSTAT: Final = 7
FSTAT: Final = 8
SETSTAT: Final = 9
FSETSTAT: Final = 10
OPENDIR: Final = 11
READDIR: Final = 12
REMOVE: Final = 13
MKDIR: Final = 14
RMDIR: Final = 15
REALPATH: Final = 16
STAT: Final = 17
RENAME: Final = 18
READLINK: Final = 19
SYMLINK: Final = 20
STATUS: Final = 101
HANDLE: Final = 102
DATA: Final = 103
NAME: Final = 104
ATTRS: Final = 105
EXTENDED: Final = 200
EXTENDED_REPLY: Final = 201

OK: Final = 0
EOF: Final = 1
NO_SUCH_FILE: Final = 2
PERMISSION_DENIED: Final = 3
FAILURE: Final = 4
BAD_MESSAGE: Final = 5
OP_UNSUPPORTED: Final = 8
STATUS_WORDS: Final = (
    "ok", "end of file", "no such file", "permission denied", "failure", "bad message",
    "no connection", "connection lost", "not supported",
)  # fmt: skip

FLAG_READ: Final = 0x01
FLAG_WRITE: Final = 0x02
FLAG_APPEND: Final = 0x04
FLAG_CREATE: Final = 0x08
FLAG_TRUNCATE: Final = 0x10
FLAG_EXCLUSIVE: Final = 0x20
OPEN_FLAGS: Final = {
    "read": FLAG_READ, "write": FLAG_WRITE, "append": FLAG_APPEND, "create": FLAG_CREATE,
    "truncate": FLAG_TRUNCATE, "exclusive": FLAG_EXCLUSIVE,
}  # fmt: skip

ATTR_SIZE: Final = 0x01
ATTR_OWNER: Final = 0x02
ATTR_MODE: Final = 0x04
ATTR_TIMES: Final = 0x08
ATTR_EXTENDED: Final = 0x80000000

#: A whole packet: what OpenSSH takes; of a target, only what a READ brings may be longer.
MOST_FROM_CLIENT: Final = 256 * 1024 + 1024
MOST_READ: Final = 1024 * 1024
MOST_FROM_TARGET: Final = MOST_READ + 64 * 1024
MOST_HANDLE: Final = 256
MOST_NAME: Final = 4096

_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_STATUS: Final = struct.Struct(">BII")


class Malformed(ValueError):  # noqa: N818 - what a packet is, not a mistake of ours
    """A packet whose fields cannot be read as its type says."""


class Stream:
    """Cuts a byte stream into whole packets, each with its length in front."""

    __slots__ = ("_buffer", "_most")

    def __init__(self, most: int) -> None:
        self._buffer = bytearray()
        self._most = most

    @property
    def held(self) -> int:
        """Bytes that are not cut yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data

    def packet(self) -> bytes | None:
        """The next whole packet, None while it is not there. Raises Malformed for a bad length."""
        buffer = self._buffer
        if len(buffer) < 4:  # noqa: PLR2004 - the width of a length
            return None
        length = int.from_bytes(buffer[:4], "big")
        if not 1 <= length <= self._most:
            raise Malformed(f"a packet of {length} bytes")
        end = length + 4
        if len(buffer) < end:
            return None
        if len(buffer) == end:
            packet = bytes(buffer)
            buffer.clear()
            return packet
        with memoryview(buffer) as view:
            packet = bytes(view[:end])
        del buffer[:end]
        return packet


class Attributes:
    """What an ATTRS block says. `start` and `end` are where it stands in its packet."""

    __slots__ = ("end", "flags", "mode", "owner", "size", "start", "times")

    def __init__(self, start: int, flags: int) -> None:
        self.start = start
        self.end = start
        self.flags = flags
        self.size: int | None = None
        self.owner: tuple[int, int] | None = None
        self.mode: int | None = None
        self.times: tuple[int, int] | None = None


class Fields:
    """Reads one packet's fields in turn; every method raises Malformed where they do not fit."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def u32(self) -> int:
        """An unsigned integer of 4 bytes."""
        end = self.at + 4
        if end > len(self.data):
            raise Malformed("an integer is cut off")
        self.at = end
        return int(_U32.unpack_from(self.data, end - 4)[0])

    def u64(self) -> int:
        """An unsigned integer of 8 bytes."""
        end = self.at + 8
        if end > len(self.data):
            raise Malformed("an integer is cut off")
        self.at = end
        return int(_U64.unpack_from(self.data, end - 8)[0])

    def string(self, most: int) -> bytes:
        """A string of at most `most` bytes."""
        length = self.u32()
        start, end = self.at, self.at + length
        if length > most or end > len(self.data):
            raise Malformed("a string is too long, or cut off")
        self.at = end
        return self.data[start:end]

    def name(self) -> bytes:
        """A path."""
        name = self.string(MOST_NAME)
        if b"\0" in name:
            raise Malformed("a name with a zero byte")
        return name

    def attributes(self) -> Attributes:
        """An ATTRS block."""
        start = self.at
        flags = self.u32()
        found = Attributes(start, flags)
        if flags & ~(ATTR_SIZE | ATTR_OWNER | ATTR_MODE | ATTR_TIMES | ATTR_EXTENDED):
            raise Malformed("unknown attributes")
        if flags & ATTR_SIZE:
            found.size = self.u64()
        if flags & ATTR_OWNER:
            found.owner = (self.u32(), self.u32())
        if flags & ATTR_MODE:
            found.mode = self.u32()
        if flags & ATTR_TIMES:
            found.times = (self.u32(), self.u32())
        if flags & ATTR_EXTENDED:
            for _ in range(self.u32()):
                self.string(len(self.data))
                self.string(len(self.data))
        found.end = self.at
        return found

    @property
    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self.data) - self.at

    def end(self) -> None:
        """Nothing may follow."""
        if self.left:
            raise Malformed("more fields than the packet has")


def string(text: bytes) -> bytes:
    """A field: its length and it."""
    return _U32.pack(len(text)) + text


def packet(kind: int, *parts: bytes) -> bytes:
    """A whole packet."""
    body = b"".join(parts)
    return _U32.pack(len(body) + 1) + bytes((kind,)) + body


def request(kind: int, number: int, *parts: bytes) -> bytes:
    """A whole packet with a request id in front."""
    return packet(kind, _U32.pack(number), *parts)


def status(number: int, code: int, message: str) -> bytes:
    """An answer that says how it went."""
    return request(
        STATUS, number, _U32.pack(code), string(message.encode("utf-8", "replace")), string(b"en")
    )
