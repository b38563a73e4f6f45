"""The ports of approvals: where requests and grants are kept, and what doors see of the desk.

Doors (Slack, web, command line, webhooks) use `Approvals` and nothing else; what may be decided is
the desk's affair, and no door can decide more than it lets them.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.approvals import (
    ApprovalRequest,
    RequestState,
    Scope,
    Vote,
    VoteVerdict,
)
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant, Slot
from gatekeep.domain.identity import Principal
from gatekeep.gate.ports import OutboxRow


@dataclass(frozen=True, slots=True)
class Told:
    """An event that a change owes the journal: its kind, and its payload as JSON."""

    kind: EventKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request leaves `pending`. `by` is a principal, empty where time or a fault ended it."""

    state: RequestState
    at_us: int
    by: str = ""
    reason: str = ""
    scope: Scope = Scope.ONCE


class ApprovalStore(Protocol):
    """Where requests and grants are kept. Each change is one transaction with its outbox rows.

    Every change raises JournalUnavailable when it cannot be kept, and then nothing changed. Used
    from one thread at a time.
    """

    def add_request(self, request: ApprovalRequest, told: Told) -> bool:
        """Keep a new request; false when its id was used before, and then nothing changed."""

    def add_vote(self, request_id: str, vote: Vote, told: Told) -> bool:
        """Keep a vote; false when the request is not pending, or this person has voted."""

    def escalate(self, request_id: str, groups: Sequence[str], told: Told) -> bool:
        """Ask these groups as well; false when the request is not pending."""

    def end_request(
        self, request_id: str, ending: Ending, told: Sequence[Told], grant: Grant | None = None
    ) -> bool:
        """Compare-and-set from `pending`; false when somebody was first, and nothing changed."""

    def note_outcome(self, request_id: str, outcome: str) -> None:
        """What became of an approved request."""

    def note_sight(self, request_id: str, sight: Mapping[str, object]) -> None:
        """What was found out for the approver."""

    def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whole."""

    def requests(
        self,
        *,
        state: RequestState | None = None,
        principal: str = "",
        template: str = "",
        target: str = "",
        text: str = "",
        limit: int = 100,
    ) -> Sequence[ApprovalRequest]:
        """Requests that fit, newest first."""

    def spend(self, grant_id: str, told: Told, *, once: bool = False) -> bool:
        """Count one use; false when the grant is revoked, or was used and is good for `once`."""

    def revoke_grant(self, grant_id: str, at_us: int, by: str, told: Told) -> bool:
        """Revoke at once; false when it was revoked before."""

    def grants(self, *, principal: str = "", live_at_us: int | None = None) -> Sequence[Grant]:
        """Grants, newest first; with a time only those that are live then."""

    def grant(self, grant_id: str) -> Grant | None:
        """One grant."""

    def pending(self) -> Sequence[OutboxRow]:
        """What the journal has not been told of approvals and grants yet, oldest first."""

    def settle(self, row_id: int) -> None:
        """Its event is durable: release the effect and clear the row."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """What somebody says on a request.

    `digest` must be the request's own (its first 12 digits or more): what was not shown cannot be
    approved. `via` is the door. `mfa`: a second factor was shown for this very ballot. `freed`
    names slots of the template that may hold other values. `for_s` is how long a grant lasts.
    """

    verdict: VoteVerdict
    digest: str
    via: str
    reason: str = ""
    mfa: bool = False
    scope: Scope = Scope.ONCE
    freed: tuple[int, ...] = ()
    for_s: int = 0


class Departure(enum.StrEnum):
    """Why what is held is not wanted any more. Its request is withdrawn, and nothing goes out."""

    CANCELLED = "cancelled"
    CLIENT_LEFT = "client left"
    TARGET_LEFT = "target left"
    DRAINING = "gateway stopped"
    ENDED = "session ended"


class Hold(Protocol):
    """What a proxy offers for one submission that may have to wait; made anew for each.

    `clear` and `clear_command` of the gate take it. Nothing of it may wait or raise. `departed`
    resolves when nobody wants the action any more; the gate then withdraws the request and
    refuses the action. `in_transaction`: the client holds a transaction open on the target.
    """

    @property
    def departed(self) -> asyncio.Future[Departure]:
        """Resolved once the client has cancelled or left, the target has gone, or we stop."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open that may hold locks: it may wait for a short time only."""

    def binding(self, positions: Sequence[int]) -> Sequence[tuple[str, str]]:
        """What the approval of these actions (their places in the submission) is bound to, now.

        Named fields in a fixed order: the exact bytes of each action as SHA-256, and everything
        about the session that decides what they mean. Asked at the question and again at release:
        any field that differs voids the approval.
        """

    def slots(self) -> Sequence[Slot]:
        """The values of a single statement's template, in order; none where there is no template."""

    def around(self) -> Mapping[str, str]:
        """What decides how it is read, by name; part of what a grant of a template is bound to."""

    async def look(self) -> Mapping[str, object]:
        """What can be found out for the approver without running anything; never raises."""

    def waiting(self, request: ApprovalRequest, deciders: Sequence[str]) -> None:
        """It waits for a person from now on: tell the client."""

    def still_waiting(self, request: ApprovalRequest, left_s: int) -> None:
        """Another minute has passed."""

    def escalated(self, request: ApprovalRequest, groups: Sequence[str]) -> None:
        """These were asked, too."""

    def approved(self, request: ApprovalRequest) -> None:
        """A person said yes: it is about to go out."""

    def over(self) -> None:
        """It waits no more, whatever has come of it."""


