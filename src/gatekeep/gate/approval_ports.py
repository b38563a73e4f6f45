"""The ports of approvals: where requests and grants are kept, and what doors see of the desk.

Doors (Slack, web, command line, webhooks) use `Approvals` and nothing else; what may be decided is
the desk's affair, and no door can decide more than it lets them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.approvals import (
    ApprovalRequest,
    RequestKind,
    RequestState,
    Scope,
    Vote,
    VoteVerdict,
)
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.events import EventKind
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Principal
from gatekeep.domain.reviews import Review
from gatekeep.gate.ports import OutboxRow

APPROVAL_KINDS = ("approval.", "grant.", "breakglass.", "review.")
"""How the kinds of events begin that are about approvals."""


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
        self,
        request_id: str,
        ending: Ending,
        told: Sequence[Told],
        vote: Vote | None = None,
        grant: Grant | None = None,
    ) -> bool:
        """Compare-and-set from `pending`, with the vote that decides and the grant that it makes.

        False when somebody was first, or this person has voted; then nothing changed.
        """

    def add_grant(self, grant: Grant, review: Review, told: Sequence[Told]) -> None:
        """Keep leave that somebody took, with its review."""

    def close_review(self, review_id: str, at_us: int, by: str, finding: str, told: Told) -> bool:
        """Somebody has looked at it; false when it was closed before."""

    def reviews(self, *, still_open: bool) -> Sequence[Review]:
        """What has to be looked at, or all of it, newest first."""

    def note_outcome(self, request_id: str, outcome: str) -> None:
        """What became of an approved request."""

    def note_sight(self, request_id: str, sight: Mapping[str, object]) -> None:
        """What was found out for the approver."""

    def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whole."""

    def requests(  # noqa: PLR0913 - one for each filter
        self,
        *,
        state: RequestState | None = None,
        principal: str = "",
        template: str = "",
        target: str = "",
        text: str = "",
        limit: int = 100,
        before: str = "",
    ) -> Sequence[ApprovalRequest]:
        """Requests that fit, newest first; with `before`, a request's id, those older than it."""

    def last_decided(self, person: str, target: str, template: str) -> ApprovalRequest | None:
        """Of this person's requests for the same the one that was approved or denied last."""

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


@dataclass(frozen=True, slots=True)
class Ahead:
    """Leave that somebody asks for ahead of time.

    ACCESS asks for the target as this account: for whatever the approving groups may release
    there. STATEMENT and COMMAND ask for exactly `text`. `for_s` is how long the grant is to last,
    `starts_us` when it is to begin (microseconds UTC); 0 for the default, and for at once.
    `ticket` is kept with the facts of the request. `via` is the door.
    """

    kind: RequestKind
    target: str
    account: str
    text: str = ""
    reason: str = ""
    ticket: str = ""
    for_s: int = 0
    starts_us: int = 0
    via: str = ""


@dataclass(frozen=True, slots=True)
class Emergency:
    """Why somebody breaks the glass, and where. `mfa`: a second factor was shown for this.

    `for_s` is how long it is to last, 0 for the default. `via` is the door.
    """

    target: str
    account: str
    reason: str
    for_s: int = 0
    mfa: bool = False
    via: str = ""


@dataclass(frozen=True, slots=True)
class StandIn:
    """Whom somebody lets vote in his place: principal `to`, for `groups` (empty: all of his).

    From `starts_us` (0: at once) to `ends_us`, microseconds UTC.
    """

    to: str
    ends_us: int
    groups: frozenset[str] = frozenset()
    starts_us: int = 0
    reason: str = ""


class Departure(enum.StrEnum):
    """Why what is held is not wanted any more. Its request is withdrawn, and nothing goes out."""

    CANCELLED = "cancelled"
    CLIENT_LEFT = "client left"
    TARGET_LEFT = "target left"
    DRAINING = "gateway stopped"
    ENDED = "session ended"


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
        """Why it does not count, as one word for programs.

        `late`: it was decided before. `digest`: not what was shown. `voted`: this person has
        voted, or somebody in his place. `reason`: a denial needs one. `mfa`: it takes a second factor.
        `scope`: not offered. `void`: policy would not release it now. Else see `voting.objection_to`.
        """

    @property
    def words(self) -> str:
        """One polite sentence for who cast it."""


