"""What is no evidence for loosening, and why (design of the loop, step 1). Pure.

Says nothing of what counts against: a no is a no, whoever said it and however often.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import DAY_US
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.spelling import spelling_of

YOUNG_US: Final = 14 * DAY_US
"""What people approve while a rule is younger than this is no habit yet."""

RUBBER_US: Final = 10_000_000
"""Whose median yes is quicker than this did not read what it was about."""

RECENT_YESES: Final = 30
"""Who has read long enough and then stops is known by the last of his yeses."""

FEW_YESES: Final = 5
"""From so many on it is said whether somebody looks at what one person asks."""

RUBBER_WEIGHT: Final = 0.25
"""Four such approvals count as one."""

RETRIED_US: Final = DAY_US
"""A yes within this time of a no to the same is somebody asked until he gave in."""

NOT_SURE: Final = "not_sure"
SAME_DAY: Final = "same_day"
RUBBER_STAMP: Final = "rubber_stamp"
"""Reasons that `sifting` finds, too, where it looks closer."""

SMALL_RING: Final = 3
"""So many persons who only approve one another are a closed group."""

_YES: Final = frozenset({Answer.APPROVED, Answer.ADOPTED})


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known beside the deeds.

    `latencies` are each approver's, `since_us` when rules came into force; rules younger than
    `young_us` at `until_us` are protected.
    """

    latencies: Mapping[str, Sequence[int]]
    since_us: Mapping[str, int]
    until_us: int
    young_us: int = YOUNG_US


def weighed(deeds: Sequence[Deed], known: Knowledge) -> list[Deed]:
    """The deeds, in order of `n`, each with its reason for exclusion and its weight.

    A reason that is there already stays.
    """
    stamps = _Stamps(known.latencies, deeds)
    young = {
        rule for rule, since in known.since_us.items() if known.until_us - since < known.young_us
    }
    circles = _Circles(deeds)
    denied: dict[tuple[str, object], int] = {}
    refused = {deed.where.person for deed in deeds if deed.answer is Answer.DENIED}
    seen: set[tuple[str, str, int, str]] = set()
    found: list[Deed] = []
    for deed in sorted(deeds, key=lambda one: one.n):
        reason, weight = deed.excluded, 1.0
        person = deed.where.person
        # asked again elsewhere, or in other words, is asked again
        again = (person, _core(deed)) if person in refused else (person, "")
        if not reason and (deed.answer in _YES or deed.answer is Answer.WITHDRAWN):
            reason = _reason(deed, young)
            stamped = stamps.among(deed)
            if not reason and stamped.issuperset(deed.approvers) and deed.approvers:
                reason = RUBBER_STAMP
            if not reason and circles.closed(deed):
                reason = "own_group"
            last_no = denied.get(again)
            if not reason and last_no is not None and deed.at_us - last_no <= RETRIED_US:
                reason = "retried"
            weight = RUBBER_WEIGHT if stamped else 1.0
        if deed.answer is Answer.DENIED:
            denied[again] = deed.answered_us or deed.at_us
        if not reason and (deed.answer in _YES or _refused_by_rule(deed)):
            day = (person, deed.like, deed.at_us // DAY_US, deed.answer.value)
            reason = SAME_DAY if day in seen else ""
            seen.add(day)
        if reason != deed.excluded or weight != deed.weight:
            deed = replace(deed, excluded=reason, weight=weight)  # noqa: PLW2901 - the same deed
        found.append(deed)
    return found


def _reason(deed: Deed, young: set[str]) -> str:
    """What one deed and its rules alone tell."""
    if deed.incident:
        return "reported"
    if deed.answer is Answer.WITHDRAWN:
        return "withdrawn_sample" if deed.adopted else ""
    if not deed.surely:
        return NOT_SURE
    return "young_rule" if young.intersection(deed.rules) else ""


def _refused_by_rule(deed: Deed) -> bool:
    return deed.answer is Answer.NONE and deed.verdict is Verdict.DENY


def _core(deed: Deed) -> object:
    spelling = spelling_of(deed)
    return spelling.core if spelling is not None else deed.text


class _Stamps:
    """Who says yes without looking: by habit, of late, or to one person."""

    def __init__(self, latencies: Mapping[str, Sequence[int]], deeds: Iterable[Deed]) -> None:
        self._always = {
            person for person, took in latencies.items()
            if took and min(median(took), median(took[-RECENT_YESES:])) < RUBBER_US
        }  # fmt: skip
        took: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for deed in deeds:
            if deed.answer is Answer.APPROVED and deed.asked_us:
                for approver in deed.approvers:
                    asked = deed.request_id or str(deed.n)
                    took[approver, deed.where.person][asked] = deed.answered_us - deed.asked_us
        self._friends = {
            pair for pair, each in took.items()
            if len(each) >= FEW_YESES and median(each.values()) < RUBBER_US
        }  # fmt: skip

    def among(self, deed: Deed) -> set[str]:
        """Those who approved it, and did not look."""
        person = deed.where.person
        return {
            one for one in deed.approvers if one in self._always or (one, person) in self._friends
        }


class _Circles:
    """Who approves for whom, and who of them keep to themselves."""

    def __init__(self, deeds: Iterable[Deed]) -> None:
        self._gave: dict[str, Counter[str]] = defaultdict(Counter)
        for deed in deeds:
            if deed.answer is Answer.APPROVED:
                self._gave[deed.where.person].update(deed.approvers)
        self._closed: dict[tuple[str, str], bool] = {}

    def closed(self, deed: Deed) -> bool:
        """Whether all who approved it and who asked approve one another, and hardly anybody else."""
        asker = deed.where.person
        return bool(deed.approvers) and all(self._pair(asker, one) for one in deed.approvers)

    def _pair(self, asker: str, approver: str) -> bool:
        known = self._closed.get((asker, approver))
        if known is None:
            known = self._closed[asker, approver] = asker == approver or (
                asker in self._gave.get(approver, ())
                and (self._mostly(asker, approver) or self._ring(asker))
            )
        return known

    def _mostly(self, one: str, other: str) -> bool:
        """Whether each has most of his approvals from the other."""
        return all(
            self._gave[a][b] * 2 > self._gave[a].total() for a, b in ((one, other), (other, one))
        )

    def _ring(self, asker: str) -> bool:
        """Whether whoever approves for him, and for those, and so on, are a few persons in all."""
        ring, waiting = {asker}, [asker]
        while waiting and len(ring) <= SMALL_RING:
            fresh = set(self._gave.get(waiting.pop(), ())) - ring
            ring |= fresh
            waiting += fresh
        return len(ring) <= SMALL_RING
