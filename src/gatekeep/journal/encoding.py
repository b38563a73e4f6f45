"""Bytes of leaves and records: how an event looks on disk and in the tree. Pure.

No keys, no files and no clock here; the stored bytes are hashed, never encoded again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from gatekeep.errors import EvidenceBroken

MAX_LEAF_BYTES = 65_535
MAX_INTEGER = 2**53
SEAL_ALGORITHM = "A256GCM"
HASH_BYTES = 32

_LENGTHS = struct.Struct(">III")
RECORD_HEADER_BYTES = _LENGTHS.size

_TYPES: dict[str, type] = {
    "b": str,
    "g": dict,
    "k": str,
    "m": int,
    "n": int,
    "o": str,
    "p": str,
    "q": int,
    "r": dict,
    "s": str,
    "t": int,
    "v": int,
    "x": str,
    "y": dict,
}
_OPTIONAL = frozenset({"g", "r", "x"})
_SEAL_KEYS = {"alg", "com", "ct", "len"}


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """A JSON object as the log writes it: sorted ASCII keys, no floats, no nulls, no spaces.

    Raises ValueError for anything else, and for integers of 2^53 and beyond (RFC 8785 §3.2.2.3:
    such numbers do not survive every reader).
    """
    _check_json(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _check_json(value: object) -> None:
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            for key in item:
                if not isinstance(key, str) or not key.isascii():
                    raise ValueError(f"not an ASCII key: {key!r}")
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif isinstance(item, bool | str):
            continue
        elif not isinstance(item, int):
            raise ValueError(f"not a canonical value: {type(item).__name__}")  # noqa: TRY004 - a value is wrong, not an argument
        elif not -MAX_INTEGER < item < MAX_INTEGER:
            raise ValueError("integer beyond 2^53")


@dataclass(frozen=True, slots=True)
class LeafStream:
    """The parts of a leaf that stay the same for one session in one boot, already encoded."""

    head: bytes
    origin: bytes
    session: bytes
    target: bytes

    @classmethod
    def of(cls, *, boot: str, origin: str, session_id: str, target: str) -> LeafStream:
        """Encode them once. Raises ValueError for an origin that is not plain ASCII."""
        if not origin.isascii() or not origin.isprintable() or '"' in origin or "\\" in origin:
            raise ValueError(f"not an origin: {origin!r}")
        target_part = b',"x":' + orjson.dumps(target) if target else b""
        return cls(
            b'{"b":"' + boot.encode() + b'"', origin.encode(), session_id.encode(), target_part
        )


def encode_leaf(  # noqa: PLR0913 - one argument for each part that changes with every event
    stream: LeafStream,
    *,
    kind: bytes,
    n: int,
    q: int,
    previous: bytes,
    monotonic_ns: int,
    wall_us: int,
    decision: bytes,
    counters: bytes,
    commitment: bytes,
    ciphertext_hash: bytes,
    length: int,
) -> bytes:
    """One leaf. `previous`, `commitment`, `ciphertext_hash` are lower-case hex.

    `decision` and `counters` are canonical JSON objects or empty; `length` is the length of
    nonce + ciphertext + tag.
    """
    # the format stands here and not in a constant: the compiler then builds the bytes in one step
    return (
        b'%b%b,"k":"%b","m":%d,"n":%d,"o":"%b","p":"%b","q":%d%b'
        b',"s":"%b","t":%d,"v":1%b,"y":{"alg":"A256GCM","com":"%b","ct":"%b","len":%d}}'
    ) % (
        stream.head,
        b',"g":' + decision if decision else b"",
        kind,
        monotonic_ns,
        n,
        stream.origin,
        previous,
        q,
        b',"r":' + counters if counters else b"",
        stream.session,
        wall_us,
        stream.target,
        commitment,
        ciphertext_hash,
        length,
    )


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256 of 0x00 and the leaf's bytes."""
    return sha256(b"\x00" + leaf).digest()


def parse_leaf(leaf: bytes) -> dict[str, Any]:
    """The envelope of a leaf. Raises EvidenceBroken unless it is exactly what gatekeep writes."""
    try:
        envelope = orjson.loads(leaf)
    except orjson.JSONDecodeError as error:
        raise EvidenceBroken("a leaf is not JSON", cause=str(error)) from error
    if not isinstance(envelope, dict) or len(leaf) > MAX_LEAF_BYTES:
        raise EvidenceBroken("a leaf is not an envelope")
    for key, kind in _TYPES.items():
        value = envelope.get(key)
        if value is None:
            if key in _OPTIONAL and key not in envelope:
                continue
            raise EvidenceBroken(f"a leaf has no {key}")
        if type(value) is not kind:
            raise EvidenceBroken(f"a leaf has a wrong {key}")
    if not envelope.keys() <= _TYPES.keys() or envelope["v"] != 1:
        raise EvidenceBroken("a leaf has fields that this version does not know")
    seal = envelope["y"]
    if seal.keys() != _SEAL_KEYS or seal["alg"] != SEAL_ALGORITHM:
        raise EvidenceBroken("a leaf has an unknown seal")
    if orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS) != leaf:
        raise EvidenceBroken("a leaf is not in canonical form")
    return envelope


@dataclass(frozen=True, slots=True)
class Record:
    """One event as the spool holds it. `extra` is the wrapped session key of a first event."""

    leaf: bytes
    ciphertext: bytes
    extra: bytes


def encode_record(leaf: bytes, ciphertext: bytes, extra: bytes = b"") -> bytes:
    """A record of a batch: three lengths (u32, big-endian), then the three parts."""
    lengths = _LENGTHS.pack(len(leaf), len(ciphertext), len(extra))
    return b"%b%b%b%b" % (lengths, leaf, ciphertext, extra)


def iterate_records(body: bytes | memoryview) -> Iterator[Record]:
    """The records of one batch body. Raises EvidenceBroken if lengths and bytes disagree."""
    view = memoryview(body)
    offset, end = 0, len(view)
    while offset < end:
        if offset + RECORD_HEADER_BYTES > end:
            raise EvidenceBroken("a batch ends inside a record")
        leaf_length, ciphertext_length, extra_length = _LENGTHS.unpack_from(view, offset)
        first = offset + RECORD_HEADER_BYTES
        second = first + leaf_length
        third = second + ciphertext_length
        offset = third + extra_length
        if offset > end or not 0 < leaf_length <= MAX_LEAF_BYTES:
            raise EvidenceBroken("a record's lengths do not fit its batch")
        yield Record(
            bytes(view[first:second]), bytes(view[second:third]), bytes(view[third:offset])
        )


def iterate_leaves(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Leaf and extra of each record, without copying ciphertexts; the lengths were checked before."""
    offset, unpack, size = 0, _LENGTHS.unpack_from, RECORD_HEADER_BYTES
    while offset < len(body):
        leaf_length, ciphertext_length, extra_length = unpack(body, offset)
        first = offset + size
        second = first + leaf_length
        third = second + ciphertext_length
        offset = third + extra_length
        yield body[first:second], body[third:offset]
