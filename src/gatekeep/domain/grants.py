"""Grants: leave that lasts for a time, made by an approval. Each is visible and revocable.

And the reviews of those that somebody took without being asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatekeep.domain.approvals import Scope


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for one principal on one target. Times are microseconds UTC; 0 for not yet.

    `scope` says what it covers; `bound` holds what must be the same then (fields of the binding,
    the template, the pinned values), by name. `groups` are those that the votes spoke for, and
    `persons` who gave them: it counts only while they are still in these groups. `kind` is what
    policy reads of it: grant, access or break_glass. `ends_us` is never 0. `session` is set for
    one that ends with its session. `settled`: the event of its making is durable.
    """

    id: str
    request: str
    scope: Scope
    kind: str
    principal: str
    person: str
    target: str
    account: str
    groups: frozenset[str]
    persons: Mapping[str, frozenset[str]]
    made_us: int
    starts_us: int
    ends_us: int
    session: str = ""
    mfa: bool = False
    bound: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""
    used: int = 0
    revoked_us: int = 0
    revoked_by: str = ""
    settled: bool = False

    def live_at(self, now_us: int) -> bool:
        """Whether it counts at this time."""
        return self.settled and not self.revoked_us and self.starts_us <= now_us < self.ends_us


@dataclass(frozen=True, slots=True)
class Review:
    """A break-glass grant that somebody else must look at. Times are microseconds UTC, 0: not yet.

    `principal` and `person` took the leave, for `reason`; `finding` is the word of `closed_by`.
    """

    id: str
    grant: str
    principal: str
    person: str
    target: str
    account: str
    opened_us: int
    reason: str = ""
    closed_us: int = 0
    closed_by: str = ""
    finding: str = ""
