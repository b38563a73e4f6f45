"""What an authenticated connection may open: each channel and request goes its way from here.

The half of a connection that begins once it is known who is there; who that is, is `front`'s and
`nested`'s. Nothing here decides: channels ask the gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncssh
import structlog

from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh import tunnels
from gatekeep.proxies.ssh.agents import AgentGrant, AgentTerms
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.channels import serve_channel, turn_away
from gatekeep.proxies.ssh.ends import ClientEnd, StreamEnd
from gatekeep.proxies.ssh.leads import Leads
from gatekeep.proxies.ssh.opening import SshSessions
from gatekeep.proxies.ssh.session import SshSession
from gatekeep.proxies.ssh.ways import Recordings

_log = structlog.get_logger(__name__)

WINDOW: Final = 128 * 1024
_IDLE_REFUSED_S: Final = 10.0
_PARTING_S: Final = 1.0
_LAST_WORDS_S: Final = 5.0
_MOST_REFUSALS: Final = 256
_PROHIBITED: Final = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED

Jump = Callable[[Arrival, str], Awaitable[StreamEnd]]


@dataclass(frozen=True, slots=True)
class Doors:
    """What a connection needs once it is known who is there.

    `jump` gives the near end of a connection to a registered target behind this one; `leads` says
    where a tunnel leads; without `agents` nobody's agent is forwarded.
    """

    sessions: SshSessions
    recordings: Recordings
    jump: Jump
    leads: Leads
    agents: AgentTerms = field(default_factory=AgentTerms)


class ChannelDoor:
    """One connection: its session, opened at once, and the channels on it."""

    def __init__(
        self, connection: asyncssh.SSHServerConnection, arrival: Arrival, doors: Doors
    ) -> None:
        self._connection = connection
        self._arrival = arrival
        self._doors = doors
        self._owner = doors.sessions.owner
        self._refusals = 0
        self._agent = AgentGrant(connection, doors.agents)
        self._opened: asyncio.Future[SshSession | tuple[str, ...]]
        self._opened = self._owner.spawn(self._open(), name="session")

    async def _open(self) -> SshSession | tuple[str, ...]:
        if not self._arrival.target:
            return words.name_a_target(self._arrival.principal.name)
        try:
            opened = await self._doors.sessions.open(self._arrival)
        except Exception as error:  # noqa: BLE001 - fail closed: nothing is open, and it is said
            _log.exception("no session")
            self._doors.sessions.rooms.on_gateway_fault(error)
            opened = (words.request_refused("a session"),)
        if isinstance(opened, SshSession):
            self._owner.spawn(self._watch(opened), name=f"{opened.live.session.code} end")
        else:
            self._owner.spawn(self._dismiss(opened), name="refused")
        return opened

    async def _watch(self, session: SshSession) -> None:
        """Close the connection once the session is to end.

        Its channels first: OpenSSH shows nothing of what comes together with a disconnect.
        """
        await session.over.wait()
        # A disconnect overtakes what a client has not printed yet, so channels are closed first.
        await session.quiet(_PARTING_S)
        self._connection.close()
        await session.quiet(_LAST_WORDS_S)
        await self._doors.sessions.close_session(session, session.reason)

    async def _dismiss(self, lines: tuple[str, ...]) -> None:
        """A client that opens no channel would never hear why."""
        await asyncio.sleep(_IDLE_REFUSED_S)
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, lines[0])

    def lost(self) -> None:
        """The client is gone."""
        self._owner.spawn(self._left(), name="client left")

    async def _left(self) -> None:
        opened = await self._opened
        if isinstance(opened, SshSession):
            opened.end("client left")

    def refused(self, what: str, name: str) -> None:
        """Something that is never offered was asked for: the record says what."""
        self._owner.spawn(self._refused(what, name), name="refused")

    async def _refused(self, what: str, name: str) -> None:
        opened = await self._opened
        if isinstance(opened, SshSession) and self._refusals < _MOST_REFUSALS:
            self._refusals += 1
            opened.refuse(what, name[:100], "not_offered")

    # what asyncssh asks

    def session_requested(self) -> tuple[Any, ClientEnd]:
        """A session channel; what for is told to `ClientEnd`."""
        channel = self._connection.create_server_channel(encoding=None, window=WINDOW)
        end = ClientEnd(self._channel_started)
        end.on_agent = lambda: self._agent_requested(end)
        return channel, end

    def connection_requested(
        self, destination: str, port: int, _origin: str, _origin_port: int
    ) -> tuple[Any, Awaitable[StreamEnd]]:
        """A direct-tcpip channel: a tunnel through the target, or a jump to another one."""
        channel = self._connection.create_tcp_channel(encoding=None, window=WINDOW)
        return channel, self._tunnel(destination, port)

    def unix_connection_requested(self, path: str) -> tuple[Any, Awaitable[StreamEnd]]:
        """A direct-streamlocal channel: a socket on the target."""
        channel = self._connection.create_unix_channel(encoding=None, window=WINDOW)
        return channel, self._tunnel(path, 0)

    async def server_requested(self, listen_address: str, port: int) -> Any:
        """A tcpip-forward request: the target is to listen; a listener, or False."""
        opened = await self._opened
        if not isinstance(opened, SshSession):
            return False
        return await tunnels.listen(opened, self._connection, listen_address, port)

    async def unix_server_requested(self, path: str) -> Any:
        """A streamlocal-forward request: never, and told so in the record."""
        opened = await self._opened
        if isinstance(opened, SshSession):
            await tunnels.refuse_listening(opened, path)
        return False

    async def _agent_requested(self, end: ClientEnd) -> bool:
        opened = await self._opened
        return isinstance(opened, SshSession) and await self._agent.asked(opened, end)

    def _channel_started(self, end: ClientEnd) -> None:
        self._owner.spawn(self._serve(end), name="channel")

    async def _serve(self, end: ClientEnd) -> None:
        opened = await self._opened
        if isinstance(opened, SshSession):
            await serve_channel(opened, end, self._doors.recordings)
        else:
            turn_away(end, opened)

    async def _tunnel(self, destination: str, port: int) -> StreamEnd:
        if not self._arrival.target and port:
            return await self._jumped(destination)
        opened = await self._opened
        if not isinstance(opened, SshSession):
            raise asyncssh.ChannelOpenError(_PROHIBITED, opened[0])
        if not opened.still_admitted():
            line = words.no_longer_admitted(opened.live.session.target.name)
            opened.refuse("tunnel", destination[:100], "not admitted")
            raise asyncssh.ChannelOpenError(_PROHIBITED, line)
        through = opened.live.session.target
        lead = await self._doors.leads.judge(through, destination, port)
        return await tunnels.open_tunnel(opened, lead)

    async def _jumped(self, destination: str) -> StreamEnd:
        """A jump, as long as the sign-in that it rests on holds; what leads nowhere is recorded."""
        sessions, arrival = self._doors.sessions, self._arrival
        if sessions.rooms.lapse(arrival):
            await sessions.turned_away(replace(arrival, target=destination), "lapsed")
            self._owner.spawn(self._dismiss(words.sign_in_lapsed()), name="lapsed")
            raise asyncssh.ChannelOpenError(_PROHIBITED, words.sign_in_lapsed()[0])
        try:
            return await self._doors.jump(arrival, destination)
        except asyncssh.ChannelOpenError:
            if self._refusals < _MOST_REFUSALS:
                self._refusals += 1
                await sessions.turned_away(replace(arrival, target=destination), "no target")
            raise
