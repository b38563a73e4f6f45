"""The PROXY protocol, versions 1 and 2: who it is for whom a proxy has connected.

Bytes to an address, under limits; whether the proxy is believed is not decided here.
HAProxy, "The PROXY protocol", sections 2.1 and 2.2.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from gatekeep.errors import ClientFault
from gatekeep.messages import client_violation

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_LINE_BYTES = 107
MAX_BLOCK_BYTES = 4096
"""Of version 2, the addresses and all that follows them (TLVs, which are skipped)."""

_HEAD = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_V4_BYTES, _V6_BYTES = 12, 36
_MAX_PORT = 65535


class ProxyHeader:
    """One header, as it arrives. `source` counts once `done`.

    `source` is the address of the client, empty when the proxy speaks for itself (LOCAL) or does
    not know (UNKNOWN): then the address of the connection counts.
    """

    def __init__(self) -> None:
        self._held = b""
        self.done = False
        self.source = ""

    def feed(self, data: bytes) -> int:
        """Take the next bytes; how many of them are the header's.

        Raises ClientFault when no header can begin like this, or when it is too long.
        """
        before = len(self._held)
        held = self._held + data
        if held[: len(SIGNATURE)] == SIGNATURE[: len(held)]:
            size = self._version_2(held)
        elif held[:6] == b"PROXY "[: len(held)]:
            size = self._version_1(held)
        else:
            raise _fault("no PROXY header, which this address must send")
        self._held = held[:size]
        return size - before

    def _version_1(self, held: bytes) -> int:
        """A line of at most 107 bytes, its end included."""
        line, end, _ = held[:MAX_LINE_BYTES].partition(b"\r\n")
        if not end:
            if len(held) >= MAX_LINE_BYTES:
                raise _fault("a PROXY header that does not end")
            return len(held)
        self.source = _source_of_line(line)
        self.done = True
        return len(line) + len(end)

    def _version_2(self, held: bytes) -> int:
        if len(held) < _HEAD.size:
            return len(held)
        _, command, family, length = _HEAD.unpack_from(held)
        if length > MAX_BLOCK_BYTES:
            raise _fault("a PROXY header that is too long")
        size: int = _HEAD.size + length
        if len(held) < size:
            return len(held)
        self.source = _source_of_block(command, family, held[_HEAD.size : size])
        self.done = True
        return size


def _source_of_line(line: bytes) -> str:
    """Section 2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 5432`."""
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":
        return ""
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):  # noqa: PLR2004 - the words of a line
        raise _fault("a malformed PROXY header")
    kind = IPv4Address if words[1] == b"TCP4" else IPv6Address
    try:
        source, _ = (kind(word.decode("ascii")) for word in words[2:4])
    except ValueError:
        raise _fault("a malformed PROXY header") from None
    if not all(word.isdigit() and int(word[:6]) <= _MAX_PORT for word in words[4:]):
        raise _fault("a malformed PROXY header")
    return _plain(source)


def _source_of_block(command: int, family: int, block: bytes) -> str:
    """Section 2.2: command, family, addresses; what stands behind them is skipped."""
    if command == _LOCAL or (command == _PROXY and family == _UNSPECIFIED):
        return ""
    if command == _PROXY and family == _TCP4 and len(block) >= _V4_BYTES:
        return _plain(IPv4Address(block[:4]))
    if command == _PROXY and family == _TCP6 and len(block) >= _V6_BYTES:
        return _plain(IPv6Address(block[:16]))
    raise _fault("a malformed PROXY header")


def _plain(address: IPv4Address | IPv6Address) -> str:
    """One spelling for one address; an IPv4 address is one in IPv6 clothes, too."""
    if isinstance(address, IPv6Address):
        if address.scope_id:
            raise _fault("a malformed PROXY header")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def _fault(what: str) -> ClientFault:
    answer = client_violation(what[0].upper() + what[1:] + ".")
    return ClientFault(answer.primary, cause=what, answer=answer)
