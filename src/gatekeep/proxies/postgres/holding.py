"""A segment that waits for a person, on the client's live connection: told by NOTICE, kept awake.

Implements gate.hold_ports.Hold. What is decided, and whether it still fits, is the gate's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import structlog

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.grants import Slot
from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import SessionVector
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.sight_ports import Sights
from gatekeep.gate.supervision import LiveSession
from gatekeep.messages import WireMessage, approvals, context_line, sight
from gatekeep.protocols.postgres import conversation as talk
from gatekeep.protocols.postgres.rereading import READ_AS
from gatekeep.protocols.sql.slots import slots_of
from gatekeep.proxies.postgres.effects import turns, turns_what_follows
from gatekeep.proxies.postgres.knowledge import Knowledge, canonical
from gatekeep.proxies.postgres.likeness import likeness_of
from gatekeep.proxies.postgres.prepared import Read
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.target import TargetLink

_log = structlog.get_logger(__name__)

AWAKE_S: Final = 1.0
"""How often a target is spoken to, so that no idle time-out of its own ends the session."""

_US: Final = 1_000_000
_NULL: Final = b"\xff" * 8
_VECTOR: Final = tuple(field.name for field in fields(SessionVector))
_WIDE: Final = frozenset({"absent", "tautology"})


@dataclass(frozen=True, slots=True)
class Wires:
    """Both ends of the session. `system` says which target this is, beyond its name.

    `pid` is the session's process there, 0 where it is not known. `read_as` is how the target read
    values (READ_AS) when the session began; None where its client chose that, or any other setting
    that may turn what statements do.
    """

    client: WireEnd
    target: WireEnd
    system: str
    pid: int = 0
    read_as: Mapping[str, str] | None = None


def wires(
    client: WireEnd, link: TargetLink, view: CatalogueView | None, chosen: Collection[str]
) -> Wires:
    """The wires of a session whose client chose these settings as it connected.

    Which target it is: its own identifier, if its catalogue was read; where it was reached; and
    the certificate that it showed there.
    """
    shown = link.tls.peer_certificate if link.tls is not None else b""
    certificate = f" certificate {hashlib.sha256(shown).hexdigest()}" if shown else ""
    system = view.system_identifier if view is not None else ""
    at = f"{link.dial.host}:{link.dial.port} system {system or 'unknown'}{certificate}"
    own = {} if turns(chosen) else {name: link.parameters.get(name, "") for name in READ_AS}
    pid = link.key.pid if link.key else 0
    return Wires(client, link.wire, at, pid, own if len(own) == len(READ_AS) else None)


class PostgresHold:
    """One segment that may have to wait.

    `link_to(id)` is the address of a request's page, `sights` finds out what it would touch.
    """

    def __init__(
        self,
        live: LiveSession,
        wires: Wires,
        conversation: talk.Conversation,
        knowledge: Knowledge,
        segment: talk.Segment,
        actions: Sequence[SqlAction],
    ) -> None:
        self._live = live
        self._wires = wires
        self._talk = conversation
        self._knowledge = knowledge
        self._segment = segment
        self._actions = actions
        self._loop = asyncio.get_running_loop()
        self._departed: asyncio.Future[Departure] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self.answered: asyncio.Future[None] = self._loop.create_future()
        """Resolved by the session once the gate has answered, whatever it said."""
        self.link_to: Callable[[str], str] = _nowhere
        self.sights: Sights | None = None
        self.request = ""
        """The id of the request while it waits; else empty."""
        self.read_as: Sequence[Read] = ()
        """What the segment was read as when it was asked about."""
        self._means_the_same = True

    # what the session tells

    def depart(self, why: Departure) -> None:
        """Nobody wants it any more; the first reason counts."""
        if not self._departed.done():
            self._departed.set_result(why)

    @property
    def cancelled(self) -> bool:
        """Whether the client has taken it back."""
        return self._departed.done() and self._departed.result() is Departure.CANCELLED

    # what the gate asks

    @property
    def departed(self) -> asyncio.Future[Departure]:
        """Resolved once the client has cancelled or left, the target has gone, or we stop."""
        return self._departed

    @property
    def in_transaction(self) -> bool:
        """Whether the client holds a transaction open on the target, with or without a BEGIN.

        What was only parsed in a pipeline keeps nobody waiting but who changes the schema.
        """
        talked = self._talk
        return talked.transaction_status != "I" or (talked.in_transaction and self._knowledge.ran)

    def binding(self, positions: Sequence[int]) -> Sequence[tuple[str, str]]:
        """What the approval is bound to, now; first what says most of why another field changed."""
        return (
            *self.around().items(),
            ("transaction", self._transaction()),
            ("target identity", self._wires.system),
            ("meaning", "as it was read" if self._means_the_same else "another"),
            *((f"statement {at + 1}", self._exact(at)) for at in positions),
        )

    async def read_anew(self) -> None:
        """Read the segment again: a catalogue is known for 60 s, and people take longer."""
        if self.read_as:
            again = await self._knowledge.read_again(self._talk, self._segment)
            self._means_the_same = again == [reading.facts for _one, _under, reading in self.read_as]

    def slots(self) -> Sequence[Slot]:
        """The values of a single statement's template."""
        if len(self._actions) != 1:
            return ()
        return slots_of(self._actions[0].text, self._actions[0].parameters)

    def around(self) -> Mapping[str, str]:
        """What decides how it is read: the session vector, and how values of time are written.

        While the vector is not known, what the target reports by itself still is.
        """
        vector, reported = self._talk.vector, self._talk.reported
        known = {
            name: str(getattr(vector, name)) if vector else reported.get(name, "unknown")
            for name in _VECTOR
        }
        return {**known, **{name: reported.get(name, "") for name in READ_AS}}

    def likenesses(self, positions: Sequence[int]) -> Sequence[Likeness | None]:
        """None where the session, or what is read in it, is not as the target's own are.

        A rule that was adopted says nothing of how a session reads: it holds for one that nobody has
        changed anything in, and that has no temporary objects. What stands in the same segment has
        not run yet, and counts.
        """
        if any(map(turns_what_follows, self._actions)):
            return [None] * len(positions)
        reported = {name: self._talk.reported.get(name, "") for name in READ_AS}
        if self._wires.read_as != reported or not self._knowledge.untouched(self._talk.vector):
            return [None] * len(positions)
        return [likeness_of(self._actions[at]) for at in positions]

    async def look(self) -> Mapping[str, object]:
        """What can be found out for the approver."""
        if self.sights is None or len(self._actions) != 1:
            return {}
        (action,) = self._actions
        try:
            standing = await self._knowledge.standing(self._talk, action, self._wires.pid)
        except Exception as error:  # noqa: BLE001 - what is shown beside a question never ends it
            _log.warning("no sight of what waits", error=repr(error))
            return {}
        return await self.sights.look(self._live.session, action, standing)

    def waiting(self, request: ApprovalRequest, deciders: Sequence[str]) -> None:
        """Tell the client, watch for its leaving, and keep the target awake."""
        self.request = request.id
        facts = request.subject.facts
        tables = facts.get("tables_written") or facts.get("tables_read") or ()
        where = next((one for one in facts.get("where", ()) if one in _WIDE), "")
        self._notice(
            approvals.waiting(
                approvals.Waiting(
                    request=request.id,
                    target=request.place.target,
                    approvers=request.why.approvers,
                    deciders=deciders,
                    what=approvals.headline(request.subject.verb, canonical(tables), where),
                    rule=request.why.rule,
                    open_s=(request.open_until_us - request.created_us) // _US,
                    estimate=sight.rows(request.sight),
                    link=self.link_to(request.id),
                    locked=self._knowledge.tables_touched if self.in_transaction else None,
                    context=self._context(request),
                )
            )
        )
        self._watch()

    def still_waiting(self, request: ApprovalRequest, left_s: int) -> None:
        """Another minute has passed."""
        self._notice(approvals.still_waiting(request.id, left_s, self._context(request)))

    def escalated(self, request: ApprovalRequest, groups: Sequence[str]) -> None:
        """These were asked, too."""
        self._notice(approvals.escalated(request.id, groups, self._context(request)))

    def approved(self, request: ApprovalRequest) -> None:
        """A person said yes."""
        persons = [vote.person for vote in request.approving]
        self._notice(approvals.approved(request.id, persons, self._context(request)))

    def over(self) -> None:
        """It waits no more."""
        self.request = ""
        self._wires.client.on_gone = self._wires.target.on_gone = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # inside

    def _watch(self) -> None:
        client, target = self._wires.client, self._wires.target
        client.on_gone, target.on_gone = self._client_left, self._target_left
        if target.ended:
            self._target_left()
        self._keep_awake()

    def _client_left(self) -> None:
        self.depart(Departure.CLIENT_LEFT)

    def _target_left(self) -> None:
        self.depart(Departure.TARGET_LEFT)

    def _keep_awake(self) -> None:
        """Speak to the target; and ask for a client that may have left behind what nobody reads."""
        if self._wires.client.has_left():
            self._client_left()
        self._wires.target.write(self._talk.keep_awake())
        self._timer = self._loop.call_later(AWAKE_S, self._keep_awake)

    def _notice(self, message: WireMessage) -> None:
        for turn in self._talk.inject_notice(message):
            if isinstance(turn, talk.Relay):
                self._wires.client.write(turn.data)

    def _context(self, request: ApprovalRequest) -> str:
        return context_line(
            request=request.id, rule=request.why.rule, policy=request.why.policy[:7],
            session=self._live.session.code,
        )  # fmt: skip

    def _transaction(self) -> str:
        status = self._talk.transaction_status
        if status == "I" and self.in_transaction:
            status = "pipeline"
        return self._knowledge.transaction(status)

    def _exact(self, at: int) -> str:
        """SHA-256 over everything that makes the execution what it is, each part with its length."""
        execution = self._segment.executions[at]
        parts: list[bytes | None] = [
            execution.mode.encode(),
            _bytes(execution.text),
            _bytes(execution.statement_name),
            _bytes(execution.portal_name),
            ",".join(map(str, execution.parameter_oids)).encode(),
            ",".join(map(str, execution.parameter_formats)).encode(),
            str(execution.call).encode(),
            str(len(execution.values)).encode(),
            *execution.values,
        ]
        for fact in self._actions[at].facts:
            behind = self._talk.source(fact.takes) if fact.takes is not None else None
            parts += (_bytes(fact.copy_target), None if behind is None else _bytes(behind))
        hashed = hashlib.sha256(b"gatekeep execution 1\0")
        for part in parts:
            hashed.update(_NULL if part is None else len(part).to_bytes(8, "big") + part)
        return hashed.hexdigest()


