"""Doors listen: connections are handed over ready to use, and a port that is taken is named."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gatekeep.errors import SettingsError
from gatekeep.proxies.accepting import Acceptor


async def test_a_connection_is_handed_over_with_its_source() -> None:
    """Not blocking, kept alive, without delay; the source is an address without a port."""
    came: asyncio.Future[tuple[socket.socket, str]] = asyncio.get_running_loop().create_future()
    acceptor = Acceptor(lambda connection, source: came.set_result((connection, source)))
    await acceptor.start("127.0.0.1", 0, key="ssh.port")
    _reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
    connection, source = await asyncio.wait_for(came, 10)
    assert source == "127.0.0.1"
    assert connection.gettimeout() == 0
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()
    writer.close()
    acceptor.stop()
    assert not acceptor.listening


async def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    """Whoever starts the gateway learns which key to change."""
    first, second = Acceptor(lambda *_come: None), Acceptor(lambda *_come: None)
    await first.start("127.0.0.1", 0, key="ssh.port")
    with pytest.raises(SettingsError) as caught:
        await second.start("127.0.0.1", first.port, key="ssh.port")
    assert caught.value.key == "ssh.port"
    assert not second.listening
    first.stop()
