"""Sealing of payloads: event keys, AES-256-GCM, commitments; and opening what was sealed.

No files and no clock. Session keys arrive unwrapped; where they are kept is `keys`.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gatekeep.errors import EvidenceBroken

KEY_BYTES = 32
NONCE_BYTES = 12
SALT_BYTES = 32
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + SALT_BYTES + TAG_BYTES

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_SHA256_BLOCK = 64
_INNER_PAD = b"\x36" * (_SHA256_BLOCK - KEY_BYTES)
_OUTER_PAD = b"\x5c" * (_SHA256_BLOCK - KEY_BYTES)
_EVENT_INFO = b"gk/ev/1|%d"
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

    The key's two HMAC blocks (RFC 2104) are hashed once and copied for each event: half the cost
    of a fresh HMAC.
    """

    __slots__ = ("_inner", "_outer", "_pool")

    def __init__(self, session_key: bytes, pool: RandomPool) -> None:
        if len(session_key) != KEY_BYTES:
            raise ValueError("a session key has 32 bytes")
        self._inner = sha256(session_key.translate(_INNER) + _INNER_PAD)
        self._outer = sha256(session_key.translate(_OUTER) + _OUTER_PAD)
        self._pool = pool

    def event_key(self, n: int) -> bytes:
        """HMAC-SHA256(session key, `gk/ev/1|<n>`)."""
        inner = self._inner.copy()
        inner.update(_EVENT_INFO % n)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def seal(self, n: int, associated: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """Ciphertext (nonce first, tag last), commitment and ciphertext hash (hex) of event `n`."""
        nonce, salt = self._pool.take()
        inner = self._inner.copy()
        inner.update(_EVENT_INFO % n)
        outer = self._outer.copy()
        outer.update(inner.digest())
        ciphertext = nonce + AESGCM(outer.digest()).encrypt(nonce, salt + payload, associated)
        commitment = sha256(
            salt.translate(_OUTER)
            + _OUTER_PAD
            + sha256(salt.translate(_INNER) + _INNER_PAD + payload).digest()
        )
        return (
            ciphertext,
            commitment.hexdigest().encode(),
            sha256(ciphertext).hexdigest().encode(),
        )

    def open(self, n: int, associated: bytes, ciphertext: bytes, commitment: str) -> bytes:
        """The payload of event `n`. Raises EvidenceBroken; see `open_payload`."""
        return open_payload(self.event_key(n), associated, ciphertext, commitment)


def associated_data(origin: str, n: int, kind: str) -> bytes:
    """What binds a ciphertext to its place: `origin|n|kind`."""
    return f"{origin}|{n}|{kind}".encode()


def event_key(session_key: bytes, n: int) -> bytes:
    """The key of one event alone, as it is disclosed in an export."""
    return hmac.digest(session_key, _EVENT_INFO % n, "sha256")


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
    payload = plain[SALT_BYTES:]
    if hmac.new(plain[:SALT_BYTES], payload, "sha256").hexdigest() != commitment:
        raise EvidenceBroken("a payload is not the one committed to")
    return payload
