"""The SSH door: listens, keeps strangers within bounds, and runs a connection for each arrival.

Survives whatever a connection does. Who signs in is `front`'s affair.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncssh
import structlog

from gatekeep.proxies.accepting import Acceptor
from gatekeep.proxies.lobby import Lobby, Visitor
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SshDoorValues:
    """How the door stands. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 2222
    handshake_s: float = 30.0
    per_address: int = 32
    total: int = 512


#: Makes the connection's own object: `(source, on_entered)`; the latter is called at sign-in.
MakeConnection = Callable[[str, Callable[[], None]], asyncssh.SSHServer]


class SshDoor:
    """One door. `options` are what every connection is made with (keys, algorithms, limits)."""

    def __init__(
        self,
        values: SshDoorValues,
        options: Mapping[str, Any],
        make: MakeConnection,
    ) -> None:
        self._values = values
        self._options = dict(options)
        self._make = make
        self._acceptor = Acceptor(self._take_in)
        self._lobby = Lobby(per_address=values.per_address, total=values.total)
        self._owner = TaskOwner("ssh door", on_failure=_failed)
        self._connections: set[asyncssh.SSHServerConnection] = set()

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        return self._acceptor.port

    @property
    def listening(self) -> bool:
        """Whether it has been started."""
        return self._acceptor.listening

    @property
    def unauthenticated(self) -> int:
        """Connections that have not signed in yet."""
        return len(self._lobby)

    async def start(self) -> None:
        """Listen. Raises SettingsError if that cannot be."""
        await self._acceptor.start(self._values.host, self._values.port, key="ssh.port")

    def stop_accepting(self) -> None:
        """Take no further connection; those that are there go on."""
        self._acceptor.stop()

    async def close(self, *, grace: float = 0.0) -> None:
        """Stop accepting, and end what is left."""
        self.stop_accepting()
        for connection in list(self._connections):
            connection.close()
        await self._owner.close(grace=grace)

    def _take_in(self, connection: socket.socket, source: str) -> None:
        visit = _Visit(connection)
        visit.visitor = self._lobby.enter(source, visit.shed)
        visit.task = self._owner.spawn(self._serve(visit, source), name=source)

    async def _serve(self, visit: _Visit, source: str) -> None:
        """One connection, from its first byte to its last."""

        def entered() -> None:
            if visit.visitor is not None:
                self._lobby.leave(visit.visitor)

        try:
            connection = await asyncssh.run_server(
                visit.connection,
                server_factory=lambda: self._make(source, entered),
                login_timeout=self._values.handshake_s,
                connect_timeout=self._values.handshake_s,
                **self._options,
            )
        except (asyncssh.Error, OSError, TimeoutError) as error:
            _log.debug("hand-shake failed", source=source, error=str(error))
            return
        finally:
            entered()
            if not visit.connection.fileno() < 0 and visit.task is not None and visit.task.cancelled():
                visit.connection.close()
        self._connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            self._connections.discard(connection)


class _Visit:
    """A connection before it has signed in."""

    __slots__ = ("connection", "task", "visitor")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.visitor: Visitor | None = None
        self.task: asyncio.Task[None] | None = None

    def shed(self) -> None:
        """Make room for another connection."""
        if self.task is not None:
            self.task.cancel()


def _failed(name: str, error: BaseException) -> None:
    _log.error("task of the ssh door failed", task=name, error=repr(error))
