"""Calls out over HTTP to addresses that an operator wrote down, and to nothing that they lead to.

No redirects, proxies or cookies; names never lead to link-local, metadata or loopback addresses
(but localhost, which leads nowhere else). An address that is written as one is dialled as it is.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

MAX_ANSWER: Final = 64 * 1024
_NEAR: Final = frozenset({"localhost"})
_NAT64: Final = ip_network("64:ff9b::/96")
_METADATA: Final = frozenset(
    ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds tell machines their secrets, beside 169.254.0.0/16."""


class NotDialled(OSError):  # noqa: N818 - says what happened
    """A name leads nowhere that may be dialled."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. `again_s` is what the other side asked to wait, 0 for nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    again_s: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it was taken."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls success


def may_be_dialled(text: str, *, near: bool) -> bool:
    """Whether an address that a name led to may be dialled; `near`: only if it is this machine."""
    try:
        address = _inner(ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if near or address.is_loopback:
        return near and address.is_loopback
    unfit = address.is_link_local or address.is_multicast or address.is_unspecified
    return not (unfit or address in _METADATA)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The v4 address that a v6 one stands for, else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class GuardedResolver(AbstractResolver):
    """Resolves names, and leaves out what may not be dialled: what is checked here is dialled."""

    def __init__(self, under: AbstractResolver | None = None) -> None:
        self._under = under or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As the port says. Raises NotDialled where nothing is left."""
        found = await self._under.resolve(host, port, family)
        near = host.rstrip(".").lower() in _NEAR
        kept = [one for one in found if may_be_dialled(one["host"], near=near)]
        if not kept:
            raise NotDialled(f"{host} leads nowhere that may be dialled")
        return kept

    async def close(self) -> None:
        """End it."""
        await self._under.close()


class Caller:
    """Posts bodies. One for all endpoints; a call takes at most `limit_s` seconds in all.

    `trust` replaces what certificates are checked against.
    """

    def __init__(
        self,
        *,
        limit_s: float = 10.0,
        resolver: AbstractResolver | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._limit_s = limit_s
        self._resolver = resolver
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, read: bool = False
    ) -> Answered:
        """Post a JSON body; redirects are answers like others. The answer's body is read if wanted.

        Raises OSError, TimeoutError or aiohttp.ClientError where there was none.
        """
        async with (
            asyncio.timeout(self._limit_s),
            self._opened().post(
                url,
                data=body,
                headers={**headers, "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response,
        ):
            again_s = _seconds(response.headers.get("Retry-After", ""))
            told = await _whole(response.content) if read else b""
            return Answered(response.status, told, response.headers, again_s)

    async def close(self) -> None:
        """Close what is open; nothing is opened any more."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise NotDialled("the gateway stops")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=GuardedResolver(self._resolver),
                    use_dns_cache=False,
                    ssl=self._trust or True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._limit_s),
                headers={"User-Agent": "gatekeep"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def fault_of(error: BaseException) -> str:
    """Why there was no answer, in few words; nothing of the other side's text."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, NotDialled | aiohttp.ClientConnectorDNSError):
        return "its name leads nowhere that may be dialled"
    return f"not reached ({type(error).__name__})"


async def _whole(content: aiohttp.StreamReader) -> bytes:
    whole = bytearray()
    async for piece in content.iter_any():
        whole += piece
        if len(whole) > MAX_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(whole)


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() and len(text) <= 5 else 0.0  # noqa: PLR2004 - at most a day
