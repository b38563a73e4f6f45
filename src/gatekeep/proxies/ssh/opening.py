"""From an arrival at the SSH door to an open session, and to its last event.

Admission, then a durable opening; the target is dialled only when a channel needs it. What happens
on channels lives in `channels` and `tunnels`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from gatekeep import messages
from gatekeep.domain.events import EventKind
from gatekeep.domain.sessions import Session
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.admission import Admission, Admitted, Asked
from gatekeep.gate.ports import EventStream
from gatekeep.gate.supervision import LiveSession, Supervision
from gatekeep.messages import WireMessage
from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.session import Rooms, SshSession
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)
_GRACE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Seconds, 0 for none: without a byte either way, and altogether."""

    idle_s: float = 0.0
    longest_s: float = 0.0


class SshSessions:
    """Opens and closes every session of the SSH door."""

    def __init__(
        self,
        admission: Admission,
        supervision: Supervision,
        rooms: Rooms,
        limits: SessionLimits | None = None,
    ) -> None:
        self._admission = admission
        self._limits = limits or SessionLimits()
        self._supervision = supervision
        self.rooms = rooms
        self.owner = TaskOwner("ssh sessions")
        self._draining = False
        self._running: set[SshSession] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self.opened = 0

    async def open(self, arrival: Arrival) -> SshSession | tuple[str, ...]:
        """The session, its opening durable, or the lines of the refusal; never raises."""
        if self._draining:
            return (words.gateway_drains(),)
        if self.rooms.lapse(arrival):
            await self.turned_away(arrival, "lapsed")
            return words.sign_in_lapsed()
        asked = Asked(
            arrival.principal, arrival.target, arrival.account, "", arrival.source,
            arrival.client, "ssh",
        )  # fmt: skip
        admitted = self._admission.admit(asked, self.rooms.draw(16).hex())
        if isinstance(admitted, WireMessage):
            await self.turned_away(arrival, "not admitted")
            return words.lines_of(admitted)
        if not self.rooms.journal.accepting:
            return words.cannot_record(self._incident("no room"))
        try:
            stream = await self._recorded(arrival, admitted)
        except JournalUnavailable as error:
            self.rooms.on_gateway_fault(error)
            return words.cannot_record(self._incident(error.cause or error.public))
        return self._begun(arrival, admitted.session, stream)

    async def close_session(self, session: SshSession, reason: str) -> None:
        """Its last events, once; `reason` counts unless it ended for another one before."""
        if session not in self._running:
            return
        self._running.discard(session)
        session.end(reason)
        await session.close()
        self._supervision.forget(session.live.session.id)
        elapsed = self.rooms.clock.monotonic_ns() - session.live.opened_ns
        payload = orjson.dumps({"duration_us": elapsed // 1000, "reason": session.reason})
        journal = self.rooms.journal
        with contextlib.suppress(JournalUnavailable):
            journal.append(session.live.events, EventKind.SESSION_CLOSED, payload)
        journal.close_stream(session.live.events)
        if not self._running:
            self._none_left.set()

    def running(self) -> list[SshSession]:
        """The sessions that run."""
        return list(self._running)

    def end_lapsed(self) -> None:
        """End the sessions that have outlived what they were opened by, or the limits of time."""
        now_ns, limits = self.rooms.clock.monotonic_ns(), self._limits
        for session in list(self._running):
            if lapse := self.rooms.lapse(session.arrival):
                session.live.end(lapse)
            elif limits.longest_s and now_ns - session.live.opened_ns > limits.longest_s * 1e9:
                session.live.end("it has lasted as long as sessions may")
            elif limits.idle_s and session.idle_ns() > limits.idle_s * 1e9:
                session.live.end("nothing was sent or received for too long")

    # the end of all

    def drain(self) -> None:
        """Let sessions without open channels end now; the others when their channels have.

        None begins any more, behind a jump host neither.
        """
        self._draining = True
        for session in list(self._running):
            session.drain()

    def stop_now(self, farewell: str) -> None:
        """End every session at once."""
        for session in list(self._running):
            session.end("gateway stopped", farewell)

    async def ended(self, limit_s: float) -> bool:
        """Wait until no session runs, at most `limit_s`; whether that is so."""
        try:
            await asyncio.wait_for(self._none_left.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Cancel what is left of ended sessions."""
        await self.owner.close(grace=_GRACE_S)

    # opening

    def _begun(self, arrival: Arrival, session: Session, stream: EventStream) -> SshSession:
        live = LiveSession(
            session, stream, self.rooms.clock.monotonic_ns(), end=lambda _reason: None,
            token=arrival.token_id if arrival.method.startswith("token") else "",
        )  # fmt: skip
        running = SshSession(live, arrival, self.rooms, self.owner)
        live.end = lambda reason: running.end(reason, words.session_ended(reason, live.ended_by))
        self._running.add(running)
        self._none_left.clear()
        self._supervision.register(live)
        self.opened += 1
        return running

    async def _recorded(self, arrival: Arrival, admitted: Admitted) -> EventStream:
        session = admitted.session
        journal = self.rooms.journal
        stream = journal.open_stream(
            session_id=session.id, subject=session.principal.person, target=session.target.name
        )
        payload = orjson.dumps(
            {
                "principal": session.principal.name,
                "person": session.principal.person,
                "groups": sorted(session.principal.groups),
                "account": session.account,
                "source": session.source,
                "application": messages.printable(arrival.client),
                "protocol": session.protocol,
                "method": arrival.method,
                "jumped": arrival.jumped,
                "token": arrival.token_id,
                "decision": orjson.Fragment(admitted.judgement.decision_json),
                "request": orjson.Fragment(admitted.judgement.request_json),
            }
        )
        pending = journal.append(
            stream, EventKind.SESSION_OPENED, payload, decision=admitted.judgement.envelope_json
        )
        await pending.durable()
        if (decision := admitted.judgement.decision).notify:
            self.rooms.gate.noticing.opened(session, decision, pending.n)
        return stream

    async def turned_away(self, arrival: Arrival, cause: str) -> None:
        """Record that somebody proven was not let on, and why."""
        payload = orjson.dumps(
            {
                "principal": arrival.principal.name,
                "source": arrival.source,
                "target": messages.printable(arrival.target, 63),
                "account": messages.printable(arrival.account, 63),
                "cause": cause,
            }
        )
        journal = self.rooms.journal
        with contextlib.suppress(JournalUnavailable):
            await journal.append(journal.system, EventKind.SESSION_REFUSED, payload).durable()

    def _incident(self, cause: str) -> str:
        incident = self.rooms.draw(3).hex().upper()
        _log.error("no new session: it cannot be recorded", incident=incident, cause=cause)
        return incident
