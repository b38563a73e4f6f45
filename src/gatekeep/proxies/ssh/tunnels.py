"""Tunnels through a target: what the client wants reached from there, and where it is to listen.

Each is judged by its destination and recorded before anything is dialled; bytes are counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, cast

import asyncssh

from gatekeep import messages
from gatekeep.domain.commands import TUNNEL_LISTEN, SshAction, TunnelFacts
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind, failed_outcome
from gatekeep.errors import SettingsError, TargetFault
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.messages import ssh as words
from gatekeep.protocols.ssh.first_bytes import FirstBytes
from gatekeep.proxies.ssh.bindings import Around
from gatekeep.proxies.ssh.ends import StreamEnd
from gatekeep.proxies.ssh.holding import Silent
from gatekeep.proxies.ssh.leads import Lead, Lines
from gatekeep.proxies.ssh.listener_seams import listen_at_target
from gatekeep.proxies.ssh.relay import Relay
from gatekeep.proxies.ssh.session import SshSession

_PROHIBITED: Final = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
_FAILED: Final = asyncssh.OPEN_CONNECT_FAILED
_MOST_LISTENERS: Final = 64
"""Asked for in one session, whether closed again or not."""

_WINDOW: Final = 128 * 1024
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def open_tunnel(session: SshSession, lead: Lead | Lines) -> StreamEnd:
    """The near end of a tunnel, dialled by the target.

    `lead` says where to, or the lines of a refusal that no policy can lift. Raises
    asyncssh.ChannelOpenError with the first line of a refusal.
    """
    if isinstance(lead, tuple):
        session.refuse("tunnel", lead[0].removeprefix(messages.PREFIX), "destination")
        raise asyncssh.ChannelOpenError(_PROHIBITED, lead[0])
    number = session.enter()
    if number is None:
        raise asyncssh.ChannelOpenError(_PROHIBITED, words.request_refused("another channel"))
    try:
        answer = await _permitted(session, lead.action)
        far = await _dialled(session, answer, lead)
    except BaseException:
        session.leave()
        raise
    near = StreamEnd()
    session.owner.spawn(_relayed(session, answer, near, far), name="tunnel")
    return near


def _around() -> Around:
    return Around("tunnel")


async def _permitted(session: SshSession, action: SshAction) -> Permit:
    if not session.still_admitted():
        line = words.no_longer_admitted(session.live.session.target.name)
        payload = {"cause": "not admitted", "mode": action.mode, "text": action.text}
        session.note(EventKind.ACTION_REFUSED, payload)
        raise asyncssh.ChannelOpenError(_PROHIBITED, line)
    # Nothing can be said before the channel is open: it just is not answered before that.
    answer = await session.clear(action, hold=lambda: session.held(action, _around, Silent()))
    if isinstance(answer, CommandRefusal):
        raise asyncssh.ChannelOpenError(_PROHIBITED, answer.lines[0])
    session.goes_out(answer)
    return answer


async def _dialled(session: SshSession, permit: Permit, lead: Lead) -> StreamEnd:
    far = StreamEnd()
    try:
        connection = await session.target()
        if lead.port:
            await connection.create_connection(
                lambda: far, lead.dial, lead.port, encoding=None, window=_WINDOW
            )
        else:
            await connection.create_unix_connection(
                lambda: cast("asyncssh.SSHUNIXSession[str]", far), lead.dial,
                encoding=None, window=_WINDOW,
            )  # fmt: skip
    except (TargetFault, SettingsError) as fault:
        session.settle(permit, failed_outcome(fault.public))
        name = session.live.session.target.name
        raise asyncssh.ChannelOpenError(_FAILED, words.target_silent(name)[0]) from None
    except asyncssh.ChannelOpenError as error:
        session.settle(permit, failed_outcome(messages.printable(error.reason)))
        raise asyncssh.ChannelOpenError(error.code, messages.printable(error.reason)) from None
    except (asyncssh.Error, OSError) as error:
        session.settle(permit, failed_outcome(messages.printable(str(error))))
        raise asyncssh.ChannelOpenError(_FAILED, messages.printable(str(error))) from None
    return far


class TunnelRelay(Relay):
    """A tunnel's bytes. A protocol inside that would be recorded elsewhere is told."""

    def __init__(self, session: SshSession, near: StreamEnd, far: StreamEnd) -> None:
        super().__init__(near, far)
        self._session = session
        self._first = FirstBytes()

    def from_client(self, data: bytes) -> None:
        """Look at the first bytes; all of them go on."""
        if not self._first.known:
            self._first.add(data)
            if self._first.kind:
                payload = {"what": "nested", "protocol": self._first.kind}
                self._session.note(EventKind.OPAQUE_BEGAN, payload)
        self.target.write(data)


