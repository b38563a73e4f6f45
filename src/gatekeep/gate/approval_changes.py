"""One change of one request at a time, in store, journal and memory alike.

What the store has kept counts as soon as its event is durable, also where whoever made the change
was told that it could not be recorded. Which change may be made is the desk's affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_ports import ApprovalStore, Ending, Listener
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import Enough, GrantFor

_log = structlog.get_logger(__name__)

OnEscalated = Callable[[ApprovalRequest, Sequence[str]], None]

_DECIDED: Final = frozenset({RequestState.APPROVED, RequestState.DENIED})


class Pending:
    """A request that is pending, with who waits for it. Changed by whoever holds its lock.

    `unsure`: a change was begun that may stand in the store alone. `announced`: doors know of it.
    """

    __slots__ = (
        "announced", "ended", "enough", "grant_for", "lock", "on_escalated", "request", "unsure",
    )  # fmt: skip

    def __init__(self, request: ApprovalRequest, enough: Enough, grant_for: GrantFor) -> None:
        self.request = request
        self.enough = enough
        self.grant_for = grant_for
        self.lock = asyncio.Lock()
        self.on_escalated: OnEscalated | None = None
        self.ended: asyncio.Future[ApprovalRequest] = asyncio.get_running_loop().create_future()
        self.announced = False
        self.unsure = False


class Changes:
    """Makes them. `pending` are the desk's open requests, `listeners` whom it tells.

    `on_grant` hears of each grant that an approval has made.
    """

    def __init__(
        self,
        record: ApprovalRecord,
        pending: dict[str, Pending],
        listeners: Sequence[Listener],
        on_grant: Callable[[Grant], None],
    ) -> None:
        self._record = record
        self._pending = pending
        self._listeners = listeners
        self._on_grant = on_grant

    async def vote(self, pending: Pending, vote: Vote) -> bool:
        """One more vote that decides nothing; false when the store says that it cannot count."""
        request_id, event = pending.request.id, told.voted(pending.request, vote)
        if not await self._made(
            pending, lambda store: store.add_vote(request_id, vote, event), takes=False
        ):
            return False
        self._voted(pending, vote)
        return True

    async def escalate(self, pending: Pending, groups: list[str]) -> None:
        """Ask these groups as well."""
        request_id, event = pending.request.id, told.escalated(pending.request, groups)
        asked = [*pending.request.escalated, *groups]
        if not await self._made(
            pending, lambda store: store.escalate(request_id, asked, event), takes=False
        ):
            return
        pending.request = replace(pending.request, escalated=tuple(asked))
        if pending.on_escalated is not None:
            pending.on_escalated(pending.request, groups)
        self.tell("escalated", pending.request)

    async def end(
        self,
        pending: Pending,
        ending: Ending,
        vote: Vote | None = None,
        grant: Grant | None = None,
    ) -> bool:
        """Leave `pending`, once, by this vote; whoever waits hears of it when the event is durable.

        False when the store says that somebody was first.
        """
        request = pending.request
        events = [] if vote is None else [told.voted(request, vote)]
        events.append(told.ended(request, ending))
        if grant is not None:
            events.append(told.grant_made(grant))
        if not await self._made(
            pending,
            lambda store: store.end_request(request.id, ending, events, vote, grant),
            takes=ending.state is not RequestState.APPROVED,
        ):
            return False
        kept = await self.as_kept(request.id)
        if vote is not None:
            self._voted(pending, vote)
        self._over(pending, kept, [] if grant is None else [grant])
        return True

    async def catch_up(self, pending: Pending) -> None:
        """After a change that failed or was cut off: what the store kept of it counts from now on.

        Raises JournalUnavailable while that cannot be told.
        """
        if not pending.unsure:
            return
        await self._record.tell()
        kept = await self.as_kept(pending.request.id)
        pending.unsure = False
        if kept.state is RequestState.PENDING:
            now = pending.request
            pending.request = replace(kept, sight=now.sight, why=now.why)
            return
        found = await self._record.read(lambda store: store.grants(principal=kept.place.principal))
        made = [one for one in found if one.request == kept.id and not one.revoked_us]
        self._over(pending, kept, made)

    async def settled(self) -> list[ApprovalRequest]:
        """Tell the journal all that it is owed; what was held and is approved by that alone."""
        owed = await self._record.owed(EventKind.APPROVAL_DECIDED)
        await self._record.tell()
        kept = [await self.as_kept(one) for one in owed]
        return [one for one in kept if one.place.session and one.state is RequestState.APPROVED]

    async def as_kept(self, request_id: str) -> ApprovalRequest:
        """As it stands in the store. Raises KeyError."""
        found = await self._record.read(lambda store: store.request(request_id))
        if found is None:
            raise KeyError(request_id)
        return found

    def tell(self, what: str, request: ApprovalRequest) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            try:
                listener(what, request)
            except Exception as error:  # noqa: BLE001 - who cannot be told must not keep the others
                _log.error("a listener failed", what=what, error=repr(error))

    async def _made(
        self, pending: Pending, change: Callable[[ApprovalStore], bool], *, takes: bool
    ) -> bool:
        """Whether the store made the change; if not, memory is as the store is, afterwards."""
        pending.unsure = True
        if await self._record.change(change, takes=takes):
            pending.unsure = False
            return True
        await self.catch_up(pending)
        return False

    def _voted(self, pending: Pending, vote: Vote) -> None:
        pending.request = replace(pending.request, votes=(*pending.request.votes, vote))
        self.tell("voted", pending.request)

    def _over(self, pending: Pending, kept: ApprovalRequest, made: Sequence[Grant]) -> None:
        pending.request = kept
        self._pending.pop(kept.id, None)
        for grant in made:
            self._on_grant(replace(grant, settled=True))
        if not pending.ended.done():
            pending.ended.set_result(kept)
        self.tell("decided" if kept.state in _DECIDED else kept.state.value, kept)
