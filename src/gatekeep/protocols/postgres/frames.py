"""Frames: where messages begin and end. The hot file: no meaning, no objects per row.

Cuts the client's bytes into segments and skips the target's DataRows by length. What the messages
say is read elsewhere. Source: PostgreSQL manual, "Message Flow".
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from gatekeep.errors import ClientFault
from gatekeep.protocols.postgres.messages import HEADER
from gatekeep.protocols.postgres.turns import SegmentKind

_MIB: Final = 1 << 20
JUDGED_LIMIT: Final = 16 * _MIB
"""What must be judged whole (Query, Parse, Bind, FunctionCall), in bytes with its header."""
SEGMENT_BYTES: Final = _MIB
SEGMENT_MESSAGES: Final = 1_000
_SLACK_MESSAGES: Final = 10  # so that a Bind is rarely cut from its Execute
LONGEST: Final = (1 << 30) - 1  # the target's own limit (MaxAllocSize)
_SMALL: Final = 10_000  # the target's own limit for messages without payload

ROW: Final = ord("D")
COPY_DATA: Final = ord("d")
QUERY, CALL = b"QF"
SYNC, FLUSH, TERMINATE, EXECUTE = b"SHXE"
_STREAMED: Final = frozenset(b"QPBFd")
_COPY: Final = frozenset(b"dcf")
_ALONE: Final = frozenset(b"QFX")
_LIMITS: Final = dict.fromkeys(b"QPBF", JUDGED_LIMIT - 1) | dict.fromkeys(b"DCESHX", _SMALL)
_ENDS: Final = frozenset(b"SH")
_NAMES: Final[dict[int, SegmentKind]] = {
    QUERY: "query", CALL: "function_call", SYNC: "sync", FLUSH: "flush",
}  # fmt: skip

_SHORTEST: Final = 4  # a length counts itself
_SHORTEST_ROW: Final = 6
_length_at: Final = struct.Struct(">xI").unpack_from


def skip_rows(data: bytes, at: int, size: int, kind: int = ROW) -> tuple[int, int]:
    """Count DataRows (or CopyData) from `at` on and find where they end; none is looked into.

    The end is past `size` when the last row is not all here. A row with an impossible length
    ends the count before it.
    """
    rows = 0
    last = size - 5
    length_at = _length_at
    shortest = _SHORTEST_ROW if kind == ROW else _SHORTEST
    while at <= last and data[at] == kind:
        length = length_at(data, at)[0]
        if not shortest <= length <= LONGEST:
            break
        rows += 1
        at += length + 1
    return rows, at


class Cut(NamedTuple):
    """One segment's bytes: its messages' types and where each starts.

    `too_large` are positions of messages that were not kept; in `raw` they have an empty body.
    """

    kind: SegmentKind | None  # None: Terminate
    raw: bytes
    types: list[int]
    starts: list[int]
    too_large: frozenset[int]


class Cutter:
    """Cuts a client's bytes into segments. Memory: what is fed and not yet cut."""

    __slots__ = ("_at", "_base", "_buffer", "_skip", "_starts", "_too_large", "_types")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._base = 0  # where the segment being read starts
        self._at = 0  # where the next message starts
        self._skip = 0  # bytes to come that are dropped
        self._types: list[int] = []
        self._starts: list[int] = []
        self._too_large: frozenset[int] = frozenset()

    @property
    def held(self) -> int:
        """Bytes fed and not yet cut."""
        return len(self._buffer) - self._base

    @property
    def fresh(self) -> bool:
        """Whether what is fed next begins a segment."""
        return not self._buffer and not self._skip and not self._types

    def feed(self, data: bytes) -> None:
        """Take bytes; nothing is read yet."""
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            data = data[gone:]
        if not self._buffer:
            self._buffer = data
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer[self._base :])
        else:
            del self._buffer[: self._base]
        self._at -= self._base
        self._base = 0
        self._buffer += data

    def take(self) -> bytes:
        """All that is held, and the cutter is fresh: the bytes are another's to read."""
        data = bytes(self._buffer[self._base :])
        self._buffer, self._base, self._at = b"", 0, 0
        self._types, self._starts = [], []
        self._too_large = frozenset()
        return data

    def cut(self) -> Cut | None:
        """The next whole segment, or None while it is incomplete. Raises ClientFault."""
        if self._skip:
            return None  # an answer to half a message would meet a client that still sends
        buffer, size, at = self._buffer, len(self._buffer), self._at
        types = self._types
        while size - at >= HEADER.size:
            kind, length = HEADER.unpack_from(buffer, at)
            if not _SHORTEST <= length <= _LIMITS.get(kind, 0):
                self._at = at
                if types and (kind in _ALONE or kind in _COPY):
                    # Rows may belong to a COPY in what stands before them: nobody has read it yet.
                    return self._taken("cut", at)
                if not self._odd(kind, length) or self._skip:
                    return None
                buffer, size, at = self._buffer, len(self._buffer), self._at
                continue
            end = at + length + 1
            if end > size:
                break
            if kind in _ALONE:
                return self._alone(kind, at, end)
            self._starts.append(at - self._base)
            types.append(kind)
            at = end
            if kind in _ENDS or len(types) >= SEGMENT_MESSAGES or at - self._base >= SEGMENT_BYTES:
                name = self._ending(kind, at)
                if name is not None:
                    return self._taken(name, at)
        self._at = at
        return None

    def _alone(self, kind: int, at: int, end: int) -> Cut:
        """A message that is a segment of its own; what stands open before it is cut there."""
        if self._types and kind != TERMINATE:
            return self._taken("cut", at)
        self._starts.append(at - self._base)
        self._types.append(kind)
        return self._taken(_NAMES.get(kind), end)

    def _ending(self, kind: int, at: int) -> SegmentKind | None:
        """How the segment ends here; None when a Bind should not be cut from its Execute."""
        if kind in _ENDS:
            return _NAMES[kind]
        full = len(self._types) >= SEGMENT_MESSAGES + _SLACK_MESSAGES
        return "cut" if full or kind == EXECUTE or at - self._base >= JUDGED_LIMIT else None

    def _taken(self, kind: SegmentKind | None, end: int) -> Cut:
        buffer = self._buffer
        if not self._base and end == len(buffer):
            raw = bytes(buffer)  # the very same object when it came in one piece
        else:
            raw = bytes(buffer[self._base : end])
        cut = Cut(kind, raw, self._types, self._starts, self._too_large)
        self._types, self._starts = [], []
        if self._too_large:
            self._too_large = frozenset()
        if end == len(buffer):
            self._buffer, self._base, self._at = b"", 0, 0
        else:
            self._base = self._at = end
        return cut

    def _odd(self, kind: int, length: int) -> bool:
        """A message that is not kept as it is; false when no more can be read now."""
        if kind not in _LIMITS and kind not in _COPY:
            raise ClientFault(f"unknown message {shown(kind)} of length {length}")
        longest = LONGEST if kind in _STREAMED else _SMALL
        if not _SHORTEST <= length <= longest:
            raise ClientFault(f"message {shown(kind)} of impossible length {length}")
        # Outside COPY the target ignores d, c and f, so they are not even forwarded.
        stand_in = b"" if kind in _COPY else HEADER.pack(kind, 4)
        whole = self._at + length + 1
        self._skip = max(0, whole - len(self._buffer))
        if self._types or stand_in:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer[self._at : whole] = stand_in
        else:
            self._base = self._at = min(whole, len(self._buffer))
        if stand_in:
            self._too_large |= {len(self._types)}
        return bool(stand_in) or not self._skip


def shown(kind: int) -> str:
    """A message's type as it is named to people."""
    return f"'{chr(kind)}'" if 0x20 < kind < 0x7F else f"0x{kind:02x}"  # noqa: PLR2004 - ASCII
