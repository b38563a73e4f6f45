"""Jump hosts: a connection to a registered target behind this one ends in an inner server of ours.

The client speaks SSH to its target as it always does, over a channel; the other end of that channel
is here, so that everything is judged and recorded all the same. The principal is the outer one,
always; the inner log-in name is an account and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import asyncssh
import structlog

from gatekeep.domain.targets import Target, TargetKind
from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channel_door import Doors
from gatekeep.proxies.ssh.connection import SignedIn
from gatekeep.proxies.ssh.ends import HIGH_WATER, Listener, StreamEnd
from gatekeep.proxies.ssh.inner import InnerAuth
from gatekeep.proxies.ssh.relay import Relay
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_LOGIN_S: Final = 30.0
_PROHIBITED: Final = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED

FindTarget = Callable[[str], Awaitable[Target | None]]
HostKeys = Callable[[str], Mapping[str, Any]]


class Jumps:
    """Makes inner servers.

    `find(destination)` is the registered target of that name or address; `options(alias)`
    what its server is made with: a host key with a certificate for the alias.
    """

    def __init__(self, owner: TaskOwner, find: FindTarget, options: HostKeys) -> None:
        self._owner = owner
        self._find = find
        self._options = options
        self.doors: Doors | None = None

    async def jump(self, outer: Arrival, destination: str) -> StreamEnd:
        """The near end of the channel. Raises asyncssh.ChannelOpenError where it leads nowhere."""
        target = await self._find(destination)
        if target is None or target.kind is not TargetKind.SSH or self.doors is None:
            raise asyncssh.ChannelOpenError(
                _PROHIBITED, words.not_a_target(destination, outer.principal.name)
            )
        near, ours, theirs = StreamEnd(), *socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the socket module's own way
        theirs.setblocking(False)  # noqa: FBT003 - as above
        far = SocketEnd()
        await asyncio.get_running_loop().create_connection(lambda: far, sock=ours)
        self._owner.spawn(self._serve(outer, target, theirs, self.doors), name="inner")
        self._owner.spawn(_relayed(near, far), name="jump")
        return near

    async def _serve(
        self, outer: Arrival, target: Target, connection: socket.socket, doors: Doors
    ) -> None:
        try:
            inner = await asyncssh.run_server(
                connection,
                server_factory=lambda: InnerDoor(doors, outer, target),
                login_timeout=_LOGIN_S,
                connect_timeout=_LOGIN_S,
                **self._options(target.name),
            )
            await inner.wait_closed()
        except (asyncssh.Error, OSError, TimeoutError) as error:
            _log.debug("inner hand-shake failed", error=str(error))
        finally:
            connection.close()


class InnerDoor(InnerAuth, SignedIn):
    """A connection behind this one: who is there was proven outside, its log-in name is an account."""

    def __init__(self, doors: Doors, outer: Arrival, target: Target) -> None:
        InnerAuth.__init__(self)
        SignedIn.__init__(self, doors, lambda: None)
        self._outer = outer
        self._target = target

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """The client speaks SSH inside its own channel."""
        InnerAuth.connection_made(self, conn)
        SignedIn.connection_made(self, conn)

    def auth_completed(self) -> None:
        """The account is known."""
        arrival = replace(
            self._outer, target=self._target.name, account=self.account, jumped=True
        )
        self.enter(arrival)

    unknown_request = SignedIn.unknown_request
    refused_open = SignedIn.refused_open
    callback_fault = SignedIn.callback_fault


class SocketEnd(asyncio.Protocol):
    """Our end of the socket pair, as a relay wants its ends."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._listener: Listener | None = None
        self._paused: set[str] = set()
        self._heard_all = False
        self._said_all = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are of no such class
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self.pause("no listener")

    def listen(self, listener: Listener) -> None:
        """Tell this listener from now on."""
        self._listener = listener
        self.resume("no listener")

    def data_received(self, data: bytes) -> None:
        """Bytes of the inner server."""
        if self._listener is not None:
            self._listener.data(data, stderr=False)

    def eof_received(self) -> bool:
        """It sends no more. A transport with two ends that are over does not close by itself."""
        self._heard_all = True
        if self._listener is not None:
            self._listener.eof()
        return not self._said_all

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is gone."""
        self.gone = True
        if self._listener is not None:
            self._listener.lost()

    def pause_writing(self) -> None:
        """It has enough for now."""
        if self._listener is not None:
            self._listener.writable(writable=False)

    def resume_writing(self) -> None:
        """It takes more."""
        if self._listener is not None:
            self._listener.writable(writable=True)

    def pause(self, reason: str) -> None:
        """Take no more bytes while any reason holds."""
        if not self._paused and self._transport is not None:
            self._transport.pause_reading()
        self._paused.add(reason)

    def resume(self, reason: str) -> None:
        """One reason less."""
        if reason in self._paused:
            self._paused.discard(reason)
            if not self._paused and self._transport is not None and not self.gone:
                self._transport.resume_reading()

    def write(self, data: bytes, *, stderr: bool = False) -> None:  # noqa: ARG002 - a socket has one way
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """Send no more."""
        self._said_all = True
        if self._transport is not None and not self._transport.is_closing():
            if self._heard_all:
                self._transport.close()
            else:
                self._transport.write_eof()

    def close(self) -> None:
        """Send what waits, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


async def _relayed(near: StreamEnd, far: SocketEnd) -> None:
    await Relay(near, far).run()
    near.close()
