"""What the policy desk remembers: answers of one version over one directory, by what its rules read.

All of it is bounded, and void when version or directory change. What is asked is `policy_desk`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Target
from gatekeep.gate.ports import Judgement
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.request import Place, Question
from gatekeep.policy.rules import PolicyVersion

MAX_SESSIONS: Final = 8192
MAX_STANDINGS: Final = 1024
MAX_DECISIONS: Final = 16384
MAX_JUDGEMENTS: Final = 1024
LONGEST_KEPT: Final = 16_384
"""Characters of text in facts whose judgement is kept: the long ones seldom come again."""

#: Context attributes that are fixed for a place, so that its own cache need not repeat them.
_OF_THE_PLACE: Final = frozenset({"account", "database", "source", "approval", "time"})

Memo = dict[int, tuple[tuple[SqlFacts, ...], Judgement]]


@dataclass(slots=True)
class Around:
    """Everything remembered for one place: same principal, target, account, database, source.

    `memos` (one a mode) are keyed by the identity of a facts tuple, which they keep alive;
    `decisions` by the values of the attributes that the active rules read.
    """

    place: Place
    standing: Standing
    minute: int
    memos: dict[str, Memo] = field(default_factory=dict)
    decisions: dict[Any, Decision] = field(default_factory=dict)
    opening: Judgement | None = None
    only_reads: bool | None = None


class Active:
    """One policy version over one directory, with all that was derived from the two."""

    def __init__(self, version: PolicyVersion, members: Mapping[str, frozenset[str]]) -> None:
        self.engine = Engine(version, members)
        self.version = version
        self.members = members
        self.timed = "time" in version.reads
        self.read = tuple(sorted(version.reads - _OF_THE_PLACE))
        self.by_session: dict[str, tuple[Session, Around]] = {}
        self.arounds: dict[Any, Around] = {}
        self.standings: dict[Any, Standing] = {}


def keep(around: Around, key: tuple[Any, ...], decision: Decision) -> None:
    """Remember a decision, but for one that people are asked by, or that could not be evaluated."""
    if decision.verdict is not Verdict.ASK and not decision.errors:
        bound(around.decisions, MAX_DECISIONS)
        around.decisions[key] = decision


def key_of(active: Active, question: Question) -> tuple[Any, ...]:
    """Exactly what a decision can turn on, besides the place and the minute."""
    context = question.context
    return (
        question.action,
        question.unknown & active.version.reads,
        *(_hashable(value) for value in map(context.get, active.read)),
    )


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return value["__extn"]["arg"] if isinstance(value, dict) else value


def standing_key(principal: Principal, target: Target | None) -> tuple[Any, ...]:
    """All that policy reads of the two."""
    if target is None:
        return (principal,)
    return (
        principal, target.name, target.kind, target.environment, target.labels, target.owner,
    )  # fmt: skip


def standing_of(active: Active, principal: Principal, target: Target | None) -> Standing:
    """A principal before a target, or before gatekeep itself; made once."""
    key = standing_key(principal, target)
    known = active.standings.get(key)
    if known is None:
        bound(active.standings, MAX_STANDINGS)
        known = active.standings[key] = active.engine.standing(principal, target)
    return known


def bound(entries: dict[Any, Any], limit: int) -> None:
    """Make room for one entry: the oldest eighth goes when the limit is reached."""
    if len(entries) >= limit:
        for key in list(entries)[: max(1, limit // 8)]:
            del entries[key]