class Holds:
    """What one session holds: at most one segment at a time, `current`.

    `withdrawn` is the request that waited when the session was told to end, empty for none.
    """

    def __init__(
        self,
        live: LiveSession,
        wires: Wires,
        conversation: talk.Conversation,
        knowledge: Knowledge,
        link_to: Callable[[str], str],
        sights: Sights | None,
    ) -> None:
        self._made_of = (live, wires, conversation, knowledge)
        self._link_to = link_to
        self._sights = sights
        self.current: PostgresHold | None = None
        self.withdrawn = ""

    def begin(
        self,
        segment: talk.Segment,
        actions: Sequence[SqlAction],
        leaving: str,
        read_as: Sequence[Read] = (),
    ) -> PostgresHold:
        """The segment may have to wait; `leaving` is why the session is to end, if it is."""
        hold = PostgresHold(*self._made_of, segment, actions)
        hold.link_to, hold.sights, hold.read_as = self._link_to, self._sights, read_as
        self.current = hold
        if leaving:
            self.leave(leaving)
        return hold

    def cancel(self) -> bool:
        """The client takes back what waits; false if nothing does."""
        if self.current is None:
            return False
        self.current.depart(Departure.CANCELLED)
        return True

    @property
    def cancelled(self) -> bool:
        """Whether the client has taken back what the gate has just answered."""
        return self.current is not None and self.current.cancelled

    def leave(self, reason: str) -> None:
        """The session is to end for this reason: what waits is not wanted any more."""
        if self.current is not None:
            self.withdrawn = self.withdrawn or self.current.request
            self.current.depart(_departure_of(reason))

    def answered(self) -> None:
        """The gate has answered what was held, if anything was."""
        if self.current is not None:
            self.current.answered.set_result(None)
            self.current = None

    async def over(self, limit_s: float) -> None:
        """Wait until nothing is held any more, at most `limit_s` seconds."""
        if self.current is not None:
            await asyncio.wait({self.current.answered}, timeout=limit_s)


def _departure_of(reason: str) -> Departure:
    """Why a session that ends for this reason wants nothing any more."""
    known = {
        "client left": Departure.CLIENT_LEFT, "client fault": Departure.CLIENT_LEFT,
        "target left": Departure.TARGET_LEFT, "target fault": Departure.TARGET_LEFT,
        Departure.DRAINING.value: Departure.DRAINING,
    }  # fmt: skip
    return known.get(reason, Departure.ENDED)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _nowhere(_request: str) -> str:
    return ""
