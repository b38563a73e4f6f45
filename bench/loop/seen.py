"""One organisation over some months under one seed, and what is counted of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Final

from circle import Circle
from days import World
from happened import FIRST_DAY
from organisation import Organisation
from organisations import named
from truth import Truth

from gatekeep.domain.suggestions import Suggestion, SuggestionState
from gatekeep.policy.standing import ADOPTED_FILE

LATE_DAYS: Final = 60
"""What it came to is counted over so many days at the end."""
_COUNTED: Final = frozenset({"reverted", "verified", "expired"})
"""States that are counted under their own name."""


@dataclass(slots=True)
class Seen:
    """Counts of one run. Days count from 0; lists hold one entry each time.

    `asked` and `late_asked` count benign routine work, `waited` and `late_waited` how much of it
    waited for a person. `matches` are those of adopted rules, held samples among them. `left` is
    unwanted work that went out by an adopted rule. `spoilt` is unwanted work that people approved.
    """

    organisation: str
    seed: int
    days: int
    proposed: int = 0
    unsafe: list[str] = field(default_factory=list)
    asked: int = 0
    waited: int = 0
    late_asked: int = 0
    late_waited: int = 0
    matches: int = 0
    wanted_matches: int = 0
    left: int = 0
    spoilt: int = 0
    tried: int = 0
    first_day: int = -1
    in_force: int = 0
    reverted: int = 0
    expired: int = 0
    verified: int = 0
    reasons: list[str] = field(default_factory=list)
    weekly: list[int] = field(default_factory=list)
    never: dict[str, int] = field(default_factory=dict)
    advice: int = 0
    considered: int = 0


@functools.cache
def truth_of(name: str) -> Truth:
    """All that this organisation does not want; worked out once a process."""
    return Truth(named(name))


def live(organisation: Organisation, seed: int, days: int) -> Seen:
    """So many days, with the loop, and everything that loosens accepted."""
    seen = Seen(organisation.name, seed, days)
    truth = truth_of(organisation.name)
    seen.considered = len(truth.asked)

    def proposed(one: Suggestion) -> None:
        seen.proposed += 1
        day = FIRST_DAY + circle.world.day
        seen.unsafe += [f"{one.title}: {bad}" for bad in truth.let_pass(one.rule, day)]

    circle = Circle(
        lambda self: World(organisation, seed, self.collector.feed, self.looked_at),
        proposed,
    )  # fmt: skip
    circle.run(days)
    together = circle.world.texts.get(ADOPTED_FILE, "")
    if together:
        last = FIRST_DAY + circle.world.day
        seen.unsafe += [f"all together: {bad}" for bad in truth.let_pass(together, last)]
    _count_work(seen, circle)
    _count_lives(seen, circle)
    return seen


def _count_work(seen: Seen, circle: Circle) -> None:
    routine = {id(one): one for one in circle.world.organisation.routine}
    late = seen.days - min(LATE_DAYS, seen.days // 3)
    seen.weekly = [0] * ((seen.days + 6) // 7)
    waits: dict[str, list[int]] = {}
    for came in circle.world.came:
        if id(came.work) in routine:
            seen.asked += 1
            seen.waited += came.waited
            seen.weekly[came.day // 7] += came.waited
            if came.day >= late:
                seen.late_asked += 1
                seen.late_waited += came.waited
                waits.setdefault(came.work.name, []).append(came.waited)
        if not came.work.wanted:
            seen.tried += 1
            seen.spoilt += came.waited and came.passed
            seen.left += bool(came.adopted) and came.passed and not came.waited
        if came.adopted:
            seen.matches += 1
            seen.wanted_matches += came.work.wanted
    for name, each in waits.items():
        if sum(each) * 2 > len(each):
            seen.never[name] = sum(each)


def _count_lives(seen: Seen, circle: Circle) -> None:
    for step in circle.steps:
        if step.state is SuggestionState.CANARY:
            seen.in_force += 1
            seen.first_day = step.day if seen.first_day < 0 else seen.first_day
        if step.state.value in _COUNTED:
            setattr(seen, step.state.value, getattr(seen, step.state.value) + 1)
        if step.state is SuggestionState.REVERTED:
            seen.reasons.append(step.reason)
    seen.advice = len(circle.kinds)
