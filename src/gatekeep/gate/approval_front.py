"""What doors see of approvals: the desk, the grants, and who may look. Implements approval_ports.Approvals.

Gathers; every rule is in the rooms behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Principal
from gatekeep.domain.reviews import Review
from gatekeep.domain.voting import objection_to
from gatekeep.errors import NotPermitted
from gatekeep.gate.ahead import AheadDesk
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Ahead, Ballot, Emergency, GlassListener, Listener, StandIn
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import CastVote
from gatekeep.gate.break_glass import BreakGlass
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.ports import PolicyDesk
from gatekeep.gate.voters import Voters

READ_ALL = "audit.read"
REVOKE = "grant.revoke"


@dataclass(frozen=True, slots=True)
class Rooms:
    """What stands behind the front."""

    desk: ApprovalDesk
    record: ApprovalRecord
    voters: Voters
    grants: GrantBook
    policy: PolicyDesk
    ahead: AheadDesk
    glass: BreakGlass


class ApprovalFront:
    """One object for all doors."""

    def __init__(self, rooms: Rooms) -> None:
        self._desk = rooms.desk
        self._record = rooms.record
        self._voters = rooms.voters
        self._grants = rooms.grants
        self._policy = rooms.policy
        self._ahead = rooms.ahead
        self._glass = rooms.glass

    def listen(self, listener: Listener) -> None:
        """From now on tell this listener of every change."""
        self._desk.listen(listener)

    def listen_glass(self, listener: GlassListener) -> None:
        """From now on tell this listener of each break-glass."""
        self._glass.listen(listener)

    async def request(self, request_id: str) -> ApprovalRequest | None:
        """One request, whatever has become of it."""
        return await self._desk.request(request_id)

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
        """Requests that fit, newest first."""
        return await self._record.read(
            lambda store: store.requests(
                state=state, principal=principal, template=template, target=target, text=text,
                limit=limit, before=before,
            )
        )  # fmt: skip

    def deciders(self, request: ApprovalRequest) -> Sequence[str]:
        """The persons who may decide it, by name."""
        return self._voters.deciders(request)

    def asked_now(self, request: ApprovalRequest) -> Sequence[str]:
        """Of these, whom to tell."""
        return self._voters.asked_now(request)

    def may_see(self, request: ApprovalRequest, principal: Principal) -> bool:
        """Whether this principal asked for it, may decide it, or may read all of them."""
        return (
            request.place.person == principal.person
            or not objection_to(request, self._voters.voter(principal))
            or any(one.person == principal.person for one in request.votes)
            or self._may(principal, READ_ALL)
        )

    async def cast(self, request_id: str, voter: Principal, ballot: Ballot) -> CastVote:
        """Take a ballot."""
        return await self._desk.cast(request_id, voter, ballot)

    async def withdraw(self, request_id: str, by: Principal, cause: str) -> CastVote:
        """Take one's own request back."""
        return await self._desk.withdraw(request_id, by, cause)

    async def grants(self, *, principal: str = "", live: bool = True) -> Sequence[Grant]:
        """Grants, newest first."""
        return await self._grants.grants(principal=principal, live=live)

    async def revoke(self, grant_id: str, by: Principal) -> Grant:
        """Revoke a grant at once: its holder may, who gave it may, and whoever policy lets."""
        grant = await self._grants.grant(grant_id)
        if grant is None:
            raise KeyError(grant_id)
        near = by.person in grant.persons or by.person == grant.person
        if not near and not self._may(by, REVOKE):
            raise NotPermitted("policy does not let you revoke this grant")
        return await self._grants.revoke(grant_id, by.name)

    async def ask_ahead(self, by: Principal, ahead: Ahead) -> ApprovalRequest:
        """Ask for leave ahead of time."""
        return await self._ahead.ask(by, ahead)

    async def break_glass(self, by: Principal, emergency: Emergency) -> Grant:
        """Take leave at once, loudly."""
        return await self._glass.take(by, emergency)

    async def reviews(self, by: Principal, *, still_open: bool = True) -> Sequence[Review]:
        """What has to be looked at afterwards."""
        return await self._glass.reviews(by, still_open=still_open)

    async def close_review(self, review_id: str, by: Principal, finding: str) -> Review:
        """Somebody else has looked at it."""
        return await self._glass.close(review_id, by, finding)

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        """Let another vote in one's own place for a time."""
        return await self._voters.people.delegate(by, stand_in)

    async def end_delegation(self, delegation_id: str, by: Principal) -> Delegation:
        """End one at once."""
        may_end_any = self._may(by, REVOKE)
        return await self._voters.people.end_delegation(delegation_id, by, any_=may_end_any)

    async def delegations(self, by: Principal, *, live: bool = True) -> Sequence[Delegation]:
        """Those that `by` made or was given, or all for who may read all."""
        everybody = self._may(by, READ_ALL)
        return [
            one
            for one in self._voters.people.delegations(live=live)
            if everybody or by.person in (one.person, one.delegate_person)
        ]

    def on_call(self) -> Sequence[OnCall]:
        """Whom each group asks at this moment."""
        return self._voters.people.all_on_call()

    def _may(self, principal: Principal, verb: str) -> bool:
        return self._policy.judge_gateway(principal, verb).decision.verdict is Verdict.ALLOW
