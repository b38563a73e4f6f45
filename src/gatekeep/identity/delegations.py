"""Who may vote in whose place: kept, told, ended at once. No chains: what is lent is not lent on.

Whether a vote counts is a rule of `domain.voting`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import orjson

from gatekeep.domain.delegations import Delegation
from gatekeep.domain.identity import Principal
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_ports import StandIn
from gatekeep.gate.ports import Directory

LONGEST_S: Final = 90 * 86_400
_US: Final = 1_000_000
_ID_BYTES: Final = 5


class DelegationStore(Protocol):
    """Where delegations are kept. Each change is one transaction with the event that it owes."""

    def delegations(self) -> Sequence[Delegation]:
        """All of them, newest first."""

    def add_delegation(self, delegation: Delegation, event: bytes) -> None:
        """Keep one; it counts once its event is durable."""

    def end_delegation(self, delegation_id: str, at_us: int, by: str, event: bytes) -> bool:
        """End one at once; false when it had ended."""


class Delegations:
    """All delegations of one gateway. `tell` brings owed events to the journal."""

    def __init__(
        self,
        store: DelegationStore,
        directory: Directory,
        now_us: Callable[[], int],
        draw: Callable[[int], bytes],
        tell: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._directory = directory
        self._now_us = now_us
        self._draw = draw
        self._tell = tell
        self._kept: Sequence[Delegation] = ()
        self.read()

    def read(self) -> None:
        """Take over what the store holds."""
        self._kept = tuple(self._store.delegations())

    def lent_to(self, person: str) -> Mapping[str, frozenset[str]]:
        """In whose place this person may vote now, and for which groups (none: for all)."""
        now = self._now_us()
        return {
            one.person: one.groups
            for one in self._kept
            if one.delegate_person == person and one.live_at(now)
        }

    def delegates_of(self, person: str) -> frozenset[str]:
        """Who may vote now in this person's place."""
        now = self._now_us()
        return frozenset(
            one.delegate_person for one in self._kept if one.person == person and one.live_at(now)
        )

    def all(self, *, live: bool) -> Sequence[Delegation]:
        """All of them, newest first, or those that are live."""
        now = self._now_us()
        return [one for one in self._kept if one.live_at(now) or not live]

    async def delegate(self, by: Principal, stand_in: StandIn) -> Delegation:
        """Let another vote in `by`'s place. Raises as `Approvals.delegate` says."""
        to = self._directory.principal(stand_in.to)
        if to is None:
            raise KeyError(stand_in.to)
        now = self._now_us()
        starts = max(now, stand_in.starts_us)
        why_not = (
            "you cannot vote in your own place" if to.person == by.person
            else "a machine votes in nobody's place" if to.owner or by.owner
            else "you are not in all of these groups" if stand_in.groups - by.groups
            else "that time is over, or longer than 90 days"
            if not starts < stand_in.ends_us <= now + LONGEST_S * _US
            else ""
        )  # fmt: skip
        if why_not:
            raise NotPermitted(why_not)
        made = Delegation(
            f"D-{self._draw(_ID_BYTES).hex().upper()}", by.name, by.person, to.name, to.person,
            now, starts, stand_in.ends_us, groups=stand_in.groups, reason=stand_in.reason[:500],
        )  # fmt: skip
        self._store.add_delegation(made, _event(made, "delegated", by.name))
        await self._tell()
        self.read()
        return next(one for one in self._kept if one.id == made.id)

    async def end(self, delegation_id: str, by: Principal, *, any_: bool) -> Delegation:
        """End one at once: it counts no more before the event is durable. Raises KeyError."""
        found = next((one for one in self._kept if one.id == delegation_id), None)
        if found is None or (not any_ and by.person not in (found.person, found.delegate_person)):
            raise KeyError(delegation_id)
        self._store.end_delegation(
            found.id, self._now_us(), by.name, _event(found, "delegation ended", by.name)
        )
        self.read()
        await self._tell()
        return next(one for one in self._kept if one.id == found.id)


def _event(delegation: Delegation, what: str, by: str) -> bytes:
    """Payload of `directory.changed`."""
    facts = {
        "by": by, "delegate": delegation.delegate_person, "delegation": delegation.id,
        "ends_us": delegation.ends_us, "groups": sorted(delegation.groups),
        "person": delegation.person, "principal": delegation.principal, "what": what,
    }  # fmt: skip
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
