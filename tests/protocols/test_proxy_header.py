"""PROXY headers: both versions, byte by byte, and everything that is none."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault
from gatekeep.protocols.proxy_header import MAX_BLOCK_BYTES, SIGNATURE, ProxyHeader

BEHIND = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def version_2(command: int, family: int, block: bytes) -> bytes:
    """A binary header."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


def tcp(source: str, *, tlvs: bytes = b"") -> bytes:
    """A binary header for a client's address."""
    address = ip_address(source)
    family = 0x11 if address.version == 4 else 0x21
    block = address.packed + bytes(len(address.packed)) + struct.pack("!HH", 56324, 5432)
    return version_2(0x21, family, block + tlvs)


GOOD = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 5432\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8:0::7 2001:db8::1 56324 5432\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 56324 5432\r\n", "192.0.2.7"),
    (b"PROXY UNKNOWN\r\n", ""),
    (b"PROXY UNKNOWN ffff::1 whatever it likes 1 2\r\n", ""),
    (tcp("192.0.2.7"), "192.0.2.7"),
    (tcp("2001:db8::7"), "2001:db8::7"),
    (tcp("::ffff:192.0.2.7"), "192.0.2.7"),
    (tcp("192.0.2.7", tlvs=b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\0\0\0\0"), "192.0.2.7"),
    (tcp("192.0.2.7", tlvs=bytes(MAX_BLOCK_BYTES - 12)), "192.0.2.7"),
    (version_2(0x20, 0x00, b""), ""),
    (version_2(0x20, 0x11, b"\xff" * 12), ""),
    (version_2(0x21, 0x00, b"a TLV, or not"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("header", "source"), GOOD)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_headers(header: bytes, source: str, step: int) -> None:
    """Are understood however they are cut; what stands behind them is left where it is."""
    read, rest = ProxyHeader(), header + BEHIND
    while not read.done:
        piece = rest[:step]
        taken = read.feed(piece)
        assert taken == len(piece) or read.done
        rest = rest[taken:]
    assert read.source == source
    assert rest == BEHIND


@pytest.mark.parametrize(
    "data",
    [
        BEHIND, b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n", b"proxy TCP4",
        b"PROXY  UNKNOWN\r\n", b"PROXY \r\n", b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 5432 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 70000 5432\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 5432\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 56324 5432\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 56324 5432\r\n",
        b"PROXY TCP6 fe80::7%eth0 2001:db8::1 56324 5432\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 56324 5432\r\n",
        b"PROXY TCP4 " + b"9" * 200, b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 56324 5432\r\n",
        version_2(0x22, 0x11, bytes(12)), version_2(0x11, 0x11, bytes(12)),
        version_2(0x21, 0x12, bytes(12)), version_2(0x21, 0x31, bytes(216)),
        version_2(0x21, 0x11, bytes(11)), version_2(0x21, 0x21, bytes(35)),
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MAX_BLOCK_BYTES + 1),
        SIGNATURE[:-1] + b"\r",
    ],
)  # fmt: skip
def test_what_is_no_header(data: bytes) -> None:
    """Is the client's fault at once, and never half believed."""
    header = ProxyHeader()
    with pytest.raises(ClientFault) as fault:
        header.feed(data)
    assert fault.value.answer is not None
    assert not header.done
    assert header.source == ""


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=40), st.booleans())
def test_fuzz(pieces: list[bytes], signed: bool) -> None:
    """Whatever comes: an address, or the fault, within the limit of bytes."""
    header, taken = ProxyHeader(), 0
    try:
        for piece in [SIGNATURE if signed else b"PROXY ", *pieces]:
            taken += header.feed(piece)
            if header.done:
                break
    except ClientFault:
        return
    assert taken <= 16 + MAX_BLOCK_BYTES
    assert header.done or taken <= sum(map(len, pieces)) + 12
    assert not header.source or ip_address(header.source)
