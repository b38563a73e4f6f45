"""One open SSH session: who is where, its way to the target, its channels and its record.

Dials the target once, when the first channel needs it. What a channel does lives in `channels`,
`tunnels` and the relays.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import asyncssh
import orjson
import structlog

from gatekeep import messages
from gatekeep.domain.commands import SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.errors import JournalUnavailable, TargetFault
from gatekeep.gate.admission import Leave
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.command_evidence import UNPERMITTED, unpermitted_payload
from gatekeep.gate.evidence import of_counters, session_fragment
from gatekeep.gate.permit import CommandRefusal, Permit
from gatekeep.gate.ports import Journal, PolicyDesk, TargetBook
from gatekeep.gate.supervision import LiveSession
from gatekeep.messages import shell as shell_words
from gatekeep.messages import ssh as words
from gatekeep.proxies.ssh.arrivals import Arrival
from gatekeep.proxies.ssh.bindings import Around, bound, target_key_of
from gatekeep.proxies.ssh.ends import StreamEnd
from gatekeep.proxies.ssh.holding import Held, Holds, Voice, departure_of
from gatekeep.proxies.ssh.likeness import likeness_of
from gatekeep.proxies.ssh.understanding import CommandReader
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

_log = structlog.get_logger(__name__)

_MOST_CHANNELS: Final = 256
_STOPPED: Final = "gateway stopped"

RecordFact = Callable[[EventKind, dict[str, Any]], Awaitable[None]]
OpenAgent = Callable[[], Awaitable[StreamEnd]]


class Connector(Protocol):
    """How a target is reached."""

    async def connect(self, session: SshSession) -> asyncssh.SSHClientConnection:
        """A connection with the session's account. Raises TargetFault, SettingsError."""


class Carrier(Protocol):
    """Who moves bytes, and counts them."""

    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Rooms:
    """What sessions need of the gateway; `draw(n)` gives random bytes.

    `lapse(arrival)`: why what somebody signed in by no longer holds; empty while it does.
    `link_to(request)` leads to an approval request; empty where there is no console. `leave` is
    what people granted ahead of time.
    """

    gate: Clearance
    journal: Journal
    policy: PolicyDesk
    targets: TargetBook
    connector: Connector
    clock: Clock
    draw: Callable[[int], bytes]
    reader: CommandReader
    on_gateway_fault: Callable[[BaseException], None]
    lapse: Callable[[Arrival], str]
    link_to: Callable[[str], str] = lambda _request: ""
    leave: Leave | None = None


