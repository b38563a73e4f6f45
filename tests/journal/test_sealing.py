"""Sealing: what is sealed opens only in its place, with its key, to what was committed to."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import EvidenceBroken
from gatekeep.journal import sealing

_KEY = bytes(range(32))
_PLACE = sealing.associated_data("example.com/gk", 5, "action.released")


def _sealer(key: bytes = _KEY) -> sealing.SessionSealer:
    return sealing.SessionSealer(key, sealing.RandomPool())


@given(st.binary(max_size=3000))
def test_what_is_sealed_opens_again(payload: bytes) -> None:
    """Sealing and opening are inverse, and the digests are those of the format."""
    ciphertext, commitment, digest = _sealer().seal(21, _PLACE, payload)
    assert _sealer().open(21, _PLACE, ciphertext, commitment.decode()) == payload
    assert hashlib.sha256(ciphertext).hexdigest().encode() == digest
    drawn = hashlib.shake_256(_KEY + b"gk/ev/1|" + (1).to_bytes(8, "big")).digest(512)
    key = drawn[5 * 32 : 6 * 32]  # 21 is the sixth of the second sixteen
    assert sealing.event_key(_KEY, 21) == key == _sealer().event_key(21)
    plain = AESGCM(key).decrypt(
        ciphertext[:12], ciphertext[12:], b"example.com/gk|5|action.released"
    )
    assert plain[32:] == payload
    assert hashlib.sha256(plain[:32] + payload).hexdigest().encode() == commitment


def test_a_payload_opens_only_in_its_place() -> None:
    """Another index, kind, origin, key, commitment, or any changed byte: never opened."""
    ciphertext, commitment, _ = _sealer().seal(5, _PLACE, b"{}")
    shown = commitment.decode()
    with pytest.raises(EvidenceBroken):
        _sealer().open(6, _PLACE, ciphertext, shown)
    with pytest.raises(EvidenceBroken):
        _sealer().open(5, _PLACE + b"x", ciphertext, shown)
    with pytest.raises(EvidenceBroken):
        _sealer(bytes(32)).open(5, _PLACE, ciphertext, shown)
    with pytest.raises(EvidenceBroken):
        _sealer().open(5, _PLACE, ciphertext, "00" * 32)
    with pytest.raises(EvidenceBroken):
        _sealer().open(5, _PLACE, ciphertext[:40], shown)
    for at in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[at] ^= 1
        with pytest.raises(EvidenceBroken):
            _sealer().open(5, _PLACE, bytes(changed), shown)


def test_every_event_has_a_key_of_its_own() -> None:
    """However they are asked for, two events never share a key, nor two sessions; none is below 0."""
    sealer = _sealer()
    forwards = [sealer.event_key(q) for q in range(100)]
    backwards = [sealer.event_key(q) for q in reversed(range(100))]
    assert backwards[::-1] == forwards == [sealing.event_key(_KEY, q) for q in range(100)]
    others = [_sealer(bytes(32)).event_key(q) for q in range(100)]
    assert len({*forwards, *others}) == 200
    assert {len(key) for key in forwards} == {32}
    with pytest.raises(EvidenceBroken):
        sealer.event_key(-1)


def test_no_nonce_or_salt_is_used_twice() -> None:
    """The pool hands out each drawn byte once, across its refills."""
    pool = sealing.RandomPool()
    drawn = [pool.take() for _ in range(1000)]
    assert len({nonce for nonce, _ in drawn}) == 1000
    assert len({salt for _, salt in drawn}) == 1000
    assert {(len(nonce), len(salt)) for nonce, salt in drawn} == {(12, 32)}


def test_a_short_session_key_is_refused() -> None:
    """Only 32 bytes make a key."""
    with pytest.raises(ValueError, match="32 bytes"):
        sealing.SessionSealer(b"short", sealing.RandomPool())
