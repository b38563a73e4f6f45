"""The desk where people decide: one verdict for each request, ever, by those who may.

Owns which change of a request's state may be made (the table stands in docs/approvals.md), and
`approval_changes` makes it. Doors only carry ballots here; what happens to a held action afterwards
is `holding`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from gatekeep.domain.approvals import (
    ID_ALPHABET,
    ID_DIGITS,
    Approval,
    ApprovalRequest,
    RequestState,
    Vote,
    VoteVerdict,
)
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_changes import Changes, OnEscalated, Pending
from gatekeep.gate.approval_ports import Ballot, Ending, Listener
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import CastVote, Enough, GrantFor, Limits, NewRequest, NotAsked
from gatekeep.gate.ballots import (
    agreed,
    approval_of,
    counts,
    groups_of,
    late,
    objection,
    refused,
    terms,
    voted,
)
from gatekeep.gate.fatigue import last_decided, same_again, too_soon, with_extra
from gatekeep.gate.voters import Voters
from gatekeep.messages import deciding

_log = structlog.get_logger(__name__)

_MOST_TRIES: Final = 64
_ALL: Final = 1_000_000
_RESTARTED: Final = "the gateway restarted"
_US: Final = 1_000_000


def _never(_approval: Approval) -> bool:
    return False


def _none(*_about: object) -> None:
    return None


class ApprovalDesk:
    """All requests of one gateway. Implements gate.approval_ports.Approvals but for grants.

    `now_us` never lets a stepped clock lengthen anything; `draw(n)` gives random bytes.
    `on_grant` hears of each grant that an approval has made.
    """

    def __init__(
        self,
        record: ApprovalRecord,
        voters: Voters,
        now_us: Callable[[], int],
        draw: Callable[[int], bytes],
        limits: Limits,
        on_grant: Callable[[Grant], None] = lambda _grant: None,
    ) -> None:
        self._record = record
        self._voters = voters
        self._now_us = now_us
        self._draw = draw
        self.limits = limits
        self._open: dict[str, Pending] = {}
        self._asking: dict[int, str] = {}
        self._listeners: list[Listener] = []
        self._changes = Changes(record, self._open, self._listeners, on_grant)

    # what doors ask

    def listen(self, listener: Listener) -> None:
        """From now on tell this listener of every change."""
        self._listeners.append(listener)

    async def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whatever has become of it; ids are matched without regard to case."""
        wanted = request_id.strip().upper()
        pending = self._open.get(wanted)
        if pending is not None:
            return pending.request
        return await self._record.read(lambda store: store.request(wanted))

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        """The persons who may decide it, by name."""
        return self._voters.deciders(request)

    # asking

    async def ask(
        self, wish: NewRequest, enough: Enough, grant_for: GrantFor
    ) -> ApprovalRequest | NotAsked:
        """Keep a new request, its event durable; nobody has been told of it (`announce` does).

        Raises JournalUnavailable; then nothing was asked.
        """
        # Counted from before the first wait on: two that are asked at once count each other.
        self._asking[id(wish)] = wish.place.person
        try:
            return await self._ask(wish, enough, grant_for)
        finally:
            self._asking.pop(id(wish), None)

    async def _ask(
        self, wish: NewRequest, enough: Enough, grant_for: GrantFor
    ) -> ApprovalRequest | NotAsked:
        now = self._now_us()
        last = await self._record.read(lambda store: last_decided(store, wish))
        not_yet = too_soon(last, self._open_of(wish.place.person), now, self.limits)
        if not_yet is not None:
            return not_yet
        open_s = self.limits.in_transaction_s if wish.in_transaction else self.limits.open_s
        request = ApprovalRequest(
            "", wish.place, wish.subject, with_extra(wish.why, last), wish.digest, now, now + int(open_s * _US),
            reason=wish.reason, in_transaction=wish.in_transaction, starts_us=wish.starts_us,
            grant_s=wish.grant_s, scope=wish.scope,
        )  # fmt: skip
        if not self._voters.deciders(request):
            return NotAsked("nobody")
        for attempt in range(_MOST_TRIES):
            named = replace(request, id=self._new_id(attempt))
            if named.id not in self._open and await self._kept(named, wish, enough, grant_for):
                return named
        raise JournalUnavailable("no id is free for a request")

    async def _kept(
        self, request: ApprovalRequest, wish: NewRequest, enough: Enough, grant_for: GrantFor
    ) -> bool:
        """Whether it is kept, its event durable; false where its id was used before."""
        event = told.requested(request)  # before it is open: what cannot be told is not asked
        pending = self._open[request.id] = Pending(request, enough, grant_for)
        self._asking.pop(id(wish), None)
        # Whoever finds it in the store already waits until who asks can wait for the end.
        async with pending.lock:
            try:
                kept = await self._record.change(lambda store: store.add_request(request, event))
            except BaseException:
                self._take_back(request)
                raise
            if not kept:
                self._open.pop(request.id, None)
            return kept

    def _take_back(self, request: ApprovalRequest) -> None:
        """Nobody waits for it, or ever did: should the store have it, it is closed there."""
        self._open.pop(request.id, None)
        ending = Ending(RequestState.WITHDRAWN, self._now_us(), "", "nobody waits for it")
        events = [told.ended(request, ending)]
        self._record.later(
            lambda store: store.end_request(request.id, ending, events), name="take back"
        )

    def _open_of(self, person: str) -> int:
        """How many requests this person has open, or is about to, without the one that asks."""
        kept = sum(one.request.place.person == person for one in self._open.values())
        return kept + sum(one == person for one in self._asking.values()) - 1

    def announce(self, request_id: str, sight: Mapping[str, object] | None = None) -> None:
        """Tell the doors of a new request, with what was found out about it so far."""
        pending = self._open.get(request_id)
        if pending is not None:
            pending.request = replace(pending.request, sight=dict(sight or {}))
            pending.announced = True
            self._changes.tell("requested", pending.request)

    async def see(self, request_id: str, sight: Mapping[str, object]) -> None:
        """Keep what was found out for the approver."""
        await self._record.read(lambda store: store.note_sight(request_id, sight))
        pending = self._open.get(request_id)
        if pending is not None and pending.request.sight != sight:
            pending.request = replace(pending.request, sight=dict(sight))
            if pending.announced:
                self._changes.tell("seen", pending.request)

    def ended(
        self, request_id: str, on_escalated: OnEscalated
    ) -> asyncio.Future[ApprovalRequest]:
        """Resolves with the request once it is decided, and its event durable. Raises KeyError.

        `on_escalated` hears meanwhile of groups that are asked as well.
        """
        pending = self._open[request_id]
        pending.on_escalated = on_escalated
        return pending.ended

    def _new_id(self, attempt: int) -> str:
        digits = ID_DIGITS + attempt // 8
        drawn = int.from_bytes(self._draw(digits), "big")
        return "".join(
            ID_ALPHABET[drawn // len(ID_ALPHABET) ** place % len(ID_ALPHABET)]
            for place in range(digits)
        )

    # deciding

    async def cast(self, request_id: str, voter: Principal, ballot: Ballot) -> CastVote:
        """Take a ballot: at most one verdict for each request, ever. Goes on where the caller leaves.

        Raises KeyError for a request that does not exist, JournalUnavailable when it cannot be
        recorded; then it counts only if it can be after all (docs/approvals.md).
        """
        request = await self.request(request_id)
        if request is None:
            raise KeyError(request_id)
        pending = self._open.get(request.id)
        if pending is None:
            if request.state is RequestState.PENDING:
                self._take_back(request)
            return late(request)
        return await self._record.to_its_end(self._cast(pending, voter, ballot), name="cast")

    async def _cast(self, pending: Pending, voter: Principal, ballot: Ballot) -> CastVote:
        async with pending.lock:
            if not await self._still_pending(pending):
                return late(pending.request)
            return await self._judged(pending, voter, ballot)

    async def _still_pending(self, pending: Pending) -> bool:
        """Whether it is, now that it is our turn: ends it if its time is over."""
        if self._is_open(pending):
            await self._changes.catch_up(pending)
        now = self._now_us()
        if self._is_open(pending) and now >= pending.request.open_until_us:
            await self._changes.end(pending, Ending(RequestState.EXPIRED, now))
        return self._is_open(pending)

    def _is_open(self, pending: Pending) -> bool:
        return self._open.get(pending.request.id) is pending

    async def _judged(self, pending: Pending, voter: Principal, ballot: Ballot) -> CastVote:
        request = pending.request
        ballot = terms(request, ballot, self.limits.grant_s)
        objected = objection(request, voter, ballot, self._voters)
        if objected is not None:
            return objected
        vote = self._vote(request, voter, ballot)
        if ballot.verdict is VoteVerdict.DENY:
            return await self._denied(pending, vote)
        groups = groups_of(request, (*request.votes, vote))
        if groups is not None:
            return await self._approved(pending, vote, ballot, groups)
        if not await self._changes.vote(pending, vote):
            return self._overtaken(pending)
        missing = deciding.still_needed(request.why.approvers, request.why.extra, request.why.denier)
        return counts(pending.request, deciding.counted(request.id, "approve", missing))

    def _vote(self, request: ApprovalRequest, voter: Principal, ballot: Ballot) -> Vote:
        seat = self._voters.seat(request, voter)
        return Vote(
            voter.name, voter.person, ballot.verdict, ballot.via, self._now_us(),
            reason=ballot.reason, groups=seat.groups, mfa=ballot.mfa, scope=ballot.scope,
            delegator=seat.delegator, freed=ballot.freed, for_s=ballot.for_s,
        )  # fmt: skip

    async def _denied(self, pending: Pending, vote: Vote) -> CastVote:
        ending = Ending(RequestState.DENIED, vote.at_us, vote.principal, vote.reason)
        if not await self._changes.end(pending, ending, vote):
            return self._overtaken(pending)
        # Who asked for the same more than once finds nobody else who agrees all the same.
        for other in self._open.values():
            if same_again(other.request, pending.request):
                why = with_extra(other.request.why, pending.request)
                other.request = replace(other.request, why=why)
        return counts(pending.request, deciding.decided(pending.request.id, "denied"))

    def _overtaken(self, pending: Pending) -> CastVote:
        """The store says that this vote cannot count: it was decided, or has this person's vote."""
        return voted(pending.request) if self._is_open(pending) else late(pending.request)

    async def _approved(
        self, pending: Pending, vote: Vote, ballot: Ballot, groups: frozenset[str]
    ) -> CastVote:
        """The last vote that was needed, if policy agrees at this moment."""
        request = pending.request
        with_it = replace(request, votes=(*request.votes, vote))
        approval = approval_of(with_it, groups, vote.at_us)
        if not pending.enough(approval):
            if pending.enough(replace(approval, mfa=True)):
                return refused(request, "mfa", deciding.needs_factor(request.id))
            ending = Ending(RequestState.WITHDRAWN, vote.at_us, "", "policy would not release it now")
            await self._changes.end(pending, ending)
            return refused(pending.request, "void", deciding.fits_no_more(request.id))
        together = agreed(ballot, with_it.approving)
        ending = Ending(
            RequestState.APPROVED, vote.at_us, vote.principal, vote.reason, together.scope
        )
        grant = pending.grant_for(with_it, together, groups)
        if not await self._changes.end(pending, ending, vote, grant):
            return self._overtaken(pending)
        narrowed = together.scope is not ballot.scope
        words = deciding.decided_once if narrowed else deciding.decided
        return counts(pending.request, words(request.id, "approved"))

    # ends

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> CastVote:
        """Take one's own request back. Raises as `cast` does."""
        request = await self.request(request_id)
        if request is None:
            raise KeyError(request_id)
        if by.person != request.place.person:
            return refused(request, "outsider", deciding.not_requester(request.id))
        withdrawn = await self.withdraw_held(request.id, cause, by.name)
        now = await self._changes.as_kept(request.id)
        return counts(now, deciding.decided(request.id, "withdrawn")) if withdrawn else late(now)

    async def withdraw_held(self, request_id: str, cause: str, by: str = "") -> bool:
        """Nobody wants it any more; false when it was decided before."""
        pending = self._open.get(request_id)
        if pending is None:
            return False
        return await self._record.to_its_end(self._withdrawn(pending, cause, by), name="withdraw")

    async def _withdrawn(self, pending: Pending, cause: str, by: str) -> bool:
        async with pending.lock:
            if not await self._still_pending(pending):
                return False
            ending = Ending(RequestState.WITHDRAWN, self._now_us(), by, cause)
            return await self._changes.end(pending, ending)

    async def tick(self) -> None:
        """Close what nobody answered in time, and ask others as well; called again and again.

        What cannot be recorded is tried again the next time; it keeps nothing else waiting.
        """
        for pending in list(self._open.values()):
            if pending.lock.locked():
                continue
            try:
                async with pending.lock:
                    if await self._still_pending(pending):
                        await self._escalate_if_due(pending)
            except Exception as error:  # noqa: BLE001 - one request must not keep the others open
                _log.error("a request is stuck", request=pending.request.id, error=repr(error))
        try:
            await self._record.catch_up()
        except JournalUnavailable as error:
            _log.warning("the journal is owed events of approvals", error=repr(error))

    async def _escalate_if_due(self, pending: Pending) -> None:
        waited_s = (self._now_us() - pending.request.created_us) // _US
        groups = self._voters.asked_as_well(pending.request, waited_s)
        if groups:
            await self._changes.escalate(pending, groups)

    async def outcome(self, request_id: str, outcome: str) -> None:
        """What became of an approved request, for those who look at it."""
        await self._record.read(lambda store: store.note_outcome(request_id, outcome))
        self._changes.tell("outcome", await self._changes.as_kept(request_id))

    async def recover(self) -> None:
        """After a start: whoever waited in place is gone, so nobody shall approve it any more.

        What was asked ahead of time waits on; see `adopt`. A yes that only this start tells let
        nothing out.
        """
        for cut_off in await self._changes.settled():
            await self.outcome(cut_off.id, f"void: {_RESTARTED}")
        for request in await self._record.read(
            lambda store: store.requests(state=RequestState.PENDING, limit=_ALL)
        ):
            if request.place.session:
                pending = self._open[request.id] = Pending(request, _never, _none)
                ending = Ending(RequestState.WITHDRAWN, self._now_us(), "", _RESTARTED)
                await self._changes.end(pending, ending)

    async def adopt(self, request: ApprovalRequest, enough: Enough, grant_for: GrantFor) -> None:
        """A request ahead of time that was kept waits on in this process."""
        place, template = request.place, request.subject.template
        last = await self._record.read(
            lambda store: store.last_decided(place.person, place.target, template)
        )
        if last is not None and last.decided_us >= request.created_us:
            request = replace(request, why=with_extra(request.why, last))
        pending = self._open[request.id] = Pending(request, enough, grant_for)
        pending.announced = True
