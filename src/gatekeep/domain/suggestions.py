"""Suggestions: what the feedback loop found out, what it proposes, and what has become of it.

The table of states stands in docs/loop.md; `feedback.life` owns every change of them. Times are
microseconds UTC, 0 where something has not happened; days count from 1970-01-01.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ID_DIGITS: Final = 8
MUTED_DAYS: Final = 30
"""For so long what a muted rule decides is not told one by one."""
DAY_US: Final = 86_400_000_000
WEEK_US: Final = 7 * DAY_US


class SuggestionKind(enum.StrEnum):
    """What a suggestion would change.

    RELAX: what was asked passes. GATE: what passed is asked about. ASK_INSTEAD: what no rule permits
    is asked about. NARROW, REMOVE: a rule is used less far than it reaches, or not at all. MUTE: the
    decision stays, nobody is told of it each time. MERGE: a rule repeats another. WORDS: the same
    mistake again and again wants a better message. ALERT: the same denied attempt wants a look.
    """

    RELAX = "relax"
    GATE = "gate"
    ASK_INSTEAD = "ask_instead"
    NARROW = "narrow"
    REMOVE = "remove"
    MUTE = "mute"
    MERGE = "merge"
    WORDS = "words"
    ALERT = "alert"

    @property
    def loosens(self) -> bool:
        """Whether it lets more pass, or lets it pass less noticed."""
        return self in {SuggestionKind.RELAX, SuggestionKind.ASK_INSTEAD, SuggestionKind.MUTE}

    @property
    def writes_rule(self) -> bool:
        """Whether its acceptance puts a rule into the adopted layer; the rest is advice."""
        return self in {SuggestionKind.RELAX, SuggestionKind.GATE, SuggestionKind.ASK_INSTEAD}


class SuggestionState(enum.StrEnum):
    """Where a suggestion stands."""

    CANDIDATE = "candidate"
    PROPOSED = "proposed"
    SNOOZED = "snoozed"
    DISMISSED = "dismissed"
    ACCEPTED = "accepted"
    SHADOW = "shadow"
    CANARY = "canary"
    ACTIVE = "active"
    VERIFIED = "verified"
    REVERTED = "reverted"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Whether people may still accept or dismiss it."""
        return self in {SuggestionState.PROPOSED, SuggestionState.SNOOZED}

    @property
    def adopted(self) -> bool:
        """Whether people accepted it and nothing has ended it: it can be taken back."""
        return self.rules or self in {SuggestionState.ACCEPTED, SuggestionState.SHADOW}

    @property
    def rules(self) -> bool:
        """Whether its rule is in force."""
        return self in {SuggestionState.CANARY, SuggestionState.ACTIVE, SuggestionState.VERIFIED}

    @property
    def over(self) -> bool:
        """Whether it is final but for new evidence."""
        return self in {
            SuggestionState.DISMISSED, SuggestionState.REVERTED, SuggestionState.EXPIRED,
        }  # fmt: skip


class SlotBound(enum.StrEnum):
    """How far a slot reaches: one value, some, what begins so, or any."""

    EXACT = "exact"
    ANY_OF = "any_of"
    PREFIX = "prefix"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class SlotScope:
    """What one slot of the template may hold: `values` for EXACT (one), ANY_OF, PREFIX (one)."""

    bound: SlotBound
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRule:
    """A rule as it was when evidence was gathered: its id and the first 12 digits of its text's SHA-256."""

    id: str
    digest: str

    @property
    def mark(self) -> str:
        """`id:digest`, as `context.asked_by` holds it."""
        return f"{self.id}:{self.digest}"


