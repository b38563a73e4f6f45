"""What the loop knows of the past: deeds, what passed unasked, and what spoils evidence. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness


class Answer(enum.StrEnum):
    """What came of a question.

    NONE: nobody was asked. GRANTED: leave that was given before covered it; ADOPTED: an adopted
    rule did.
    """

    NONE = "none"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    GRANTED = "granted"
    ADOPTED = "adopted"


@dataclass(frozen=True, slots=True)
class Where:
    """Who and where, shared by all deeds of one place. `groups` are those at that time."""

    principal: str
    person: str
    groups: frozenset[str]
    owner: str
    target: str
    kind: str
    environment: str
    labels: frozenset[str]
    account: str
    database: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One action that was asked about or denied (or passed by an adopted rule), and what came of it.

    `n` is the index of its last event (released or refused; requested where nothing came of it) and
    `request` the whole normalised policy request as judged then. `action` is the severest Cedar
    action. `rules` are the determining rules of the decision, `policy` its version. `likeness` is
    None where an action has none (several statements, opaque, more slots than rules can name).
    `surely`: it is known for sure what ran (exact or attested, resolved, complete). `adopted` is the
    id of the adopted rule that let it pass, or whose sample it is. `excluded` says why it is no
    evidence for loosening, empty if it is; `weight` is 1 but for rubber stamps.
    """

    n: int
    at_us: int
    where: Where
    action: str
    verb: str
    text: str
    tags: frozenset[str]
    assurance: str
    surely: bool
    likeness: Likeness | None
    tables_read: tuple[str, ...]
    tables_written: tuple[str, ...]
    request: Mapping[str, Any]
    verdict: Verdict
    rules: tuple[str, ...]
    policy: str
    risk: str = ""
    answer: Answer = Answer.NONE
    asked_us: int = 0
    answered_us: int = 0
    approvers: tuple[str, ...] = ()
    reason: str = ""
    request_id: str = ""
    session: str = ""
    adopted: str = ""
    cause: str = ""
    incident: str = ""
    excluded: str = ""
    weight: float = 1.0

    @property
    def template(self) -> str:
        """The template of its likeness; empty where it has none."""
        return self.likeness.template if self.likeness is not None else ""

    @property
    def like(self) -> str:
        """What tells its like: its template, else its text."""
        return self.likeness.template if self.likeness is not None else self.text

    @property
    def refused_by_people(self) -> bool:
        """Whether a person said no, or said afterwards that it was wrong."""
        return self.answer is Answer.DENIED or bool(self.incident)


@dataclass(frozen=True, slots=True)
class PassedKey:
    """What passed unasked is counted by this. `rule` is the determining rule."""

    rule: str
    action: str
    verb: str
    template: str
    target: str
    environment: str
    person: str
    groups: frozenset[str]


@dataclass(slots=True)
class Passed:
    """How often it passed; `events` are a few indices, `failed` how often the target failed it."""

    count: int = 0
    first_us: int = 0
    last_us: int = 0
    failed: int = 0
    events: list[int] = field(default_factory=list)
    tags: frozenset[str] = frozenset()
    text: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleUse:
    """How often a rule determined a decision, when last, and since when it is in force."""

    count: int = 0
    last_us: int = 0
    since_us: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything up to event `next_n`, whose time is `until_us`. Rebuildable from the journal alone.

    `verified`: the journal verified up to there; nothing is suggested otherwise. `deeds` are in order
    of `n`. `rules` say how rules were used. `break_glass` are (µs, person, target) of leave that was
    taken. `unknown` payloads stayed sealed and may hide deeds; `left_out` denials were too many of one
    person's. `unverified` says in words why `verified` is false, and `broken` that what was read does
    not verify: else it is late, or could not be read. `sealed` counts those of the unknown, by rule and
    day (since 1970-01-01 UTC), that a rule asked about or denied: so much the envelope says.
    """

    deeds: Sequence[Deed]
    passed: Mapping[PassedKey, Passed]
    rules: Mapping[str, RuleUse]
    break_glass: Sequence[tuple[int, str, str]]
    first_us: int
    until_us: int
    next_n: int
    verified: bool
    unknown: int = 0
    left_out: int = 0
    unverified: str = ""
    broken: bool = False
    sealed: Mapping[tuple[str, int], int] = field(default_factory=dict)
