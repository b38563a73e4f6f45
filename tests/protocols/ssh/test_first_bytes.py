"""Protocols inside a tunnel are told by their first bytes, however these are cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.first_bytes import FirstBytes

KINDS = [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "ssh"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaa", "tls"),
    (struct.pack(">II", 41, 196608) + b"user\0alice\0", "postgres"),
    (struct.pack(">II", 8, 80877103) + b"", "postgres"),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""),
]


@pytest.mark.parametrize(("data", "kind"), KINDS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_each_protocol_is_told(data: bytes, kind: str, size: int) -> None:
    """Whole, or byte by byte."""
    first = FirstBytes()
    for start in range(0, len(data), size):
        first.add(data[start : start + size])
    assert first.kind == kind


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_little_is_kept(pieces: list[bytes]) -> None:
    """Whatever comes, no more than the first bytes are held, and nothing raises."""
    first = FirstBytes()
    for piece in pieces:
        first.add(piece)
        assert len(first._held) <= 16
