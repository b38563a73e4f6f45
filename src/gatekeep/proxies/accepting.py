"""Listens on every address of a host and hands connections over; rests when the machine has no room.

What a connection is for is the door's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

import structlog

from gatekeep.errors import SettingsError

_log = structlog.get_logger(__name__)

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 64
_PAUSE_S: Final = 0.2
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

TakeIn = Callable[[socket.socket, str], None]


class Acceptor:
    """Sockets of one door. `take_in(connection, source)` gets each one, not blocking and kept alive."""

    def __init__(self, take_in: TakeIn) -> None:
        self._take_in = take_in
        self._listening: list[socket.socket] = []
        self._resting: dict[int, asyncio.TimerHandle] = {}

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        port: int = self._listening[0].getsockname()[1]
        return port

    @property
    def listening(self) -> bool:
        """Whether it listens."""
        return bool(self._listening)

    async def start(self, host: str, port: int, *, key: str) -> None:
        """Listen. Raises SettingsError, naming the setting `key`, if that cannot be."""
        loop = asyncio.get_running_loop()
        wanted = port
        try:
            found = await loop.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in dict.fromkeys(found):
                bound = _listen(family, (address[0], wanted, *address[2:]))
                self._listening.append(bound)
                wanted = bound.getsockname()[1]
        except OSError as error:
            self.stop()
            raise SettingsError(
                f"cannot listen on {host}:{port}: {error}",
                key=key,
                fix="choose a free port, or end the program that has it",
            ) from error
        for listening in self._listening:
            loop.add_reader(listening, self._accept, listening)

    def stop(self) -> None:
        """Take no further connection."""
        loop = asyncio.get_running_loop()
        for handle in self._resting.values():
            handle.cancel()
        self._resting.clear()
        for listening in self._listening:
            loop.remove_reader(listening)
            listening.close()
        self._listening.clear()

    def _accept(self, listening: socket.socket) -> None:
        """Called when connections wait: take some, and rest when the machine has no room."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue
            except OSError as error:
                _log.warning("cannot accept", error=str(error))
                if error.errno in _EXHAUSTED:
                    self._rest(listening)
                return
            try:
                connection.setblocking(False)  # noqa: FBT003 - the socket module's own way
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                connection.close()
                continue
            self._take_in(connection, _source(address))

    def _rest(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def again() -> None:
            self._resting.pop(listening.fileno(), None)
            loop.add_reader(listening, self._accept, listening)

        self._resting[listening.fileno()] = loop.call_later(_PAUSE_S, again)


def _listen(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)  # noqa: FBT003 - the socket module's own way
        listening.bind(address)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _source(address: tuple[object, ...]) -> str:
    text = str(address[0]).partition("%")[0]
    return text.removeprefix("::ffff:") if "." in text else text
