"""What doors see of approvals: the desk, the grants, and who may look. Implements approval_ports.Approvals.

Gathers; every rule is in the rooms behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Principal
from gatekeep.domain.voting import objection_to
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_desk import ApprovalDesk
from gatekeep.gate.approval_ports import Ballot, Listener
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.approval_values import CastVote
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.ports import PolicyDesk
from gatekeep.gate.voters import Voters

READ_ALL = "audit.read"
REVOKE = "grant.revoke"


class ApprovalFront:
    """One object for all doors."""

    def __init__(
        self,
        desk: ApprovalDesk,
        record: ApprovalRecord,
        voters: Voters,
        grants: GrantBook,
        policy: PolicyDesk,
    ) -> None:
        self._desk = desk
        self._record = record
        self._voters = voters
        self._grants = grants
        self._policy = policy

    def listen(self, listener: Listener) -> None:
        """From now on tell this listener of every change."""
        self._desk.listen(listener)

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

    def _may(self, principal: Principal, verb: str) -> bool:
        return self._policy.judge_gateway(principal, verb).decision.verdict is Verdict.ALLOW