Listener = Callable[[str, ApprovalRequest], None]
"""Hears of every change that is durable: `(what, request)`.

`what` is requested, seen (the sight was found out), voted, escalated, decided (approved or
denied), expired, withdrawn, or outcome. Must return at once and never raise.
"""

GlassListener = Callable[[Grant, str], None]
"""Hears of leave that somebody took without being asked: the grant, and the reason given."""


class Approvals(Protocol):
    """The desk, as doors see it."""

    def listen(self, listener: Listener) -> None:
        """From now on tell this listener of every change."""

    def listen_glass(self, listener: GlassListener) -> None:
        """From now on tell this listener of each break-glass."""

    async def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whatever has become of it; ids are matched without regard to case."""

    async def requests(  # noqa: PLR0913 - one for each filter
        self,
        *,
        state: RequestState | None = None,
        principal: str = "",
        template: str = "",
        target: str = "",
        text: str = "",
        limit: int = 100,
        before: str = "",
    ) -> Sequence[ApprovalRequest]:
        """Requests that fit, newest first; with `before`, a request's id, those older than it."""

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        """The persons who may decide it, by name."""

    def asked_now(self, request: ApprovalRequest) -> Sequence[str]:
        """Of these, whom to tell: who is on call, or all where no schedule says."""

    def may_see(self, request: ApprovalRequest, principal: Principal) -> bool:
        """Whether this principal asked for it, may decide it, or may read all of them."""

    async def cast(self, request_id: str, voter: Principal, ballot: Ballot) -> Cast:
        """Take a ballot: at most one verdict for each request, ever.

        Raises KeyError for a request that does not exist, JournalUnavailable when it cannot be
        recorded; then it counts only if it can be after all.
        """

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> Cast:
        """Take one's own request back. Raises as `cast` does."""

    async def grants(self, *, principal: str = "", live: bool = True) -> Sequence[Grant]:
        """Grants, newest first."""

    async def revoke(self, grant_id: str, by: Principal) -> Grant:
        """Revoke a grant at once: sessions that live by it end.

        Raises KeyError if there is none, NotPermitted if policy does not let `by`.
        """

    async def ask_ahead(self, by: Principal, ahead: Ahead) -> ApprovalRequest:
        """Ask for leave ahead of time: a new request, open for the approvers.

        Raises NotPermitted in words for the asker: no such target or no right to it, nobody could
        release it, nothing to ask for, too many open. Raises ClientFault for a text that cannot
        be read, JournalUnavailable when it cannot be recorded; then it was not asked.
        """

    async def break_glass(self, by: Principal, emergency: Emergency) -> Grant:
        """Take leave at once, loudly: everybody concerned is told, and a review is opened.

        Raises NotPermitted (policy does not let `by`, or it takes a second factor) and
        JournalUnavailable; then there is no grant.
        """

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        """Let another vote in one's own place for a time.

        Raises KeyError for an unknown principal, NotPermitted (himself, a machine, a group that
        `by` is not in, a time that is over or too long), JournalUnavailable.
        """

    async def end_delegation(self, delegation_id: str, by: Principal) -> Delegation:
        """End one at once: either of the two may, and whoever policy lets.

        Raises KeyError if there is none that `by` may see, NotPermitted, JournalUnavailable.
        """

    async def delegations(self, by: Principal, *, live: bool = True) -> Sequence[Delegation]:
        """Those that `by` made or was given, or all for who may read all; newest first."""

    async def reviews(self, by: Principal, *, still_open: bool = True) -> Sequence[Review]:
        """What has to be looked at afterwards, as far as `by` may see it; newest first."""

    async def close_review(self, review_id: str, by: Principal, finding: str) -> Review:
        """Somebody else has looked at it. Closing twice changes nothing.

        Raises KeyError if there is none that `by` may see, NotPermitted (his own, or policy does
        not let him), JournalUnavailable.
        """

    def on_call(self) -> Sequence[OnCall]:
        """Whom each group asks at this moment, by group."""
