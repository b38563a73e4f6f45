"""Proof over SQL, with rules as `policy.standing` writes them."""

from __future__ import annotations

from dataclasses import replace

from support.proof_world import (
    MEMBERS,
    NOW_US,
    PEOPLE,
    START_US,
    evidence,
    free_slot,
    on_orders,
    sql_deed,
    suggestion,
    version,
)

from gatekeep.domain.suggestions import (
    DAY_US,
    SlotBound,
    SlotScope,
    SourceRule,
    Suggestion,
    SuggestionScope,
)
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.proof import prove
from gatekeep.policy.standing import write_standing

TEMPLATE = sql_deed(0, 0).text
SCOPE = SuggestionScope(
    group="sre", action="sql.write", environment="prod", targets=("orders",), account="app_rw",
    database="shop", labels=("team=shop",), templates=(TEMPLATE,), verb="UPDATE",
    slots=(free_slot(SlotBound.EXACT, "7"),), tables_read=("public.orders",),
    tables_written=("public.orders",),
)  # fmt: skip


def deeds(*values: str) -> list[Deed]:
    """One a day, its values in turn."""
    return [
        sql_deed(n, START_US + n * DAY_US, (values[n % len(values)],), on_orders(PEOPLE[n % 6]))
        for n in range(1, 88)
    ]


def proven(slot: SlotScope, known: list[Deed]) -> Suggestion:
    """A suggestion over one slot, its rule written as the loop writes it."""
    over = version()
    source = over.rule("prod-writes")
    assert source is not None
    sources = (SourceRule(source.id, source.digest),)
    scope = replace(SCOPE, slots=(slot,))
    rule = write_standing(
        "adopted-3f9a12bc", "Let sre do so", "87 of 87 approved", day_of(NOW_US) + 90, scope, sources
    )
    one = suggestion(rule, over, scope=scope, sources=sources)
    return prove(one, evidence(known), over, MEMBERS, NOW_US)


def test_one_statement_with_one_value_passes() -> None:
    """Nothing else would pass by it: no other table, class, database, value or way in."""
    found = proven(free_slot(SlotBound.EXACT, "7"), deeds("7"))
    assert found.safe, [one for one in found.checks if not one.passed]
    assert found.backtest is not None
    assert found.backtest.probes == ()
    assert found.backtest.holdout["ask>allow"] > 0


def test_a_set_of_values_passes_and_no_other() -> None:
    """The values that people approved, and only these."""
    found = proven(free_slot(SlotBound.ANY_OF, "7", "8"), deeds("7", "8"))
    assert found.safe, [one for one in found.checks if not one.passed]


def test_a_value_that_the_last_third_shows_first_is_not_counted_there() -> None:
    """It was not learnt before, so it proves nothing; and it would be said."""
    late = [
        sql_deed(500 + n, NOW_US - (n + 1) * DAY_US, ("9",), on_orders(PEOPLE[n % 6])) for n in range(5)
    ]
    found = proven(free_slot(SlotBound.ANY_OF, "7", "9"), [*deeds("7"), *late])
    held = next(one for one in found.checks if one.name == "hold-out")
    assert held.passed
    assert "5 more would pass only by what the last third itself shows" in held.why
    assert found.backtest is not None
    assert found.backtest.holdout["ask>ask"] == 5


def test_a_denied_value_inside_a_freed_slot_fails_it() -> None:
    """Any order but the one that was refused is not any order."""
    no = sql_deed(900, NOW_US - DAY_US, ("666",), on_orders("ann"), answer=Answer.DENIED)
    found = proven(free_slot(SlotBound.ANY), [*deeds("1", "2", "3", "4", "5", "6"), no])
    history = next(one for one in found.checks if one.name == "history")
    assert not history.passed
    assert "900" in history.why
