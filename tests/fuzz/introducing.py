"""Fuzz target: PROXY headers, versions 1 and 2, in any pieces, with the client's bytes behind them."""

from __future__ import annotations

import ipaddress
import struct

from fuzz.draw import Draw
from gatekeep.errors import ClientFault
from gatekeep.protocols.proxy_header import MAX_BLOCK_BYTES, SIGNATURE, ProxyHeader

_BEHIND = b"\0\0\0\x08\x04\xd2\x16\x2f"
_LONGEST = 16 + MAX_BLOCK_BYTES


def _line(draw: Draw) -> bytes:
    kind = draw.choice(("TCP4", "TCP4", "TCP6", "UNKNOWN", "UDP4", ""))
    address = draw.choice(("192.0.2.1", "::1", "::ffff:192.0.2.1", "1", "fe80::1%eth0", "192.0.2.1.", ""))
    other = draw.choice((address, "198.51.100.1", "2001:db8::1"))
    port = draw.choice(("0", "65535", "65536", "-1", "5432", "x", "0" * 80, "\u0661"))
    return f"PROXY {kind} {address} {other} {port} 5432\r\n".encode()


def _block(draw: Draw) -> bytes:
    command = draw.choice((0x21, 0x21, 0x20, 0x22, 0x11))
    family = draw.choice((0x11, 0x21, 0x00, 0x31, 0x12))
    body = draw.take(draw.choice((12, 36, 0, 11, 35, 60)))
    length = draw.choice((len(body), len(body), len(body), 4096, 4097, 65535))
    return SIGNATURE + struct.pack(">BBH", command, family, length) + body


def _told(pieces: list[bytes]) -> tuple[int, bool, str, bool]:
    """Bytes taken, whether it is done, the source, and whether it was refused."""
    header, taken = ProxyHeader(), 0
    for piece in pieces:
        try:
            used = header.feed(piece)
        except ClientFault as fault:
            assert fault.answer is not None
            return taken, False, "", True
        assert 0 <= used <= len(piece)
        assert used == len(piece) or header.done, "bytes are left only behind a whole header"
        taken += used
        assert taken <= _LONGEST
        if header.done:
            break
    return taken, header.done, header.source if header.done else "", False


def check(draw: Draw) -> None:
    """The same source whole and in pieces, and not a byte of what stands behind the header is taken."""
    header = _line(draw) if draw.chance(2) else _block(draw)
    if draw.chance(3):
        header = draw.damaged(header)
    data = header + _BEHIND
    whole = _told([data])
    pieced = _told(list(draw.pieces(data)))
    assert whole[1:] == pieced[1:]
    if not whole[1]:
        return
    assert whole[0] == pieced[0]
    taken, _, source, _ = whole
    begins = data.startswith((b"PROXY ", SIGNATURE))
    assert begins
    assert data[:taken].endswith(b"\r\n") or data.startswith(SIGNATURE)
    if source:
        address = ipaddress.ip_address(source)
        assert str(address) == source
        assert getattr(address, "ipv4_mapped", None) is None
