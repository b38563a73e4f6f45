"""One suggestion on trial: both versions, the evidence, and what replaying it found.

Made once for each proof and read by its checks; decides nothing itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gatekeep.domain.suggestions import Suggestion, SuggestionKind
from gatekeep.feedback.backtest import Pair, Replay, drawn, replay
from gatekeep.feedback.composing import Composed
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.ending import LONGEST_DAYS
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.heads import Head, head_of
from gatekeep.feedback.holdout import cut_of, inside, learnt
from gatekeep.feedback.judging import Judge
from gatekeep.feedback.probes import Neighbour, around

_SEEDS: Final = 6
"""So many deeds get invented neighbours: one of each sort tells as much as all of it."""
_MOST_LISTED: Final = 5

Members = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One suggestion on trial."""

    suggestion: Suggestion
    composed: Composed
    pair: Pair
    evidence: Evidence
    found: Replay
    cut_us: int
    now_us: int

    @property
    def kind(self) -> SuggestionKind:
        """What it would change."""
        return self.suggestion.kind

    @property
    def seeds(self) -> list[Deed]:
        """Deeds that it changes, a few of each sort, the same ones each time."""
        flipped = [deed for deed, _, _ in self.found.flipped]
        sorts: dict[tuple[str, str, str], Deed] = {}
        for deed in drawn(flipped, len(flipped)):
            sorts.setdefault((deed.where.target, deed.template or deed.verb, deed.where.account), deed)
        return list(sorts.values())[:_SEEDS]

    @property
    def neighbours(self) -> Iterator[Neighbour]:
        """Every neighbour of the seeds."""
        expired = day_of(self.now_us) + LONGEST_DAYS + 1
        for deed in self.seeds:
            yield from around(deed, self.suggestion.scope, expired)


def tried(
    suggestion: Suggestion,
    evidence: Evidence,
    composed: Composed,
    members: Members,
    now_us: int,
    mined_until_us: int | None,
) -> Case:
    """Replay it. `mined_until_us` as for `proof.prove`."""
    pair = Pair(Judge(composed.before, members), Judge(composed.after, members))
    head = head_of(composed.rule)
    cut = _cut(head, evidence) if mined_until_us is None else mined_until_us
    early = [
        one for one in evidence.deeds if one.at_us < cut and one.answer is Answer.APPROVED
    ]
    scope = learnt(suggestion.scope, early)
    found = replay(pair, head, evidence, cut, functools.partial(inside, scope))
    return Case(suggestion, composed, pair, evidence, found, cut, now_us)


def _cut(head: Head, evidence: Evidence) -> int:
    """Where the last third begins of the time since the first deed that the rule could match."""
    first = next((one.at_us for one in evidence.deeds if head.could_match(one)), evidence.first_us)
    return cut_of(first, evidence.until_us)


def listed(words: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(words) - _MOST_LISTED
    return ", ".join(words[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
