"""The desk where people decide: one verdict for each request, ever, by those who may.

Owns every change of a request's state (the table stands in docs/approvals.md). Doors only carry
ballots here; what happens to a held action afterwards is `holding`'s.
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
from gatekeep.gate.approval_ports import Ballot, Ending, Listener
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import CastVote, Enough, GrantFor, Limits, NewRequest, NotAsked
from gatekeep.gate.ballots import approval_of, groups_of, late, objection, refused
from gatekeep.gate.fatigue import last_decided, too_soon, with_extra
from gatekeep.gate.voters import Voters
from gatekeep.messages import deciding

_log = structlog.get_logger(__name__)

OnEscalated = Callable[[ApprovalRequest, Sequence[str]], None]

_MOST_TRIES: Final = 64
_ALL: Final = 1_000_000
_US: Final = 1_000_000

class _Open:
    """A request that is pending, with who waits for it."""

    __slots__ = ("ended", "enough", "grant_for", "lock", "on_escalated", "request")

    def __init__(self, request: ApprovalRequest, enough: Enough, grant_for: GrantFor) -> None:
        self.request = request
        self.enough = enough
        self.grant_for = grant_for
        self.lock = asyncio.Lock()
        self.on_escalated: OnEscalated | None = None
        self.ended: asyncio.Future[ApprovalRequest] = asyncio.get_running_loop().create_future()


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
        self._on_grant = on_grant
        self._open: dict[str, _Open] = {}
        self._asking: dict[int, str] = {}
        self._listeners: list[Listener] = []

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
            if named.id in self._open:
                continue  # another one's: it must not be touched
            event = told.requested(named)
            self._open[named.id] = _Open(named, enough, grant_for)
            self._asking.pop(id(wish), None)
            try:
                kept = await self._record.change(
                    lambda store, named=named, event=event: store.add_request(named, event)  # type: ignore[misc]  # mypy does not infer defaults
                )
            except BaseException:
                self._open.pop(named.id, None)
                raise
            if kept:
                return named
            self._open.pop(named.id, None)
        raise JournalUnavailable("no id is free for a request")

    def _open_of(self, person: str) -> int:
        """How many requests this person has open, or is about to, without the one that asks."""
        kept = sum(one.request.place.person == person for one in self._open.values())
        return kept + sum(one == person for one in self._asking.values()) - 1

    def announce(self, request_id: str, sight: Mapping[str, object] | None = None) -> None:
        """Tell the doors of a new request, with what was found out about it so far."""
        pending = self._open.get(request_id)
        if pending is not None:
            pending.request = replace(pending.request, sight=dict(sight or {}))
            self._tell("requested", pending.request)

    async def see(self, request_id: str, sight: Mapping[str, object]) -> None:
        """Keep what was found out for the approver."""
        await self._record.read(lambda store: store.note_sight(request_id, sight))
        pending = self._open.get(request_id)
        if pending is not None and pending.request.sight != sight:
            pending.request = replace(pending.request, sight=dict(sight))
            self._tell("seen", pending.request)

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
        """Take a ballot: at most one verdict for each request, ever.

        Raises KeyError for a request that does not exist, JournalUnavailable when it cannot be
        recorded; then it was not cast.
        """
        request = await self.request(request_id)
        if request is None:
            raise KeyError(request_id)
        pending = self._open.get(request.id)
        if pending is None:
            return late(request)
        async with pending.lock:
            if self._open.get(request.id) is not pending:
                return late(await self._as_kept(request.id))
            await self._expire_if_due(pending)
            if self._open.get(request.id) is not pending:
                return late(await self._as_kept(request.id))
            return await self._counted(pending, voter, ballot)

    async def _counted(self, pending: _Open, voter: Principal, ballot: Ballot) -> CastVote:
        request = pending.request
        if not request.place.session:  # leave ahead of time is what was asked, and nothing else
            ballot = replace(ballot, scope=request.scope)
        objected = objection(request, voter, ballot, self._voters)
        if objected is not None:
            return objected
        seat = self._voters.seat(request, voter)
        vote = Vote(
            voter.name, voter.person, ballot.verdict, ballot.via, self._now_us(),
            reason=ballot.reason, groups=seat.groups, mfa=ballot.mfa,
            scope=ballot.scope, delegator=seat.delegator,
        )  # fmt: skip
        if ballot.verdict is VoteVerdict.DENY:
            await self._vote(pending, vote)
            await self._end(pending, Ending(RequestState.DENIED, vote.at_us, voter.name, vote.reason))
            return self._cast(pending.request, deciding.decided(request.id, "denied"))
        groups = groups_of(request, (*request.votes, vote))
        if groups is None:
            await self._vote(pending, vote)
            missing = deciding.still_needed(request.why.approvers, request.why.extra, request.why.denier)
            return self._cast(pending.request, deciding.counted(request.id, "approve", missing))
        return await self._approved(pending, vote, ballot, groups)

    async def _approved(
        self, pending: _Open, vote: Vote, ballot: Ballot, groups: frozenset[str]
    ) -> CastVote:
        """The last vote that was needed, if policy agrees at this moment."""
        request = pending.request
        approval = approval_of(replace(request, votes=(*request.votes, vote)), groups, vote.at_us)
        if not pending.enough(approval):
            if pending.enough(replace(approval, mfa=True)):
                return refused(request, "mfa", deciding.needs_factor(request.id))
            ending = Ending(RequestState.WITHDRAWN, vote.at_us, "", "policy would not release it now")
            await self._end(pending, ending)
            return refused(pending.request, "void", deciding.fits_no_more(request.id))
        await self._vote(pending, vote)
        scope = ballot.scope
        ending = Ending(RequestState.APPROVED, vote.at_us, vote.principal, vote.reason, scope)
        grant = pending.grant_for(pending.request, ballot, groups)
        await self._end(pending, ending, grant)
        return self._cast(pending.request, deciding.decided(request.id, "approved"))

    # ends

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> CastVote:
        """Take one's own request back. Raises as `cast` does."""
        request = await self.request(request_id)
        if request is None:
            raise KeyError(request_id)
        if by.person != request.place.person:
            words = deciding.not_yours(request.id, "outsider", ())
            return refused(request, "outsider", words)
        if not await self.withdraw_held(request.id, cause, by.name):
            return late(await self._as_kept(request.id))
        return self._cast(await self._as_kept(request.id), deciding.decided(request.id, "withdrawn"))

    async def withdraw_held(self, request_id: str, cause: str, by: str = "") -> bool:
        """Nobody wants it any more; false when it was decided before."""
        pending = self._open.get(request_id)
        if pending is None:
            return False
        async with pending.lock:
            if self._open.get(request_id) is not pending:
                return False
            ending = Ending(RequestState.WITHDRAWN, self._now_us(), by, cause)
            return await self._end(pending, ending)

    async def tick(self) -> None:
        """Close what nobody answered in time, and ask others as well; called again and again."""
        for pending in list(self._open.values()):
            if pending.lock.locked():
                continue
            async with pending.lock:
                if self._open.get(pending.request.id) is pending:
                    await self._expire_if_due(pending)
                if self._open.get(pending.request.id) is pending:
                    await self._escalate_if_due(pending)

    async def _expire_if_due(self, pending: _Open) -> None:
        now = self._now_us()
        if now >= pending.request.open_until_us:
            await self._end(pending, Ending(RequestState.EXPIRED, now))

    async def _escalate_if_due(self, pending: _Open) -> None:
        request = pending.request
        waited_us = self._now_us() - request.created_us
        groups = sorted(
            {
                then[1]
                for one in request.why.approvers for group in one
                if (then := self._voters.people.escalation(group.partition(":")[0])) is not None
                and waited_us >= then[0] * _US and then[1] not in request.escalated
            }
        )  # fmt: skip
        if not groups:
            return
        asked = [*request.escalated, *groups]
        event = told.escalated(request, groups)
        if await self._record.change(lambda store: store.escalate(request.id, asked, event)):
            pending.request = replace(request, escalated=tuple(asked))
            if pending.on_escalated is not None:
                pending.on_escalated(pending.request, groups)
            self._tell("escalated", pending.request)

    async def outcome(self, request_id: str, outcome: str) -> None:
        """What became of an approved request, for those who look at it."""
        await self._record.read(lambda store: store.note_outcome(request_id, outcome))
        self._tell("outcome", await self._as_kept(request_id))

    async def recover(self) -> None:
        """After a start: whoever waited in place is gone, so nobody shall approve it any more.

        What was asked ahead of time waits on; `adopt` says how it may be released.
        """
        await self._record.tell()
        pending_before = await self._record.read(
            lambda store: store.requests(state=RequestState.PENDING, limit=_ALL)
        )
        for request in pending_before:
            if request.place.session:
                pending = self._open[request.id] = _Open(request, _never, _none)
                ending = Ending(RequestState.WITHDRAWN, self._now_us(), "", "the gateway restarted")
                await self._end(pending, ending)

    def adopt(self, request: ApprovalRequest, enough: Enough, grant_for: GrantFor) -> None:
        """A request ahead of time that was kept waits on in this process."""
        self._open[request.id] = _Open(request, enough, grant_for)

    # inside

    async def _vote(self, pending: _Open, vote: Vote) -> None:
        request = pending.request
        event = told.voted(request, vote)
        await self._record.change(lambda store: store.add_vote(request.id, vote, event))
        pending.request = replace(request, votes=(*request.votes, vote))
        self._tell("voted", pending.request)

    async def _end(self, pending: _Open, ending: Ending, grant: Grant | None = None) -> bool:
        """Leave `pending`, once; whoever waits hears of it when the event is durable."""
        request = pending.request
        events = [told.ended(request, ending)]
        if grant is not None:
            events.append(told.grant_made(grant))
        made = await self._record.change(
            lambda store: store.end_request(request.id, ending, events, grant)
        )
        pending.request = await self._as_kept(request.id)
        self._open.pop(request.id, None)
        if not pending.ended.done():
            pending.ended.set_result(pending.request)
        if made and grant is not None:
            self._on_grant(replace(grant, settled=True))
        if made:
            decided = ending.state in (RequestState.APPROVED, RequestState.DENIED)
            self._tell("decided" if decided else ending.state.value, pending.request)
        return made

    async def _as_kept(self, request_id: str) -> ApprovalRequest:
        found = await self._record.read(lambda store: store.request(request_id))
        if found is None:
            raise KeyError(request_id)
        return found

    def _cast(self, request: ApprovalRequest, words: str) -> CastVote:
        return CastVote(request, counted=True, refusal="", words=words)

    def _tell(self, what: str, request: ApprovalRequest) -> None:
        for listener in self._listeners:
            try:
                listener(what, request)
            except Exception as error:  # noqa: BLE001 - who cannot be told must not keep the others
                _log.error("a listener failed", what=what, error=repr(error))
