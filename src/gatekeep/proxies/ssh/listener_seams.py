"""Listening on a target, without losing who connects at once.

A part of `seams`, with the same rule: nothing but use of asyncssh beyond its documentation.
"""

# ruff: noqa: SLF001 - reaching behind the documentation is what this file is for

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncssh
from asyncssh.listener import SSHTCPClientListener

Arrived = Callable[[str, int], Awaitable[Any]]
"""Somebody connected, from this address and port: the session of the channel, in time."""

_PACKET: Final = 32 * 1024


async def listen_at_target(
    connection: asyncssh.SSHClientConnection,
    arrived: Arrived,
    address: str,
    port: int,
    *,
    window: int,
) -> asyncssh.SSHListener:
    """As asyncssh does, but who comes before the target's answer was read is let in as well.

    asyncssh knows a listener from the moment its caller goes on, and the target listens before it
    answers: a channel that follows the answer at once was refused. Raises
    asyncssh.ChannelListenError.
    """
    early = SSHTCPClientListener[bytes](
        connection, arrived, address.lower(), port, None, "strict", window, _PACKET
    )
    known: dict[Any, Any] = (
        connection._remote_listeners if port else connection._dynamic_remote_listeners
    )
    key = (address.lower(), port) if port else address.lower()
    known.setdefault(key, early)
    try:
        return await connection.create_server(
            arrived, address, port, encoding=None, window=window
        )
    except BaseException:
        if known.get(key) is early:
            del known[key]
        raise