async def _relayed(session: SshSession, permit: Permit, near: StreamEnd, far: StreamEnd) -> None:
    relay = TunnelRelay(session, near, far)
    try:
        with session.told(lambda _text: near.close()), session.carrying(relay):
            await relay.run()
    finally:
        outcome = Outcome(
            OutcomeKind.DONE, "closed", bytes_in=relay.bytes_in, bytes_out=relay.bytes_out
        )
        session.settle(permit, outcome)
        near.close()
        session.leave()


async def listen(
    session: SshSession, connection: asyncssh.SSHServerConnection, address: str, port: int
) -> Any:
    """The target's listener, or False. It listens on the target's loopback only."""
    fact = TunnelFacts(TUNNEL_LISTEN, address or "*", port, "", "target")
    action = SshAction("listen", f"{address}:{port}", (fact,))
    if address not in _LOOPBACK:
        session.refuse("listen", action.text, "not loopback")
        return False
    if session.listeners >= _MOST_LISTENERS or not session.still_admitted():
        session.refuse("listen", action.text, "too many")
        return False
    session.listeners += 1
    answer = await session.clear(action, hold=lambda: session.held(action, _around, Silent()))
    if isinstance(answer, CommandRefusal):
        return False
    session.goes_out(answer)
    listening = _Listening(session, connection, address)
    try:
        target = await session.target()
        made = await listen_at_target(target, listening.arrived, address, port, window=_WINDOW)
        listening.port = made.get_port()
    except (
        TargetFault, SettingsError, asyncssh.Error, asyncssh.ChannelListenError, OSError
    ) as error:  # fmt: skip
        session.settle(answer, failed_outcome(messages.printable(str(error))))
        return False
    finally:
        # The client is answered in this very step: it hears of no arrival before that.
        asyncio.get_running_loop().call_soon(listening.answered.set)
    session.settle(answer, Outcome(OutcomeKind.DONE, f"listening on {listening.port}"))
    return made


async def refuse_listening(session: SshSession, path: str) -> None:
    """Sockets in the file system of a target are never listened on; the record says who asked."""
    session.refuse("listen", path, "not_offered")


class _Listening:
    """One port that the target listens on for the client: each arrival is a tunnel towards it."""

    def __init__(
        self,
        session: SshSession,
        connection: asyncssh.SSHServerConnection,
        address: str,
    ) -> None:
        self._session = session
        self._connection = connection
        self._address = address
        self.port = 0
        self.answered = asyncio.Event()

    def arrived(self, origin: str, origin_port: int) -> Awaitable[StreamEnd]:
        """Somebody connected to the port, on the target."""
        return self._arrived(origin, origin_port)

    async def _arrived(self, origin: str, origin_port: int) -> StreamEnd:
        session = self._session
        if session.enter() is None:
            raise asyncssh.ChannelOpenError(_PROHIBITED, words.request_refused("another channel"))
        try:
            await self.answered.wait()
            return await self._led_in(origin, origin_port)
        except BaseException:
            session.leave()
            raise

    async def _led_in(self, origin: str, origin_port: int) -> StreamEnd:
        session, address = self._session, self._address
        if not self.port:
            raise asyncssh.ChannelOpenError(_FAILED, "no such listener")
        shown = f"{address}:{self.port}"
        fact = TunnelFacts(TUNNEL_LISTEN, address, self.port, "", "target")
        action = SshAction(
            "tunnel", shown, (fact,),
            details={"direction": "in", "origin": messages.printable(f"{origin}:{origin_port}")},
        )  # fmt: skip
        answer = await _permitted(session, action)
        client = StreamEnd()
        try:
            await self._connection.create_connection(
                lambda: client, address, self.port, origin, origin_port,
                encoding=None, window=_WINDOW,
            )  # fmt: skip
        except (asyncssh.Error, OSError) as error:
            session.settle(answer, failed_outcome(messages.printable(str(error))))
            raise
        from_target = StreamEnd()
        session.owner.spawn(_relayed(session, answer, client, from_target), name="tunnel")
        return from_target

