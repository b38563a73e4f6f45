"""Batch frames: a header is valid whole or not at all, and later batches are found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.journal import frames


@given(st.integers(1, 2**64 - 1), st.binary(min_size=1, max_size=300))
def test_a_header_says_what_follows(number: int, body: bytes) -> None:
    """Number, length and checksum come back; another body does not fit."""
    header = frames.parse_header(frames.encode_header(number, body))
    assert header is not None
    assert (header.number, header.body_length) == (number, len(body))
    assert header.fits(body)
    assert not header.fits(body + b"x")
    assert not header.fits(bytes([body[0] ^ 1]) + body[1:])


@given(st.integers(0, 24 * 8 - 1))
def test_any_flipped_bit_of_a_header_is_found(bit: int) -> None:
    """No bit of the 24 bytes may change unseen."""
    raw = bytearray(frames.encode_header(9, b"body"))
    raw[bit // 8] ^= 1 << (bit % 8)
    assert frames.parse_header(bytes(raw)) is None


def test_later_batches_are_found_behind_garbage() -> None:
    """Only whole batches with a later number count, wherever they begin."""
    first = frames.encode_header(3, b"abc") + b"abc"
    second = frames.encode_header(4, b"defg") + b"defg"
    data = b"GKB1 junk" + first + b"\0" * 7 + second
    assert list(frames.valid_batches(data, after=2)) == [9, 9 + len(first) + 7]
    assert list(frames.valid_batches(data, after=3)) == [9 + len(first) + 7]
    assert not list(frames.valid_batches(data[:-1], after=3))