class SshSession:
    """A session from its opening to its end. `over` is set once it is to end, with the reason."""

    def __init__(self, live: LiveSession, arrival: Arrival, rooms: Rooms, owner: TaskOwner) -> None:
        self.live = live
        self.arrival = arrival
        self.rooms = rooms
        self.owner = owner
        self.fragment = session_fragment(live.session)
        self.over = asyncio.Event()
        self.reason = ""
        self.holds = Holds()
        self.channels = 0
        self.listeners = 0
        self._lent: list[OpenAgent] = []
        self._numbers = 0
        self.draining = False
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed = False
        self._clearing = 0
        self._cleared = asyncio.Event()
        self._cleared.set()
        self._running: dict[int, tuple[Permit, int]] = {}
        self._dialling: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._farewells: set[Callable[[str], None]] = set()
        self._carriers: set[Carrier] = set()
        self._carried = 0
        self._seen = (0, 0)
        self._moved_ns = live.opened_ns

    # the target

    async def target(self) -> asyncssh.SSHClientConnection:
        """The connection to the target, made by whoever needs it first. Raises TargetFault."""
        if self.over.is_set():
            raise TargetFault("the session has ended", cause=self.reason)
        if self._dialling is None:
            self._dialling = self.owner.spawn(
                self.rooms.connector.connect(self), name="dial"
            )
            self._dialling.add_done_callback(_looked_at)
        return await asyncio.shield(self._dialling)

    @property
    def reached(self) -> asyncssh.SSHClientConnection | None:
        """The connection to the target, if there is one."""
        dialled = self._dialling
        if dialled is None or not dialled.done() or dialled.cancelled() or dialled.exception():
            return None
        return dialled.result()

    # the gate

    def still_admitted(self) -> bool:
        """Whether the session may still be open: asked again for each new channel."""
        if self.over.is_set() or self.rooms.lapse(self.arrival):
            return False
        verdict = self.rooms.policy.may_open(self.live.session).decision.verdict
        if verdict is Verdict.ASK and self.rooms.leave is not None:
            return self.rooms.leave.opened_by(self.live.session) is not None
        return verdict is Verdict.ALLOW

    async def clear(
        self, action: SshAction, *, ran: bool = False, hold: Callable[[], Held] | None = None
    ) -> Permit | CommandRefusal:
        """Judge and record one action. One whose event comes after the end never goes out.

        What policy asks about waits for a person where there is a `hold` for it (see `held`). What
        has `ran` unasked is told after the end, too.
        """
        if self.over.is_set() and not ran:
            return _ENDED
        waited: list[Held] = []
        offer = None if hold is None else partial(self._offered, hold, waited)
        self._clearing += 1
        self._cleared.clear()
        try:
            answer = await self.rooms.gate.clear_command(
                self.live, self.fragment, action, offer
            )
            if not ran and isinstance(answer, Permit) and (objection := self._late(waited)):
                self.settle(answer, Outcome(OutcomeKind.SKIPPED))
                return objection
            return answer
        finally:
            for held in waited:
                held.over()
            self._clearing -= 1
            if not self._clearing:
                self._cleared.set()

    def held(
        self,
        action: SshAction,
        around: Callable[[], Around],
        voice: Voice,
        *,
        shown: Callable[[], str] | None = None,
    ) -> Held:
        """What an action waits by. `around` and `shown`: see `bindings.bound`, as it is then."""
        host_key = target_key_of(self.live.session.target, self.reached)
        return Held(
            action,
            lambda: bound(action, around(), host_key(), shown=shown() if shown else None),
            voice,
            likeness=lambda: likeness_of(action, around()),
            link_to=self.rooms.link_to,
            on_fault=self.failed,
        )

    def _offered(self, hold: Callable[[], Held], waited: list[Held]) -> Held:
        self.holds.add(held := hold())
        waited.append(held)
        return held

    def _late(self, waited: Sequence[Held]) -> CommandRefusal | None:
        """Why something that was permitted does not go out all the same: too much has changed."""
        if self.over.is_set():
            return _ENDED
        if any(held.departed.done() for held in waited):
            return CommandRefusal(shell_words.withdrawn(), "withdrawn")
        if waited and not self.still_admitted():
            name = self.live.session.target.name
            return CommandRefusal((words.no_longer_admitted(name),), "not admitted")
        return None

    def goes_out(self, permit: Permit) -> None:
        """Its action is forwarded now."""
        self._running[permit.n] = (permit, self.rooms.clock.monotonic_ns())

    def settle(
        self, permit: Permit, outcome: Outcome, details: Mapping[str, Any] | None = None
    ) -> None:
        """How it ended, `details` beside; if that cannot be recorded, the session ends."""
        if self._closed:
            return  # its end is in the record, and with it that nobody knows how this one went
        begun = self._running.pop(permit.n, None)
        elapsed = 0 if begun is None else self.rooms.clock.monotonic_ns() - begun[1]
        try:
            shown = orjson.dumps(details, option=orjson.OPT_SORT_KEYS) if details else b""
            self.rooms.gate.settle(self.live, permit, outcome, elapsed // 1000, shown)
        except JournalUnavailable as error:
            self.failed(error)

    def note(self, kind: EventKind, payload: dict[str, Any]) -> None:
        """Record a fact beside actions, if it still can be recorded."""
        if self._closed:
            return
        try:
            self.rooms.journal.append(self.live.events, kind, orjson.dumps(payload))
        except JournalUnavailable as error:
            self.failed(error)

    def refuse(self, mode: str, text: str, cause: str) -> None:
        """Record that something was asked for which no rule could permit."""
        self.live.statements += 1
        self.live.refusals += 1
        payload = unpermitted_payload(mode, messages.printable(text), cause, self.fragment)
        try:
            self.rooms.journal.append(
                self.live.events, EventKind.ACTION_REFUSED, payload, decision=UNPERMITTED
            )
        except JournalUnavailable as error:
            self.failed(error)

    async def record_fact(self, kind: EventKind, payload: dict[str, Any]) -> None:
        """Record a fact and wait until it is durable. Raises JournalUnavailable."""
        await self.rooms.journal.append(self.live.events, kind, orjson.dumps(payload)).durable()

    def target_lost(self, why: str) -> None:
        """The target is gone, and with it everything that ran there."""
        if why:
            self.note(EventKind.TARGET_FAULT, {"what": why})
        self.end("target left", words.target_gone(self.live.session.target.name))

    # channels

    def enter(self) -> int | None:
        """A channel begins: its number, None when there are too many."""
        if self.channels >= _MOST_CHANNELS:
            return None
        self.channels += 1
        self._quiet.clear()
        self._numbers += 1
        return self._numbers

    def leave(self) -> None:
        """A channel has ended."""
        self.channels -= 1
        if not self.channels:
            self._quiet.set()
        if self.draining and not self.channels:
            self.end(_STOPPED, words.gateway_drains())

    # the client's agent

    @property
    def agent(self) -> OpenAgent | None:
        """Opens the client's agent for the target; None while no channel has it lent."""
        return self._lent[-1] if self._lent else None

    def lend(self, agent: OpenAgent | None) -> None:
        """A channel whose client offers its agent, where that was granted, tells the target so."""
        if agent is not None:
            self._lent.append(agent)

    def take_back(self, agent: OpenAgent | None) -> None:
        """That channel has ended."""
        if agent in self._lent:
            self._lent.remove(agent)

    async def quiet(self, limit_s: float) -> None:
        """Wait until no channel is open, at most `limit_s`: their outcomes are told first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), limit_s)

    @contextlib.contextmanager
    def carrying(self, relay: Carrier) -> Iterator[None]:
        """While inside, bytes that `relay` counts are the session's own."""
        self._carriers.add(relay)
        try:
            yield
        finally:
            self._carriers.discard(relay)
            self._carried += relay.bytes_in + relay.bytes_out

    def idle_ns(self) -> int:
        """For how long no byte has gone either way, as seen by those who ask again and again."""
        now = self.rooms.clock.monotonic_ns()
        if self.holds:  # it is not the client who keeps us waiting
            self._moved_ns = now
        carried = self._carried + sum(one.bytes_in + one.bytes_out for one in self._carriers)
        if (carried, self._numbers) != self._seen:
            self._seen, self._moved_ns = (carried, self._numbers), now
        return now - self._moved_ns

    @contextlib.contextmanager
    def told(self, tell: Callable[[str], None]) -> Any:
        """While inside, `tell` gets the words of a session that is ended from outside."""
        self._farewells.add(tell)
        try:
            yield
        finally:
            self._farewells.discard(tell)

    # the end

    def failed(self, error: BaseException) -> None:
        """Something failed inside: the session ends, and the gateway hears of it."""
        _log.error("session failed", session=self.live.session.code, error=repr(error))
        self.rooms.on_gateway_fault(error)
        self.end("gateway fault" if not isinstance(error, JournalUnavailable) else "journal")

    def end(self, reason: str, words: str = "") -> None:
        """It is to end, for this reason (the first one counts); `words` go to its channels."""
        if self.over.is_set():
            return
        self.reason = reason
        self.over.set()
        self.holds.leave(departure_of(reason))
        for tell in list(self._farewells):
            try:
                tell(words)
            except Exception as error:  # noqa: BLE001 - whoever cannot be told must not keep it open
                _log.warning("no farewell", session=self.live.session.code, error=repr(error))

    def drain(self) -> None:
        """End as soon as no channel is open. What waits for a person waits no more."""
        self.draining = True
        self.holds.leave(Departure.DRAINING)
        if not self.channels:
            self.end(_STOPPED, words.gateway_drains())

    async def close(self) -> None:
        """Close what is open; what has no outcome is said to be unknown.

        Events that are on their way come first: none stands behind the end of its session.
        """
        await self._cleared.wait()
        self._closed = True
        for permit, _begun in self._running.values():
            self.rooms.gate.lost(permit.n)
            with contextlib.suppress(JournalUnavailable):
                self.rooms.journal.append(
                    self.live.events,
                    EventKind.ACTION_UNKNOWN,
                    orjson.dumps({"cause": self.reason, "of": permit.n}),
                    counters=of_counters(permit.n),
                )
        self._running.clear()
        connection = self.reached
        if connection is not None:
            connection.close()
        elif self._dialling is not None:
            self._dialling.cancel()


_ENDED: Final = CommandRefusal((messages.PREFIX + "this session has ended",), "ended")


def _looked_at(dialling: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
    """Whoever waited for it may be gone: its failure is no news then."""
    if not dialling.cancelled():
        dialling.exception()
