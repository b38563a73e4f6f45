"""Counts of how decisions come out before and after a change. Counting and words only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import SuggestionKind

MAY_FLIP: Final[Mapping[SuggestionKind, tuple[Verdict, Verdict]]] = {
    SuggestionKind.RELAX: (Verdict.ASK, Verdict.ALLOW),
    SuggestionKind.GATE: (Verdict.ALLOW, Verdict.ASK),
    SuggestionKind.ASK_INSTEAD: (Verdict.DENY, Verdict.ASK),
}
"""The one step that each kind may make; every other flip is a fault of its rule."""


def step(before: Verdict, after: Verdict) -> str:
    """How a matrix names it: `ask>allow`."""
    return f"{before.value}>{after.value}"


class Matrix:
    """A transition matrix: how many actions were decided so before, and are decided so after."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, before: Verdict, after: Verdict, count: int = 1) -> None:
        """Count it."""
        self._counts[step(before, after)] += count

    def of(self, before: Verdict, after: Verdict) -> int:
        """How many came out so."""
        return self._counts[step(before, after)]

    @property
    def counts(self) -> dict[str, int]:
        """All that occurred, by name."""
        return {name: count for name, count in sorted(self._counts.items()) if count}

    @property
    def total(self) -> int:
        """How many there are in all."""
        return sum(self._counts.values())

    @property
    def unchanged(self) -> int:
        """How many are decided as before."""
        return sum(self.of(one, one) for one in Verdict)

    def strays(self, kind: SuggestionKind) -> dict[str, int]:
        """Flips that a rule of this kind must not make."""
        allowed = {step(one, one) for one in Verdict}
        if kind in MAY_FLIP:
            allowed.add(step(*MAY_FLIP[kind]))
        return {name: count for name, count in self.counts.items() if name not in allowed}
