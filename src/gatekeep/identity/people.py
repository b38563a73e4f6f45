"""What is known about persons beside the directory of principals. Implements gate.voters.People.

Gathers delegations, memberships and the schedule; each has its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from gatekeep.domain.delegations import Delegation, OnCall
from gatekeep.domain.identity import Principal
from gatekeep.gate.approval_ports import StandIn
from gatekeep.identity.delegations import Delegations
from gatekeep.identity.memberships import Memberships
from gatekeep.identity.on_call import NO_SCHEDULE, Schedule


class PeopleBook:
    """One gateway's. `schedule` is swapped at each reload.

    `duty` answers who is on call for a group that a webhook answers for; None where it did not.
    """

    def __init__(
        self, delegations: Delegations, memberships: Memberships, now_us: Callable[[], int]
    ) -> None:
        self._delegations = delegations
        self.memberships = memberships
        self._now_us = now_us
        self.schedule: Schedule = NO_SCHEDULE
        self.duty: Callable[[str], frozenset[str] | None] = lambda _group: None

    def recovered(self) -> None:
        """After a start, once the journal has been told what it was owed."""
        self._delegations.read()

    def lent_to(self, person: str) -> Mapping[str, frozenset[str]]:
        """In whose place this person may vote now, and for which groups (none: for all)."""
        return self._delegations.lent_to(person)

    def delegates_of(self, person: str) -> frozenset[str]:
        """Who may vote now in this person's place."""
        return self._delegations.delegates_of(person)

    def added_by(self, person: str) -> Mapping[str, str]:
        """Groups that this person was put into during the last 24 h, with the person who did it."""
        return self.memberships.added_by(person)

    def on_call(self, group: str) -> frozenset[str] | None:
        """The persons on call for a group; None where no schedule says."""
        if group in self.schedule.hooks:
            return self.duty(group)
        return self.schedule.now(group, self._now_us())

    def escalation(self, group: str) -> tuple[int, str] | None:
        """After how many seconds without an answer which group is asked as well."""
        return self.schedule.escalation(group)

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        """Let another vote in `by`'s place."""
        return await self._delegations.delegate(by, stand_in)

    async def end_delegation(self, delegation_id: str, by: Principal, *, any_: bool) -> Delegation:
        """End one at once."""
        return await self._delegations.end(delegation_id, by, any_=any_)

    def delegations(self, *, live: bool) -> Sequence[Delegation]:
        """All of them, newest first, or those that are live."""
        return self._delegations.all(live=live)

    def all_on_call(self) -> Sequence[OnCall]:
        """Whom each group of the schedule asks at this moment."""
        now, hooks = self._now_us(), self.schedule.hooks
        return [
            OnCall(
                group,
                tuple(sorted(self.on_call(group) or ())),
                urlsplit(hooks[group].url).hostname or "" if group in hooks else self.schedule.file,
                self.schedule.until_us(group, now),
            )
            for group in self.schedule.groups
        ]
