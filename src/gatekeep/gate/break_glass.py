"""Break-glass: leave that somebody takes at once, loudly, and that somebody else must look at.

Lifts what asks for approval, never what is forbidden outright: policy has the last word at each use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from gatekeep.domain.approvals import Scope
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.grants import Grant
from gatekeep.domain.identity import Principal
from gatekeep.domain.reviews import Review
from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.gate import approval_events as told
from gatekeep.gate.ahead import AheadDesk
from gatekeep.gate.approval_ports import Emergency, GlassListener
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.granting import GrantBook
from gatekeep.gate.ports import PolicyDesk
from gatekeep.messages import ahead as words

_log = structlog.get_logger(__name__)

BREAK_GLASS: Final = "breakglass"
CLOSE_REVIEW: Final = "review.close"
USUAL_S: Final = 1800
MOST_S: Final = 7200
_US: Final = 1_000_000

class BreakGlass:
    """Takes leave, and keeps what has to be looked at afterwards."""

    def __init__(
        self,
        record: ApprovalRecord,
        grants: GrantBook,
        policy: PolicyDesk,
        ahead: AheadDesk,
        now_us: Callable[[], int],
    ) -> None:
        self._record = record
        self._grants = grants
        self._policy = policy
        self._ahead = ahead
        self._now_us = now_us
        self._listeners: list[GlassListener] = []

    def listen(self, listener: GlassListener) -> None:
        """From now on tell this listener of each."""
        self._listeners.append(listener)

    async def take(self, by: Principal, emergency: Emergency) -> Grant:
        """Leave at once. Raises as `Approvals.break_glass` says."""
        if self._policy.judge_gateway(by, BREAK_GLASS).decision.verdict is not Verdict.ALLOW:
            raise NotPermitted(words.may_not(BREAK_GLASS))
        if not emergency.mfa:
            raise NotPermitted(words.needs_factor())
        if not emergency.reason.strip():
            raise NotPermitted(words.needs_reason())
        lasts_s = emergency.for_s or USUAL_S
        if lasts_s > MOST_S:
            raise NotPermitted(words.too_long(MOST_S))
        session = self._ahead.session(by, emergency.target, emergency.account)
        groups = self._policy.groups_around(session)
        if not groups:
            raise NotPermitted(words.nothing_to_lift(emergency.target))
        now = self._now_us()
        grant = Grant(
            id=self._grants.new_id(), request="", scope=Scope.ACCESS, kind="break_glass",
            principal=by.name, person=by.person, target=session.target.name,
            account=session.account, groups=groups, persons={}, made_us=now, starts_us=now,
            ends_us=now + lasts_s * _US, mfa=True, shown=emergency.reason, settled=True,
        )  # fmt: skip
        review = Review(
            f"R{grant.id[1:]}", grant.id, by.name, by.owner or by.person, grant.target, grant.account, now,
            reason=emergency.reason,
        )  # fmt: skip
        # Goes on where the caller leaves: nobody has leave that others did not hear of.
        taken = self._taken(grant, review, emergency)
        return await self._record.to_its_end(taken, name="break glass")

    async def _taken(self, grant: Grant, review: Review, emergency: Emergency) -> Grant:
        events = told.glass_broken(grant, review, emergency)
        try:
            await self._record.change(lambda store: store.add_grant(grant, review, events))
        except JournalUnavailable:
            # Should the store have it, it is revoked there before its events can make it count.
            at, event = self._now_us(), told.grant_revoked(grant, "")
            self._record.later(
                lambda store: store.revoke_grant(grant.id, at, "", event), name="take back"
            )
            raise
        self._grants.add(grant)
        for listener in self._listeners:
            try:
                listener(grant, emergency.reason)
            except Exception as error:  # noqa: BLE001 - who cannot be told must not keep the others
                _log.error("a listener failed", error=repr(error))
        return grant

    async def reviews(self, by: Principal, *, still_open: bool = True) -> Sequence[Review]:
        """What has to be looked at, as far as `by` may see it: his own, or all who may close them."""
        found = await self._record.read(lambda store: store.reviews(still_open=still_open))
        everybody = self._may_close(by)
        return [one for one in found if everybody or one.person in {by.person, by.owner}]

    async def close(self, review_id: str, by: Principal, finding: str) -> Review:
        """Somebody else has looked at it. Raises as `Approvals.close_review` says."""
        seen = {one.id: one for one in await self.reviews(by, still_open=False)}
        review = seen[review_id]
        if review.person in {by.person, by.owner}:
            raise NotPermitted(words.own_review())
        if not self._may_close(by):
            raise NotPermitted(words.may_not(CLOSE_REVIEW))
        if review.closed_us:
            return review
        if not finding.strip():
            raise NotPermitted(words.needs_reason())
        at, event = self._now_us(), told.review_closed(review, by.name, finding)
        await self._record.change(
            lambda store: store.close_review(review_id, at, by.name, finding, event)
        )
        again = await self._record.read(lambda store: store.reviews(still_open=False))
        return next(one for one in again if one.id == review_id)

    def _may_close(self, principal: Principal) -> bool:
        return self._policy.judge_gateway(principal, CLOSE_REVIEW).decision.verdict is Verdict.ALLOW
