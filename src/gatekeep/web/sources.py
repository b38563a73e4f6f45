"""Where a request over TCP comes from, and whether it came in clear over a network.

Believes what a proxy says only where the settings name the proxy; decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import web

FORWARDED: Final = "X-Forwarded-For"
_SIGNS_OF_PROXIES: Final = (FORWARDED, "Forwarded", "X-Real-IP", "Via")
_MAX_HOPS: Final = 32


class Sources:
    """Tells sources apart, by the networks of the proxies that are ours."""

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(text) for text in proxies)

    def source_of(self, request: web.Request) -> str:
        """The address that this request came from: the nearest one that is no proxy of ours."""
        peer = _address(request.remote or "")
        if peer is None or not self._ours(peer):
            return request.remote or ""
        named = ",".join(request.headers.getall(FORWARDED, [])).split(",")[-_MAX_HOPS:]
        source = peer
        for text in reversed(named):
            address = _address(text.strip())
            if address is None:
                break
            source = address
            if not self._ours(address):
                break
        return str(source)

    def is_protected(self, request: web.Request) -> bool:
        """Whether nobody on a network could read along: from this machine, or by a proxy of ours."""
        peer = _address(request.remote or "")
        return peer is not None and (peer.is_loopback or self._ours(peer))

    def is_near(self, request: web.Request) -> bool:
        """Whether it was sent on this machine, and not passed on by a proxy that runs here."""
        peer, source = _address(request.remote or ""), _address(self.source_of(request))
        if peer is None or source is None or not source.is_loopback:
            return False
        return self._ours(peer) or not any(name in request.headers for name in _SIGNS_OF_PROXIES)

    def _ours(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, with a port or without; v4 where it is v4 in v6's dress."""
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
