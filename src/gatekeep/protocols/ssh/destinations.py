"""Where a tunnel leads, whatever it is called: one form for all spellings of an address or a name.

Pure: looking names up is the caller's; so is what the policy says.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_NAME: Final = 255
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_LOCAL: Final = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "localhost.localdomain"})
_METADATA: Final = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"))
)
_NOWHERE: Final = tuple(
    map(ipaddress.ip_network, ("0.0.0.0/8", "240.0.0.0/4", "fec0::/10", "2001::/32", "64:ff9b:1::/48"))
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR: Final = ipaddress.ip_network("2002::/16")
_PRIVILEGED_SOCKETS: Final = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")


@dataclass(frozen=True, slots=True)
class Destination:
    """A normalised destination: a name in lower case, or an address (`name` is then its text).

    `loopback`: this machine, as whoever dials sees it.
    """

    name: str
    address: Address | None = None

    @property
    def loopback(self) -> bool:
        """Whether it is the dialler itself."""
        if self.address is not None:
            return self.address.is_loopback or self.address.is_unspecified
        return self.name in _LOCAL or self.name.endswith(".localhost")


def normalise(written: str) -> Destination | None:
    """The destination that this text names; None where it can name none."""
    text = written.strip()
    if not text or len(text) > MAX_NAME or not text.isprintable():
        return None
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    address = read_address(text)
    if address is not None:
        return Destination(str(address), address)
    return _name(text)


def read_address(text: str) -> Address | None:
    """An address in any spelling that the resolvers of operating systems take for one.

    IPv4 with one to four parts, each decimal, octal or hexadecimal; IPv6 with a zone, which is
    dropped; IPv4 mapped, translated or tunnelled in IPv6 is that IPv4 address.
    """
    if ":" in text:
        try:
            return unwrapped(ipaddress.IPv6Address(text.partition("%")[0]))
        except ValueError:
            return None
    return _read_ipv4(text.rstrip(".") if text.count(".") <= 4 else text)  # noqa: PLR2004 - a final dot


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is None and address in _SIX_TO_FOUR:
        inner = address.sixtofour
    if inner is None and int(address) >> 32 == 0 and int(address) > 1:
        inner = ipaddress.IPv4Address(int(address))  # ::a.b.c.d, of old
    return inner or address


def forbidden(address: Address) -> str:
    """Why no tunnel ever leads to this address, whatever a rule says; empty where one may."""
    address = unwrapped(address)
    broadcast = ipaddress.IPv4Address(2**32 - 1)
    reasons = (
        (address in _METADATA, "the metadata service of a cloud"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (address.is_unspecified, "no address"),
        (address == broadcast, "a broadcast address"),
        (any(address in one for one in _NOWHERE), "an address that no machine should have"),
    )
    return next((why for holds, why in reasons if holds), "")


def socket_tags(path: str) -> frozenset[str]:
    """What a socket in the file system is: those of container engines are as good as root."""
    name = path.rstrip("/").rpartition("/")[2]
    return frozenset({"privilege"}) if name in _PRIVILEGED_SOCKETS else frozenset()


def same_place(
    destination: Destination, resolved: Iterable[Address], name: str, addresses: Sequence[Address]
) -> bool:
    """Whether a destination is the place of that name and these addresses."""
    if destination.name == name:
        return True
    found = {unwrapped(one) for one in resolved}
    if destination.address is not None:
        found.add(unwrapped(destination.address))
    return not found.isdisjoint(unwrapped(one) for one in addresses)


def _read_ipv4(text: str) -> Address | None:
    parts = text.split(".")
    if not 1 <= len(parts) <= 4 or not all(_NUMBER.fullmatch(part) for part in parts):  # noqa: PLR2004 - bytes of an address
        return None
    numbers: list[int] = []
    for part in parts:
        try:
            numbers.append(_number(part))
        except ValueError:
            return None
    last = numbers.pop()
    if any(number > 0xFF for number in numbers) or last >= 1 << (8 * (4 - len(numbers))):  # noqa: PLR2004 - a byte
        return None
    value = last
    for place, number in enumerate(numbers):
        value |= number << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)


def _name(text: str) -> Destination | None:
    """A name as resolvers compare it: ASCII, lower case, without a final dot.

    What becomes an address on the way (digits and dots of other scripts) is that address.
    """
    try:
        ascii_form = text.rstrip(".").encode("idna").decode() if not text.isascii() else text
    except UnicodeError:
        return None
    address = read_address(ascii_form) if ascii_form != text else None
    if address is not None:
        return Destination(str(address), address)
    name = ascii_form.rstrip(".").lower()
    if not name or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return None
    return Destination(name)
