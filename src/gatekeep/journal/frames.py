"""Batch frames: how a group of records lies in a spool segment. Pure, standard library only.

The writer process imports this, so nothing heavy may be imported here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"GKB1"
_HEADER = struct.Struct(">4sQIII")
_CHECKED_HEADER_BYTES = 20
HEADER_BYTES = _HEADER.size
ZERO_HEADER = bytes(HEADER_BYTES)
MAX_BODY_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The fixed 24 bytes before a batch's body."""

    number: int
    body_length: int
    body_crc: int

    def fits(self, body: bytes | memoryview) -> bool:
        """Whether this is the body that was written with the header."""
        return len(body) == self.body_length and crc32(body) == self.body_crc


def encode_header(number: int, body: bytes | bytearray) -> bytes:
    """`GKB1` · number u64 · body length u32 · crc32(body) u32 · crc32(those 20 bytes) u32."""
    checked = struct.pack(">4sQII", MAGIC, number, len(body), crc32(body))
    return checked + struct.pack(">I", crc32(checked))


def parse_header(header: bytes | memoryview) -> BatchHeader | None:
    """The header in these bytes, or None if they are not a valid one."""
    if len(header) < HEADER_BYTES:
        return None
    magic, number, length, body_crc, header_crc = _HEADER.unpack_from(header)
    if magic != MAGIC or crc32(header[:_CHECKED_HEADER_BYTES]) != header_crc:
        return None
    if length == 0 or length > MAX_BODY_BYTES:
        return None
    return BatchHeader(number, length, body_crc)


def valid_batches(data: bytes | memoryview, *, after: int) -> Iterator[int]:
    """Offsets in `data` of whole, valid batches numbered above `after`, wherever they lie.

    Used to tell a torn tail from damage in the middle: a valid later batch proves that the
    earlier one had been durable.
    """
    raw = bytes(data)
    offset = raw.find(MAGIC)
    while offset >= 0:
        header = parse_header(raw[offset : offset + HEADER_BYTES])
        if header is not None and header.number > after:
            start = offset + HEADER_BYTES
            if header.fits(raw[start : start + header.body_length]):
                yield offset
        offset = raw.find(MAGIC, offset + 1)
