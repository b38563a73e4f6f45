"""The time split: what was learnt from the first two thirds is tried on the last third.

What a scope may hold there is learnt again from the first part alone, so that nothing is proven
by the very deeds that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from gatekeep.domain.suggestions import SlotBound, SlotScope, SuggestionScope
from gatekeep.feedback.deeds import Deed, Evidence, Passed, PassedKey
from gatekeep.feedback.lattice import LEAST_PERSONS, LEAST_VALUES, within

MINED_PARTS: Final = 2
ALL_PARTS: Final = 3


def cut_of(first_us: int, until_us: int) -> int:
    """The time at which the last third begins."""
    return first_us + (until_us - first_us) * MINED_PARTS // ALL_PARTS


def split(evidence: Evidence, cut_us: int | None = None) -> tuple[Evidence, Evidence]:
    """Evidence before a time (by default the first two thirds) and from it on.

    What passed unasked is counted, not listed: a count that lies on both sides is shared out by
    time, as if it had been even.
    """
    cut = cut_of(evidence.first_us, evidence.until_us) if cut_us is None else cut_us
    early = [one for one in evidence.deeds if one.at_us < cut]
    late = [one for one in evidence.deeds if one.at_us >= cut]
    passed_early, passed_late = _shared_out(evidence.passed, cut)
    glass = evidence.break_glass
    return (
        replace(
            evidence, deeds=early, passed=passed_early, until_us=cut,
            break_glass=[one for one in glass if one[0] < cut],
        ),
        replace(
            evidence, deeds=late, passed=passed_late, first_us=cut,
            break_glass=[one for one in glass if one[0] >= cut],
        ),
    )  # fmt: skip


def count_from(one: Passed, cut_us: int) -> int:
    """How many of these passed at or after a time, as if they had been even between first and last."""
    if one.first_us >= cut_us:
        return one.count
    if one.last_us < cut_us:
        return 0
    length = max(1, one.last_us - one.first_us)
    return max(1, one.count * (one.last_us - cut_us) // length)


def _shared_out(
    passed: Mapping[PassedKey, Passed], cut: int
) -> tuple[dict[PassedKey, Passed], dict[PassedKey, Passed]]:
    early: dict[PassedKey, Passed] = {}
    late: dict[PassedKey, Passed] = {}
    for key, one in passed.items():
        after = count_from(one, cut)
        if after:
            late[key] = replace(one, count=after, first_us=max(one.first_us, cut))
        if one.count - after:
            early[key] = replace(one, count=one.count - after, last_us=min(one.last_us, cut))
    return early, late


def inside(scope: SuggestionScope, deed: Deed) -> bool:
    """Whether a deed lies within a scope."""
    where, likeness = deed.where, deed.likeness
    place = (
        scope.group in where.groups
        and deed.action == scope.action
        and where.environment == scope.environment
        and where.target in scope.targets
        and where.account == scope.account
        and where.database == scope.database
        and where.labels.issuperset(scope.labels)
    )
    if not place or likeness is None or likeness.template not in scope.templates:
        return False
    if set(scope.tables_read) != set(deed.tables_read):
        return False
    if set(scope.tables_written) != set(deed.tables_written):
        return False
    return not scope.slots or (
        len(scope.slots) == len(likeness.slots)
        and all(map(within, scope.slots, likeness.values))
    )


def learnt(scope: SuggestionScope, deeds: Iterable[Deed]) -> SuggestionScope:
    """The same scope with only what these deeds show: their targets, templates and values.

    A slot stays free only where they alone would free it: five values by three persons.
    """
    known = [one for one in deeds if one.likeness is not None and inside(scope, one)]
    seen = frozenset(one.likeness.template for one in known if one.likeness is not None)
    return replace(
        scope,
        targets=tuple(sorted({one.where.target for one in known})),
        templates=tuple(one for one in scope.templates if one in seen),
        slots=tuple(_learnt_slot(slot, at, known) for at, slot in enumerate(scope.slots)),
    )


def _learnt_slot(slot: SlotScope, at: int, known: Iterable[Deed]) -> SlotScope:
    values: set[str] = set()
    persons: set[str] = set()
    for one in known:
        if one.likeness is not None:
            values.add(one.likeness.values[at])
            persons.add(one.where.person)
    free = slot.bound in {SlotBound.ANY, SlotBound.PREFIX}
    if free and len(values) >= LEAST_VALUES and len(persons) >= LEAST_PERSONS:
        return slot
    return SlotScope(SlotBound.ANY_OF, tuple(sorted(values)))
