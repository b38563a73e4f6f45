"""The grants that are live: made by approvals, looked up before anybody is asked, revoked at once.

Kept in memory by principal, so that a statement that policy asks about finds its grant without a
look into the store. Policy has the last word on each use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from gatekeep.domain.approvals import ApprovalRequest, Scope, VoteVerdict
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.grants import Grant, Situation, template_bound
from gatekeep.domain.sessions import Session
from gatekeep.gate import approval_events as told
from gatekeep.gate.approval_ports import Ballot
from gatekeep.gate.approval_record import ApprovalRecord
from gatekeep.gate.ports import Judgement, PolicyDesk
from gatekeep.gate.supervision import Supervision
from gatekeep.gate.voters import Voters

_US: Final = 1_000_000
_SESSION_S: Final = 12 * 3600
LONGEST_S: Final = 8 * 3600
"""The longest that leave may last, in seconds."""
_USUAL_S: Final = 1800
_ID_BYTES: Final = 5
_OPENING_US: Final = 60 * _US
"""How long a session that was let in may take until it is one that can be ended."""


class GrantBook:
    """All live grants of one gateway. `now_us` never lets a stepped clock lengthen one."""

    def __init__(
        self,
        record: ApprovalRecord,
        voters: Voters,
        supervision: Supervision,
        policy: PolicyDesk,
        now_us: Callable[[], int],
        draw: Callable[[int], bytes],
    ) -> None:
        self._record = record
        self._voters = voters
        self._supervision = supervision
        self._policy = policy
        self._now_us = now_us
        self._draw = draw
        self._live: dict[str, dict[str, Grant]] = {}
        self._used_by: dict[str, set[str]] = {}
        self._to_end: dict[str, tuple[str, int]] = {}
        self._revoked: dict[str, int] = {}

    async def load(self) -> None:
        """After a start: what is live still."""
        now = self._now_us()
        for grant in await self._record.read(lambda store: store.grants()):
            if grant.settled and not grant.revoked_us and now < grant.ends_us:
                self.add(grant)

    def add(self, grant: Grant) -> None:
        """A grant whose event is durable counts from now on, unless it was revoked before that."""
        if grant.id in self._revoked:
            return
        self._live.setdefault(grant.principal, {})[grant.id] = grant

    def covering(self, now: Situation) -> Sequence[Grant]:
        """The grants that cover this, the narrowest first."""
        held = self._live.get(now.principal)
        if not held:
            return ()
        at = self._now_us()
        found = [one for one in held.values() if self._counts(one, at) and one.covers(now)]
        return sorted(found, key=lambda one: _NARROWEST.index(one.scope))

    def opening(self, principal: str, target: str, account: str) -> Sequence[Grant]:
        """Grants of access by which a session may be opened."""
        asked = Situation(principal, target, account, "", "", "", "")
        return [one for one in self.covering(asked) if one.scope is Scope.ACCESS]

    def opened_by(self, session: Session) -> Judgement | None:
        """The judgement that lets a session open by a live grant, which it then lives by."""
        name, target = session.principal.name, session.target.name
        for grant in self.opening(name, target, session.account):
            approval = grant.approval(self._now_us())
            judgement = self._policy.may_open_approved(session, approval)
            if judgement.decision.verdict is Verdict.ALLOW:
                self.lives_by(grant, session.id)
                return judgement
        return None

    async def spend(self, grant: Grant, session: str) -> bool:
        """Use it once more, durably; false when it counts no longer."""
        held = self._kept(grant)
        if held is None or not self._counts(held, self._now_us()):
            return False
        once = grant.scope is Scope.ONCE
        event = told.grant_spent(grant, session)
        if not await self._record.change(lambda store: store.spend(grant.id, event, once=once)):
            return False
        held = self._kept(grant)
        # Revoked or over while its use was recorded, or given by somebody who may no more.
        if held is None or not self._counts(held, self._now_us()):
            return False
        self._live[grant.principal][grant.id] = replace(held, used=held.used + 1)
        self.lives_by(grant, session)
        return True

    def lives_by(self, grant: Grant, session: str) -> None:
        """A session was opened, or went on, by this grant: it ends when the grant is revoked."""
        self._used_by.setdefault(grant.id, set()).add(session)

    async def grants(self, *, principal: str = "", live: bool = True) -> Sequence[Grant]:
        """Grants, newest first."""
        at = self._now_us() if live else None
        return await self._record.read(
            lambda store: store.grants(principal=principal, live_at_us=at)
        )

    async def grant(self, grant_id: str) -> Grant | None:
        """One grant, whatever has become of it."""
        return await self._record.read(lambda store: store.grant(grant_id))

    async def revoke(self, grant_id: str, by: str) -> Grant:
        """Revoke at once: it stops before the event is durable, because that only takes a right.

        Sessions that live by it end. Raises KeyError if there is none.
        """
        grant = await self.grant(grant_id)
        if grant is None:
            raise KeyError(grant_id)
        self._revoked[grant_id] = grant.ends_us
        self._live.get(grant.principal, {}).pop(grant_id, None)
        self._end_sessions(grant, "the grant it lived by was revoked")
        event, at = told.grant_revoked(grant, by), self._now_us()
        await self._record.change(
            lambda store: store.revoke_grant(grant_id, at, by, event), takes=True
        )
        return await self.grant(grant_id) or grant

    def tick(self) -> None:
        """Forget what has ended; sessions that were opened by it end, too."""
        now = self._now_us()
        for principal, held in list(self._live.items()):
            for grant in [one for one in held.values() if now >= one.ends_us]:
                del held[grant.id]
                if grant.scope is Scope.ACCESS:
                    self._end_sessions(grant, "the time it was granted for is over")
                self._used_by.pop(grant.id, None)
            if not held:
                del self._live[principal]
        for grant_id in [one for one, ends_us in self._revoked.items() if now >= ends_us]:
            del self._revoked[grant_id]
        for session, (why, until_us) in list(self._to_end.items()):
            if self._supervision.end(session, why) or now >= until_us:
                del self._to_end[session]

    def made_of(
        self, request: ApprovalRequest, ballot: Ballot, groups: frozenset[str], now: Situation
    ) -> Grant | None:
        """The grant that an approval makes; None where it lets go what waits, once."""
        held_in_place = bool(request.place.session)
        if ballot.scope is Scope.ONCE and held_in_place:
            return None
        at = self._now_us()
        starts = max(at, request.starts_us)
        lasts_s = min(ballot.for_s or request.grant_s or _USUAL_S, LONGEST_S)
        if ballot.scope is Scope.SESSION:
            lasts_s = _SESSION_S
        approving = [one for one in request.votes if one.verdict is VoteVerdict.APPROVE]
        return Grant(
            id=self.new_id(), request=request.id, scope=ballot.scope,
            kind="access" if ballot.scope is Scope.ACCESS else "grant",
            principal=request.place.principal, person=request.place.person,
            target=request.place.target, account=request.place.account, groups=groups,
            persons={one.person: one.groups for one in approving},
            made_us=at, starts_us=starts, ends_us=starts + int(lasts_s) * _US,
            session=request.place.session if ballot.scope is Scope.SESSION else "",
            mfa=all(one.mfa for one in approving), bound=_bound(ballot, now),
            shown=request.subject.text,
        )  # fmt: skip

    def _counts(self, grant: Grant, at_us: int) -> bool:
        return (
            grant.live_at(at_us)
            and self._voters.is_of(grant.principal, grant.person)
            and self._voters.still_count(grant.persons)
        )

    def _end_sessions(self, grant: Grant, why: str) -> None:
        for session in self._used_by.pop(grant.id, ()):
            if not self._supervision.end(session, why):  # over, or not quite open yet
                self._to_end[session] = (why, self._now_us() + _OPENING_US)

    def _kept(self, grant: Grant) -> Grant | None:
        return self._live.get(grant.principal, {}).get(grant.id)

    def new_id(self) -> str:
        """An id for a grant."""
        return "G-" + self._draw(_ID_BYTES).hex().upper()


_NARROWEST: Final = (Scope.ONCE, Scope.TEMPLATE, Scope.SESSION, Scope.ACCESS)


def _bound(ballot: Ballot, now: Situation) -> dict[str, str]:
    if ballot.scope is Scope.TEMPLATE:
        return template_bound(now, ballot.freed)
    if ballot.scope is Scope.SESSION:
        return {"rule": now.rule, "verb": now.verb}
    if ballot.scope is Scope.ONCE:
        return {"exact": now.exact, **{f"around {name}": text for name, text in now.around.items()}}
    return {}
