"""Who may vote in whose place, and whom a group asks first. Who may vote at all is `voting`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delegation:
    """One principal lets another vote in his place. Times are microseconds UTC, 0 for never.

    `principal` (a `person`) is replaced by `delegate` (a `delegate_person`), for `groups` or, if
    there are none, for all that he is in. `settled`: the event of its making is durable.
    """

    id: str
    principal: str
    person: str
    delegate: str
    delegate_person: str
    made_us: int
    starts_us: int
    ends_us: int
    groups: frozenset[str] = frozenset()
    reason: str = ""
    ended_us: int = 0
    ended_by: str = ""
    settled: bool = False

    def live_at(self, now_us: int) -> bool:
        """Whether it counts at this time."""
        return self.settled and not self.ended_us and self.starts_us <= now_us < self.ends_us


@dataclass(frozen=True, slots=True)
class OnCall:
    """Whom a group asks at this moment: `persons`, of whom policy counts only the group's own.

    `source` says who says so (the name of a schedule or webhook); empty where nobody does, and
    all are asked. `until_us` is when that changes, 0 where it is not known.
    """

    group: str
    persons: tuple[str, ...]
    source: str = ""
    until_us: int = 0
