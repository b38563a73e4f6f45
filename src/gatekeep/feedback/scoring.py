"""What evidence amounts to: its vector, Wilson's bound, the score, and the root that names it.

Counts, weighs and hashes; what may be suggested is for `safety`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from gatekeep.domain.suggestions import DAY_US, EvidenceVector, SlotBound, SuggestionScope
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.ground import Ground, day_of, days_of, withdrawn_sample
from gatekeep.journal.encoding import leaf_hash
from gatekeep.journal.tree import fold

MOST_EVENTS: Final = 500
"""So many of its events a suggestion names; its root stands for all."""
HALF_LIFE_US: Final = 30 * DAY_US
_Z95: Final = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""
_INDEX_BYTES: Final = 8
# What reach costs a score, beside the approvals a week that it saves: a tie-breaker, no gate.
_PER_TARGET: Final = 0.02
_PER_BOUND: Final = {
    SlotBound.EXACT: 0.0, SlotBound.ANY_OF: 0.05, SlotBound.PREFIX: 0.2, SlotBound.ANY: 0.4,
}  # fmt: skip
_OF_WRITES: Final = 0.1
_OF_MODERATE: Final = 0.2


def wilson(good: float, of: float) -> float:
    """Lower bound, at 95 %, of the share that `good` of `of` stand for; 0 for nothing.

    41 of 41 give 0.91, 5 of 5 only 0.57.
    """
    if of <= 0:
        return 0.0
    share, square = good / of, _Z95 * _Z95
    middle = share + square / (2 * of)
    width = _Z95 * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, (middle - width) / (1 + square / of))


def evidence_root(indices: Iterable[int]) -> str:
    """The Merkle root (RFC 6962, hex) over event indices in rising order, each 8 bytes, big-endian."""
    leaves = [leaf_hash(index.to_bytes(_INDEX_BYTES, "big")) for index in sorted(set(indices))]
    return fold(leaves).hex()


def newest(indices: Iterable[int]) -> tuple[int, ...]:
    """The newest indices, at most MOST_EVENTS, in rising order."""
    return tuple(sorted(set(indices))[-MOST_EVENTS:])


def blast_radius(scope: SuggestionScope, risk: str) -> float:
    """What is taken off the score for how far a suggestion reaches."""
    reach = _PER_TARGET * max(len(scope.targets) - 1, 0)
    reach += sum(_PER_BOUND[one.bound] for one in scope.slots)
    if scope.tables_written or scope.action.startswith("ssh"):
        reach += _OF_WRITES
    return reach + (_OF_MODERATE if risk == "moderate" else 0.0)


def weight_of(counted: Sequence[Deed]) -> int:
    """How many approvals they are: rubber stamps weigh less than one."""
    return math.floor(sum(min(deed.weight, 1.0) for deed in counted) + 1e-9)


def approver_shares(ground: Ground, counted: Sequence[Deed]) -> dict[str, float]:
    """Each approver's share of the approvals; who approved together has a part each."""
    parts: dict[str, float] = defaultdict(float)
    for names, count in _votes(ground, counted).items():
        for name in names[1]:
            parts[name] += count / len(names[1])
    total = sum(parts.values())
    return {name: round(parts[name] / total, 9) for name in sorted(parts)} if total else {}


def _votes(ground: Ground, counted: Sequence[Deed]) -> Counter[tuple[str, tuple[str, ...]]]:
    """How often whose deeds were approved by whom."""
    return Counter((ground.person(deed), ground.approvers(deed)) for deed in counted)


def vector_of(
    ground: Ground, counted: Sequence[Deed], spoken: Sequence[Deed], others: Sequence[Deed] = ()
) -> EvidenceVector:
    """The vector of what counts, of what speaks against it, and of what was asked besides."""
    halves = sum(withdrawn_sample(deed) for deed in spoken)
    denied = sum(deed.answer is Answer.DENIED for deed in spoken)
    incidents = sum(bool(deed.incident) for deed in spoken)
    approved = weight_of(counted)
    pairs: Counter[tuple[str, str]] = Counter()
    for (person, names), count in _votes(ground, counted).items():
        pairs.update({(person, name): count for name in names})
    waits = [deed.answered_us - deed.asked_us for deed in counted if deed.answered_us]
    ages = [max(ground.now_us - deed.at_us, 0) / HALF_LIFE_US for deed in counted]
    bad = denied + incidents + halves / 2
    return EvidenceVector(
        asked=approved + denied + halves + sum(_unanswered(deed) for deed in others),
        approved=approved,
        denied=denied,
        persons=tuple(sorted({ground.person(deed) for deed in counted})),
        approvers=tuple(sorted(sure_approvers(ground, counted))),
        days=days_of(counted),
        incidents=incidents,
        overrides=halves,
        largest_share=max(pairs.values(), default=0) / len(counted) if counted else 0.0,
        latency_s=median(waits) / 1_000_000 if waits else 0.0,
        recency=sum(0.5**age for age in ages) / len(ages) if ages else 0.0,
        wilson=wilson(approved, approved + bad),
        first_us=min((deed.at_us for deed in counted), default=0),
        last_us=max((deed.at_us for deed in counted), default=0),
        on_days=tuple(sorted({day_of(deed.at_us) for deed in counted})),
        assurance=dict(sorted(Counter(deed.assurance or "exact" for deed in counted).items())),
    )


def sure_approvers(ground: Ground, counted: Sequence[Deed]) -> set[str]:
    """Who approved, and at least once otherwise than by rubber stamp."""
    return {name for deed in counted if deed.weight >= 1 for name in ground.approvers(deed)}


def _unanswered(deed: Deed) -> bool:
    return deed.answer in {Answer.EXPIRED, Answer.WITHDRAWN} and not deed.adopted