class Cast(Protocol):
    """What became of a ballot."""

    @property
    def request(self) -> ApprovalRequest:
        """The request as it stands now."""

    @property
    def counted(self) -> bool:
        """Whether the ballot counts. If not, nothing changed."""

    @property
    def refusal(self) -> str:
        """Why it does not count, as one word for programs: `late`, `own` or `outsider`."""

    @property
    def words(self) -> str:
        """One polite sentence for who cast it."""


Listener = Callable[[str, ApprovalRequest], None]
"""Hears of every change that is durable: `(what, request)`.

`what` is requested, seen (the sight was found out), voted, escalated, decided (approved or
denied), expired, withdrawn, or outcome. Must return at once and never raise.
"""


class Approvals(Protocol):
    """The desk, as doors see it."""

    def listen(self, listener: Listener) -> None:
        """From now on tell this listener of every change."""

    async def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whatever has become of it; ids are matched without regard to case."""

    async def requests(
        self,
        *,
        state: RequestState | None = None,
        principal: str = "",
        template: str = "",
        target: str = "",
        text: str = "",
        limit: int = 100,
    ) -> Sequence[ApprovalRequest]:
        """Requests that fit, newest first."""

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        """The persons who may decide it, by name."""

    def asked_now(self, request: ApprovalRequest) -> Sequence[str]:
        """Of these, whom to tell: who is on call, or all where no schedule says."""

    def may_see(self, request: ApprovalRequest, principal: Principal) -> bool:
        """Whether this principal asked for it, may decide it, or may read all of them."""

    async def cast(self, request_id: str, voter: Principal, ballot: Ballot) -> Cast:
        """Take a ballot: at most one verdict for each request, ever.

        Raises KeyError for a request that does not exist, JournalUnavailable when it cannot be
        recorded; then it was not cast.
        """

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> Cast:
        """Take one's own request back. Raises as `cast` does."""

    async def grants(self, *, principal: str = "", live: bool = True) -> Sequence[Grant]:
        """Grants, newest first."""

    async def revoke(self, grant_id: str, by: Principal) -> Grant:
        """Revoke a grant at once: sessions that live by it end.

        Raises KeyError if there is none, NotPermitted if policy does not let `by`.
        """
