"""Bad adoptions, put into force past every check: how long until the loop takes them back.

Half of what matches is unwanted. The rule begins in canary, as every adopted rule does; people look at
its samples as they would at any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from circle import Circle
from days import World
from organisation import Organisation, Work
from reading import Reader

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.suggestions import (
    DAY_US,
    EvidenceVector,
    SlotBound,
    SlotScope,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
    SuggestionState,
)
from gatekeep.feedback.ending import LONGEST_DAYS
from gatekeep.policy.standing import write_standing

RATES: Final = (2.0, 1.0, 0.4)
"""Matches a day."""
SHARE: Final = 0.5
"""How much of them is unwanted."""
WITHIN_DAYS: Final = 7
MOST_DAYS: Final = 28

BAITS: Final = {
    "startup": ("flag", "another flag"),
    "shop": ("ship", "refunded status"),
    "bank": ("remark", "written-off code"),
    "data company": ("label", "another label"),
    "operations": ("rotate", "another pool"),
}
"""By organisation: wanted work, and unwanted work that a rule takes for the same if its values are free."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One bad adoption. Days are those since it came into force, -1 for never.

    `met_day` is when the first unwanted match came, `passed` how many went out in all.
    """

    organisation: str
    seed: int
    rate: float
    stamped: bool
    reverted_day: int
    met_day: int
    passed: int

    @property
    def in_time(self) -> bool:
        """Whether it was taken back within seven days of coming into force."""
        return 0 <= self.reverted_day <= WITHIN_DAYS

    @property
    def in_time_of_match(self) -> bool:
        """Whether no more than seven days lay between the first unwanted match and its end."""
        if self.met_day < 0:
            return True
        return self.reverted_day >= 0 and self.reverted_day - self.met_day <= WITHIN_DAYS


def try_one(organisation: Organisation, seed: int, rate: float, *, stamped: bool) -> Trial:
    """Plant a bad rule and let time pass until it is gone. `stamped`: somebody approves unread."""
    wanted, unwanted = (_work(organisation, name) for name in BAITS[organisation.name])
    alone = replace(
        organisation, routine=(), rare=(), mistakes=(), schemes=(), never=(),
        stamper=organisation.stamper if stamped else "",
    )  # fmt: skip
    circle = Circle(
        lambda self: World(alone, seed, self.collector.feed, self.looked_at),
        searching=False,
    )
    world = circle.world
    world.extra = [(wanted, rate * (1 - SHARE)), (unwanted, rate * SHARE)]
    bad = bait(world, wanted, unwanted)
    circle.plant(bad)
    for _ in range(MOST_DAYS):
        circle.a_day()
        if circle.lives[bad.id].state is SuggestionState.REVERTED:
            break
    state = circle.lives[bad.id].state
    bad_ones = [one for one in world.came if not one.work.wanted]
    return Trial(
        organisation.name, seed, rate, stamped,
        world.day if state is SuggestionState.REVERTED else -1,
        min((one.day for one in bad_ones), default=-1), sum(bool(one.adopted) for one in bad_ones),
    )  # fmt: skip


def _work(organisation: Organisation, name: str) -> Work:
    return next(one for one in (*organisation.routine, *organisation.never) if one.name == name)


def bait(world: World, wanted: Work, unwanted: Work) -> Suggestion:
    """A suggestion to let both pass, as if nothing spoke against it."""
    there = world.organisation.target(wanted.targets[0])
    reader = Reader(world.organisation)
    texts = [*wanted.texts(), *unwanted.texts()]
    read = [reader.read(there.kind, text) for text in texts]
    like = [likeness for _, likeness in read if likeness is not None]
    templates = tuple(sorted({one.template for one in like}))
    slots = len(like[0].slots) if len(templates) == 1 else 0
    action = read[0][0]
    sql = isinstance(action, SqlAction)
    people = world.organisation.people_of(wanted.groups)
    session = world.session(people[0], there.name, wanted.account, wanted.database)
    decision = world.judge(session, action).decision
    rules = [rule for rule in world.version.rules if rule.id in decision.rules]
    fact = action.facts[0]
    scope = SuggestionScope(
        group=wanted.groups[0],
        action=f"sql.{fact.sql_class.value}" if isinstance(action, SqlAction) else fact.action,
        environment=there.environment,
        targets=wanted.targets,
        account=wanted.account,
        database=wanted.database,
        labels=tuple(sorted(there.labels)),
        templates=templates,
        slots=tuple(SlotScope(SlotBound.ANY) for _ in range(slots)),
        verb=fact.verb if sql else "",
        tables_read=tuple(sorted(fact.tables_read)) if sql else (),
        tables_written=tuple(sorted(fact.tables_written)) if sql else (),
    )  # fmt: skip
    sources = tuple(SourceRule(rule.id, rule.mark.partition(":")[2]) for rule in rules)
    day = world.clock.us // DAY_US
    text = write_standing("adopted-bad", "planted", "planted", day + LONGEST_DAYS, scope, sources)
    vector = EvidenceVector(
        asked=40, approved=40, persons=tuple(one.person for one in people), approvers=("a", "b"), days=20
    )
    return Suggestion(
        "S-0badbad0", SuggestionKind.RELAX, "planted", sources, scope, vector, 1.0, 5.0, 1_000.0, "",
        (), rule=text, rule_id="adopted-bad",
    )  # fmt: skip
