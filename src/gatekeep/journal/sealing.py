"""Sealing of payloads: event keys, AES-256-GCM, commitments; and opening what was sealed.

No files and no clock. Session keys arrive unwrapped; where they are kept is `keys`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256, shake_256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatekeep.errors import EvidenceBroken

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 32
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + SALT_BYTES + TAG_BYTES

_KEYS_SHIFT: Final = 4
_KEYS_DRAWN: Final = 1 << _KEYS_SHIFT
_KEYS_PLACE: Final = _KEYS_DRAWN - 1
_DRAW_EVENTS = 256
_FRESH = struct.Struct(f"{NONCE_BYTES}s{SALT_BYTES}s")


class RandomPool:
    """Random bytes drawn in bulk, each handed out once.

    A forked child must make its own: two processes with one pool would repeat nonces.
    """

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._drawn: Iterator[tuple[bytes, bytes]] = iter(())

    def take(self) -> tuple[bytes, bytes]:
        """A fresh nonce (12 bytes) and salt (32 bytes)."""
        fresh = next(self._drawn, None)
        if fresh is None:
            self._drawn = _FRESH.iter_unpack(self._source(_FRESH.size * _DRAW_EVENTS))
            fresh = next(self._drawn)
        return fresh


class SessionSealer:
    """Seals and opens the payloads of one session under its key.

    Each event has a key of its own, by its place `q` in the session, so that one event can be
    disclosed or erased without the others. Sixteen are drawn at a time: a session's events come
    in order, and one hash is then shared by sixteen of them.
    """

    __slots__ = ("_block", "_key", "_keys", "_pool")

    def __init__(self, session_key: bytes, pool: RandomPool) -> None:
        if len(session_key) != KEY_BYTES:
            raise ValueError("a session key has 32 bytes")
        self._key = session_key
        self._pool = pool
        self._block = -1
        self._keys = b""

    def event_key(self, q: int) -> bytes:
        """The key of the session's event `q`; see `draw_keys`. Raises EvidenceBroken below 0."""
        if q < 0:
            raise EvidenceBroken("an event has no place in its session")
        block = q >> _KEYS_SHIFT
        if block != self._block:
            self._keys = draw_keys(self._key, block)
            self._block = block
        first = (q & _KEYS_PLACE) * KEY_BYTES
        return self._keys[first : first + KEY_BYTES]

    def seal(self, q: int, associated: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """Ciphertext (nonce first, tag last), commitment and ciphertext hash (hex) of event `q`."""
        nonce, salt = self._pool.take()
        plain = salt + payload
        ciphertext = nonce + AESGCM(self.event_key(q)).encrypt(nonce, plain, associated)
        return (
            ciphertext,
            sha256(plain).hexdigest().encode(),
            sha256(ciphertext).hexdigest().encode(),
        )

    def open(self, q: int, associated: bytes, ciphertext: bytes, commitment: str) -> bytes:
        """The payload of event `q`. Raises EvidenceBroken; see `open_payload`."""
        return open_payload(self.event_key(q), associated, ciphertext, commitment)


def draw_keys(session_key: bytes, block: int) -> bytes:
    """Keys of the events 16 times `block` and the 15 after it, 32 bytes each.

    SHAKE256(session key ‖ `gk/ev/1|` ‖ block as u64, big-endian), FIPS 202 §6.2: everything
    before the output has a fixed length, so the session key keys a pseudo-random function, and
    no key says anything of another.
    """
    number = block.to_bytes(8, "big")
    return shake_256(b"%bgk/ev/1|%b" % (session_key, number)).digest(_KEYS_DRAWN * KEY_BYTES)


def associated_data(origin: str, n: int, kind: str) -> bytes:
    """What binds a ciphertext to its place: `origin|n|kind`."""
    return f"{origin}|{n}|{kind}".encode()


def event_key(session_key: bytes, q: int) -> bytes:
    """The key of one event alone, as it is disclosed in an export."""
    first = (q & _KEYS_PLACE) * KEY_BYTES
    return draw_keys(session_key, q >> _KEYS_SHIFT)[first : first + KEY_BYTES]


def open_payload(key: bytes, associated: bytes, ciphertext: bytes, commitment: str) -> bytes:
    """Open one sealed payload and check its commitment.

    Raises EvidenceBroken if the key does not open it, or opens it to something else than was
    committed to (AES-GCM alone does not commit to its key).
    """
    if len(ciphertext) < OVERHEAD_BYTES:
        raise EvidenceBroken("a sealed payload is too short")
    try:
        plain = AESGCM(key).decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], associated)
    except InvalidTag as error:
        raise EvidenceBroken("a sealed payload does not open with its key") from error
    if sha256(plain).hexdigest() != commitment:
        raise EvidenceBroken("a payload is not the one committed to")
    return plain[SALT_BYTES:]
