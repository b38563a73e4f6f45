"""One client connection: its hand-shake, who signs in, and then the door to its channels.

Signing in is `front`'s; what a signed-in connection may open is `channel_door`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh
import structlog

from gatekeep.proxies.ssh.agent_seams import REQUEST as AGENT_REQUEST
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channel_door import ChannelDoor, Doors
from gatekeep.proxies.ssh.ends import ClientEnd, StreamEnd

_log = structlog.get_logger(__name__)

_DECIDED = frozenset({"session", "direct-tcpip", "direct-streamlocal@openssh.com", ""})


class SignedIn(asyncssh.SSHServer):
    """The half that begins after sign-in. A subclass proves who comes, then calls `enter`."""

    def __init__(self, doors: Doors, on_entered: Callable[[], None]) -> None:
        self.doors = doors
        self._on_entered = on_entered
        self.connection: asyncssh.SSHServerConnection | None = None
        self.door: ChannelDoor | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """The connection is there; nobody has said anything yet."""
        self.connection = conn

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        """It is gone, and so is what was open on it."""
        if self.door is not None:
            self.door.lost()

    def enter(self, arrival: Arrival) -> None:
        """It is known who is there, and where to."""
        if self.connection is not None:
            self._on_entered()
            self.door = ChannelDoor(self.connection, arrival, self.doors)

    # what asyncssh refuses by itself, and what fails in callbacks of ours

    def unknown_request(self, place: str, name: str) -> None:
        """A request that nobody knows was refused: it goes into the record.

        One to forward an agent is there already: that is judged.
        """
        if self.door is not None and name != AGENT_REQUEST:
            self.door.refused(f"{place} request", name)

    def refused_open(self, kind: str, reason: str) -> None:
        """A channel was refused; of a kind that is decided by us, that is in the record already."""
        if self.door is not None and kind not in _DECIDED:
            self.door.refused("channel", kind or reason)

    def callback_fault(self, error: BaseException) -> None:
        """One channel failed by our fault."""
        _log.error("channel failed", error=repr(error))

    def session_requested(self) -> tuple[Any, ClientEnd] | bool:
        """A session channel."""
        return self.door.session_requested() if self.door is not None else False

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> tuple[Any, Awaitable[StreamEnd]] | bool:
        """A direct-tcpip channel."""
        if self.door is None:
            return False
        return self.door.connection_requested(dest_host, dest_port, orig_host, orig_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        """A direct-streamlocal channel."""
        return self.door.unix_connection_requested(dest_path) if self.door is not None else False

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """A tcpip-forward request."""
        return self.door.server_requested(listen_host, listen_port) if self.door else False

    def unix_server_requested(self, listen_path: str) -> Any:
        """A streamlocal-forward request."""
        return self.door.unix_server_requested(listen_path) if self.door else False
