"""The first bytes of an accepted socket, before anything is made of it: for whom, and is it TLS.

Takes no byte that is not the PROXY header's; what comes behind belongs to the wire.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

from gatekeep.errors import SettingsError
from gatekeep.protocols.proxy_header import MAX_BLOCK_BYTES, ProxyHeader


class TrustedProxies:
    """The networks that PROXY headers are believed from. Raises SettingsError for what is none."""

    def __init__(self, networks: Iterable[str]) -> None:
        try:
            self._networks = [ipaddress.ip_network(network) for network in networks]
        except ValueError as error:
            raise SettingsError(
                f"is no network: {error}",
                key="postgres.proxy_from",
                fix="write addresses or networks, such as 192.0.2.0/24",
            ) from error

    def __contains__(self, source: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


async def introduced_source(connection: socket.socket) -> str:
    """The address that a proxy's header names, empty if none; also when the proxy leaves.

    Raises ClientFault if what comes is no header.
    """
    header = ProxyHeader()
    while not header.done:
        data = await peeked(connection, MAX_BLOCK_BYTES)
        if not data:
            return ""
        connection.recv(header.feed(data))
    return header.source


async def peeked(connection: socket.socket, count: int) -> bytes:
    """The next bytes of a connection, left where they are; empty if the peer went."""
    loop = asyncio.get_running_loop()
    while True:
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection, _settle, readable)
        try:
            await readable
        finally:
            loop.remove_reader(connection)
        try:
            return connection.recv(count, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            continue
        except OSError:
            return b""


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