@dataclass(frozen=True, slots=True)
class SuggestionScope:
    """Whom and what a suggestion is about; never wider than what was seen.

    `targets` are aliases, `labels` those that all of them bear. `tables_read` and `tables_written`
    are exactly the tables of the statement (SQL only). `templates` are the templates it covers
    (several only over SSH: an enumerated set without slots), `slots` what each slot may hold.
    `where` are the kinds of WHERE that a gate is about (`absent`, `tautology`); empty for all.
    """

    group: str
    action: str
    environment: str
    targets: tuple[str, ...]
    account: str
    database: str = ""
    labels: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    slots: tuple[SlotScope, ...] = ()
    verb: str = ""
    tables_read: tuple[str, ...] = ()
    tables_written: tuple[str, ...] = ()
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceVector:
    """What the evidence amounts to, shown and not hidden. Persons are natural persons.

    `largest_share` is that of the busiest pair of approver and requester, `latency_s` the median
    until an answer, `recency` the weight of it all with a half-life of 30 days, from 0 to 1.
    `assurance` counts by how surely it was known what ran. `on_days` are the days on which it was
    approved, ascending.
    """

    asked: int = 0
    approved: int = 0
    denied: int = 0
    persons: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    days: int = 0
    incidents: int = 0
    overrides: int = 0
    largest_share: float = 0.0
    latency_s: float = 0.0
    recency: float = 0.0
    wilson: float = 0.0
    first_us: int = 0
    last_us: int = 0
    assurance: Mapping[str, int] = field(default_factory=dict)
    on_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A wider form that was considered: what it is, why it is not proposed, the events against it."""

    form: str
    why: str
    events: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check with its reason; never a bare tick."""

    name: str
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Probe:
    """An invented neighbour of what was seen, and what would become of it."""

    text: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Shifted:
    """What a change means for one person: how many of his actions are decided otherwise."""

    person: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backtest:
    """A replay of history under today's and the proposed policy.

    `matrix` counts `before>after` (`ask>allow`); `holdout` the same for the last third, which was not
    mined. `denied_now_passing` are events that people denied, or that an incident followed, and that
    would pass. `unknown` could not be replayed.
    """

    from_us: int
    to_us: int
    replayed: int
    matrix: Mapping[str, int]
    holdout: Mapping[str, int]
    denied_now_passing: tuple[int, ...] = ()
    errors: int = 0
    unknown: int = 0
    per_person: tuple[Shifted, ...] = ()
    probes: tuple[Probe, ...] = ()
    passed: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is proposed, with everything that speaks for and against it.

    `id` is stable: `S-` and 8 digits of the SHA-256 over kind, source rules' ids, templates and
    scope. `rule` is Cedar text whose `@id` is `rule_id` (empty for advice); `before` the text that
    it stands beside or would replace. `events` are the newest indices (at most 500) of all that
    `evidence_root`, a Merkle root, stands for. `not_counted` says how much was left out, by reason.
    """

    id: str
    kind: SuggestionKind
    title: str
    sources: tuple[SourceRule, ...]
    scope: SuggestionScope
    vector: EvidenceVector
    score: float
    saves_per_week: float
    wait_s_per_week: float
    evidence_root: str
    events: tuple[int, ...]
    risk: str = ""
    rule: str = ""
    rule_id: str = ""
    before: str = ""
    advice: str = ""
    rejected: tuple[Rejected, ...] = ()
    not_counted: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    backtest: Backtest | None = None
    narrower: str = ""

    @property
    def safe(self) -> bool:
        """Whether every check passed."""
        return all(one.passed for one in self.checks)

    @property
    def mutes(self) -> bool:
        """Whether its acceptance mutes its source rule; a MUTE about templates is advice alone."""
        return self.kind is SuggestionKind.MUTE and not self.scope.templates


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One person's yes to a suggestion."""

    principal: str
    person: str
    at_us: int
    reason: str
    via: str
    mfa: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What an adopted suggestion did. Counts are since it came into force.

    `hits` matched it, `sampled` of them went to a person (`after` of these afterwards), `agreed`
    and `denied` are the answers (a withdrawal counts half a denial). `newcomers` are persons who
    use it and were not in its evidence. `forecast_per_week` stands beside `actual_per_week`.
    """

    hits: int = 0
    sampled: int = 0
    after: int = 0
    agreed: float = 0.0
    denied: float = 0.0
    newcomers: tuple[str, ...] = ()
    incidents: int = 0
    break_glass: int = 0
    forecast_per_week: float = 0.0
    actual_per_week: float = 0.0
    saved_wait_s: float = 0.0
    checked_days: tuple[int, ...] = ()
    last_us: int = 0
    words: str = ""


@dataclass(frozen=True, slots=True)
class SuggestionLife:
    """A suggestion and what has become of it.

    `accepted_by` are those who said yes (two persons where two are needed), `since_us` when the
    state began, `in_force_us` when its rule came into force, `expires_us` when it ends. `weight` is
    the evidence it had when it was over: it comes back when that has doubled. `settled`: the event
    of the last change is durable. `returned_by` are those who want a rule that asks more taken back.
    """

    suggestion: Suggestion
    state: SuggestionState
    since_us: int
    accepted_by: tuple[Acceptance, ...] = ()
    decided_by: str = ""
    reason: str = ""
    in_force_us: int = 0
    expires_us: int = 0
    snoozed_until_us: int = 0
    weight: int = 0
    effect: Effect = field(default_factory=Effect)
    settled: bool = True
    returned_by: tuple[Acceptance, ...] = ()

    @property
    def muting(self) -> bool:
        """Whether its source rule is muted now, unless its time is over."""
        return self.state is SuggestionState.ACTIVE and self.suggestion.mutes

    def mutes_now(self, mark: str, now_us: int) -> bool:
        """Whether it mutes the rule of this mark, as that reads now, at this time."""
        return (
            self.muting
            and now_us < self.expires_us
            and any(one.mark == mark for one in self.suggestion.sources)
        )


class SampleAnswer(enum.StrEnum):
    """What a person says of something that a suggestion let pass."""

    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Sample:
    """A match of an adopted rule that a person looks at.

    `held` ones waited as a request like any other; the rest are looked at afterwards, and `answer`
    is what was said then. `n` is the event of the action.
    """

    id: str
    suggestion: str
    n: int
    at_us: int
    principal: str
    person: str
    target: str
    text: str
    held: bool = False
    groups: tuple[str, ...] = ()
    answer: SampleAnswer | None = None
    answered_by: str = ""
    answered_us: int = 0
    reason: str = ""
