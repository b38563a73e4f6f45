"""The bytes of a recording: records, and the chunks of them that are events. Pure, no I/O.

A record is what happened at one moment of a channel, its bytes kept exactly; text is made of them
only where somebody reads (`asciicast`, `text`), because a target's bytes need not be text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
import zstandard

from gatekeep.errors import EvidenceBroken

MAX_COLUMNS: Final = 1000
MAX_ROWS: Final = 500
MAX_TERM_CHARACTERS: Final = 64
MAX_RECORDS_BYTES: Final = 1 << 20
"""No chunk of ours holds more; one that claims to is not opened."""

OUTPUT: Final = "o"
ERRORS: Final = "e"
TOLD: Final = "t"
MARKER: Final = "m"
RESIZED: Final = "r"
EXITED: Final = "x"
CODES: Final = frozenset({OUTPUT, ERRORS, TOLD, MARKER, RESIZED, EXITED})
"""Bytes of the target, its standard error, our own words, a place in the events, size, exit."""

RECORDS_ZSTD: Final = "records.zstd"
ENDS: Final = "ends"

HEAD: Final = struct.Struct(">cQI")
_LEVEL: Final = 3
_MOST: Final = 1 << 53


class Record(NamedTuple):
    """One thing that happened, `at_us` microseconds after the recording of its channel began."""

    at_us: int
    code: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal's size and name, clamped: what a client asks for may be anything.

    Without a name it is no terminal: the size is then only what a replay is shown on.
    """

    columns: int = 80
    rows: int = 24
    term: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", min(max(self.columns, 1), MAX_COLUMNS))
        object.__setattr__(self, "rows", min(max(self.rows, 1), MAX_ROWS))
        plain = "".join(c for c in self.term[:MAX_TERM_CHARACTERS] if "!" <= c <= "~")
        object.__setattr__(self, "term", plain)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a channel's recording, as its event holds it.

    `started_us` is the wall time at which the recording began; `first_us` and `last_us` count from
    there, by the monotonic clock. `terminal` is the one that its first record meets. `counts` are
    bytes and records since the recording began; `sha256` is over all output and errors since then,
    in their order. `final` says that nothing follows.
    """

    channel: int
    seq: int
    started_us: int
    first_us: int
    last_us: int
    terminal: Terminal
    records: bytes
    counts: Mapping[str, int]
    sha256: str
    final: bool = False


def pack(record: Record) -> bytes:
    """A record's bytes."""
    return HEAD.pack(record.code.encode(), record.at_us, len(record.data)) + record.data


def unpack(raw: bytes) -> list[Record]:
    """The records in `raw`. Raises EvidenceBroken."""
    found: list[Record] = []
    at = 0
    while at < len(raw):
        if len(raw) - at < HEAD.size:
            raise EvidenceBroken("a recording's chunk ends in the middle of a record")
        code, at_us, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        letter = code.decode("latin-1")
        if letter not in CODES or length > len(raw) - at:
            raise EvidenceBroken("a recording's chunk holds what is no record")
        found.append(Record(at_us, letter, raw[at : at + length]))
        at += length
    return found


def chunk_payload(chunk: Chunk) -> dict[str, Any]:
    """What a `recording.chunk` event says."""
    data = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(chunk.records)
    return {
        "channel": chunk.channel,
        "codec": RECORDS_ZSTD,
        "columns": chunk.terminal.columns,
        "counts": dict(chunk.counts),
        "data": base64.b64encode(data).decode(),
        "final": chunk.final,
        "first_us": chunk.first_us,
        "last_us": chunk.last_us,
        "rows": chunk.terminal.rows,
        "seq": chunk.seq,
        "sha256": chunk.sha256,
        "started_us": chunk.started_us,
        "term": chunk.terminal.term,
    }


def encode_chunk(chunk: Chunk) -> bytes:
    """The payload of its event (canonical JSON)."""
    return orjson.dumps(chunk_payload(chunk), option=orjson.OPT_SORT_KEYS)


def decode_chunk(payload: Mapping[str, Any]) -> Chunk:
    """The chunk in an event's payload. Raises EvidenceBroken, whatever the payload is."""
    if payload.get("codec") != RECORDS_ZSTD:
        raise EvidenceBroken("a recording's chunk has a codec that is not known")
    try:
        data = base64.b64decode(payload["data"], validate=True)
        counts = {str(name): _count(value) for name, value in payload["counts"].items()}
        chunk = Chunk(
            channel=_count(payload["channel"]),
            seq=_count(payload["seq"]),
            started_us=_count(payload["started_us"]),
            first_us=_count(payload["first_us"]),
            last_us=_count(payload["last_us"]),
            terminal=Terminal(
                _count(payload["columns"]), _count(payload["rows"]), str(payload["term"])
            ),
            records=_inflated(data),
            counts=counts,
            sha256=str(payload["sha256"]),
            final=payload["final"] is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise EvidenceBroken("a recording's chunk is not whole", cause=repr(error)) from error
    if len(chunk.records) > MAX_RECORDS_BYTES:
        raise EvidenceBroken("a recording's chunk is larger than any that is written")
    return chunk


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise TypeError("not a whole number")
    return value


def _inflated(data: bytes) -> bytes:
    """Decompressed, if its own head says that it is small enough."""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= MAX_RECORDS_BYTES:
            raise EvidenceBroken("a recording's chunk is larger than any that is written")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_RECORDS_BYTES)
    except zstandard.ZstdError as error:
        raise EvidenceBroken("a recording's chunk does not decompress") from error


class ChunkOrder:
    """Follows one channel's chunks and says what is wrong with their order or their bytes."""

    def __init__(self) -> None:
        self._next = 0
        self._hash = hashlib.sha256()
        self._known = True
        self.final = False

    def check(self, chunk: Chunk) -> list[Record]:
        """The records of the next chunk. Raises EvidenceBroken for a gap, repeat or other bytes."""
        if chunk.seq != self._next or self.final:
            raise EvidenceBroken(
                "a recording's chunks are not in order", cause=f"{chunk.seq} for {self._next}"
            )
        records = unpack(chunk.records)
        for record in records:
            if record.code in (OUTPUT, ERRORS):
                self._hash.update(record.data)
        if self._hash.hexdigest() != chunk.sha256:
            raise EvidenceBroken("a recording's bytes are not those that were counted")
        self._next += 1
        self.final = chunk.final
        return records


def for_a_screen(record: Record, terminal: Terminal) -> bytes:
    """Shown bytes as a screen takes them: without a terminal of its own, a line end is no return.

    Standard error has never a terminal; a terminal without a name was none.
    """
    if record.code == ERRORS or not terminal.term:
        return record.data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return record.data


def resize_data(terminal: Terminal) -> bytes:
    """What a RESIZED record holds."""
    return b"%dx%d" % (terminal.columns, terminal.rows)


def resized_terminal(data: bytes, term: str = "") -> Terminal:
    """The terminal of a RESIZED record. Raises EvidenceBroken."""
    columns, _, rows = data.partition(b"x")
    if not (columns.isdigit() and rows.isdigit() and len(data) <= 16):  # noqa: PLR2004 - more digits than any size has
        raise EvidenceBroken("a recording's change of size is not one")
    return Terminal(int(columns), int(rows), term)
