"""Since when a person is in a group, and who put him there.

Who was added lately by whoever asks may not decide over it (12-threats H11). Reads no file; told
of each load of the directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

import orjson

from gatekeep.domain.identity import Principal
from gatekeep.domain.memberships import Membership

LATELY_US: Final = 24 * 3600 * 1_000_000


class MembershipStore(Protocol):
    """Where they are kept."""

    def memberships(self) -> Sequence[Membership] | None:
        """All of them; None before the first load ever."""

    def change_memberships(
        self, added: Sequence[Membership], removed: Sequence[Membership], events: Sequence[bytes]
    ) -> None:
        """Keep what changed, in one transaction with the events that it owes."""


class Memberships:
    """The book of one gateway.

    `least_us` tells a time that a clock set forward does not hurry; the same as `now_us` if not given.
    """

    def __init__(
        self,
        store: MembershipStore,
        now_us: Callable[[], int],
        least_us: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self._now_us = now_us
        self._least_us = least_us or now_us
        self._kept: dict[tuple[str, str], Membership] = {}
        self._read()

    def observe(self, principals: Iterable[Principal], by: str) -> None:
        """The directory as it is from now on, loaded by this person."""
        now = self._now_us()
        first = self._store.memberships() is None
        there = {
            (one.person, group)
            for one in principals
            if not one.owner
            for group in one.groups
        }
        added = [
            Membership(person, group, 0 if first else now, "" if first else by)
            for person, group in sorted(there - self._kept.keys())
        ]
        removed = [self._kept[key] for key in sorted(self._kept.keys() - there)]
        if not (added or removed or first):
            return
        events = [] if first else [_event(one, "added", by) for one in added]
        events += [_event(one, "removed", by) for one in removed]
        self._store.change_memberships(added, removed, events)
        self._read()

    def added_by(self, person: str) -> Mapping[str, str]:
        """Groups that this person was put into during the last 24 h, with the person who did it."""
        now = self._least_us()
        return {
            one.group: one.by
            for one in self._kept.values()
            if one.person == person and one.by and now - one.since_us < LATELY_US
        }

    def _read(self) -> None:
        self._kept = {(one.person, one.group): one for one in self._store.memberships() or ()}


def _event(one: Membership, what: str, by: str) -> bytes:
    """Payload of `directory.changed`."""
    facts = {"by": by, "group": one.group, "person": one.person, "what": what}
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
