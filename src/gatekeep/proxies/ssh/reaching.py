"""A session's way to its target: connected by `target`, and what happens on the way recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import asyncssh

from gatekeep import messages
from gatekeep.domain.events import EventKind
from gatekeep.errors import TargetFault
from gatekeep.gate.ports import HostkeyPins, TargetBook
from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh.ends import StreamEnd
from gatekeep.proxies.ssh.session import RecordFact, SshSession
from gatekeep.proxies.ssh.target import HostkeyDiffers, HostkeyShown, TargetPorts, connect

_MOST_NOTES = 64


class Unreached(TargetFault):
    """The target was not reached, and its client is told why in these lines."""

    def __init__(self, fault: TargetFault, lines: tuple[str, ...]) -> None:
        super().__init__(fault.public, cause=fault.cause)
        self.lines = lines


class Reaching:
    """Implements session.Connector over the registered targets and the pins of first use."""

    def __init__(self, targets: TargetBook, pins: HostkeyPins) -> None:
        self._ports = TargetPorts(targets, pins)

    async def connect(self, session: SshSession) -> asyncssh.SSHClientConnection:
        """The connection. Raises TargetFault, and Unreached where more can be said."""
        live = session.live.session
        hooks = SessionHooks(session)
        try:
            return await connect(live.target, live.account, self._ports, hooks)
        except HostkeyDiffers as fault:
            known = ", ".join(fault.known) or "none"
            payload = {"address": fault.address, "known": list(fault.known), "shown": fault.shown}
            session.note(EventKind.HOSTKEY_CHANGED, payload)
            lines = words.known_key_differs(live.target.name, known, fault.shown or "none")
            raise Unreached(fault, lines) from fault


class SessionHooks:
    """What a connection to a target tells, as facts of its session. There is an end to them."""

    def __init__(self, session: SshSession) -> None:
        self._session = session
        self._record: RecordFact = session.record_fact
        self._noted = 0

    def banner(self, lines: Sequence[str]) -> None:
        """Not shown: a banner of the target would come after the client has signed in here."""

    async def first_use(self, shown: HostkeyShown) -> None:
        """Recorded, durably, before the key is believed."""
        payload = {"address": shown.address, "kind": shown.kind, "shown": shown.fingerprint}
        await self._record(EventKind.HOSTKEY_ACCEPTED, payload)

    def lost(self, error: Exception | None) -> None:
        """The session ends with its target."""
        self._session.target_lost(messages.printable(str(error)) if error else "")

    def unknown_request(self, place: str, name: str) -> None:
        """A request that nobody knows was refused."""
        self._note(f"{place} request {name}")

    def refused_open(self, kind: str, reason: str) -> None:
        """A channel that nobody asked the target for was refused."""
        self._note(f"channel {kind or reason}")

    def callback_fault(self, error: BaseException) -> None:
        """One channel failed by our fault; it is closed."""
        self._note(f"channel failed: {type(error).__name__}")

    def agent_opened(self) -> Awaitable[StreamEnd] | None:
        """Something on the target wants the agent: of this session, if it asked for that."""
        return self._session.agent() if self._session.agent is not None else None

    def _note(self, what: str) -> None:
        self._noted += 1
        if self._noted <= _MOST_NOTES:
            payload: dict[str, Any] = {"what": messages.printable(what, 100)}
            self._session.note(EventKind.TARGET_FAULT, payload)
