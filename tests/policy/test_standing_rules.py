"""Stories of standing rules: they answer what a rule asks, and open nothing by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import facts, principal, target
from support.policies import MEMBERS

from gatekeep.domain.actions import SqlClass, SqlFacts, WhereClause
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.errors import SettingsError
from gatekeep.policy.engine import Engine
from gatekeep.policy.lint import silent_rules
from gatekeep.policy.loading import examine, load
from gatekeep.policy.request import Place, sql_questions

ALICE, PROD = principal(), target()
ASKING = """
@id("reads") permit (principal in Group::"engineers", action == Action::"sql.read", resource);
@id("writes") permit (principal in Group::"engineers", action == Action::"sql.write", resource)
when { context has approval && context.approval.groups.contains("dba") };
"""
MARK = next(rule.mark for rule in load({"a.cedar": ASKING}).rules if rule.id == "writes")
HELD = 'permit (principal in Group::"g", action == Action::"sql.read", resource)'
HEAD = '@id("adopted-1") permit (principal in Group::"engineers", action == Action::"sql.write", resource)'
DEMAND = f'context has asked_by && context.asked_by == ["{MARK}"]'
PINNED = (
    f'{HEAD} when {{ {DEMAND} && context has day && context.day < 20000 && context has template &&'  # noqa: S608 - no SQL
    ' context.template == "update t set a = $1:int" && context has slot1 && context.slot1 == "1"'
    ' && !(context has slot2) && context.tables_written == ["public.t"] };\n'
)
LIKE = Likeness("update t set a = $1:int", (LikeSlot("int", "1"),))
WRITE = facts(
    SqlClass.WRITE, "UPDATE", where=WhereClause.PRESENT, tables_written=frozenset({"public.t"})
)


def over(*texts: str) -> Engine:
    """An engine over these texts."""
    return Engine(load({f"{number}.cedar": text for number, text in enumerate(texts)}), MEMBERS)


def answered(engine: Engine, *known: SqlFacts, like: Likeness | None = LIKE, day: int = 1) -> tuple[str, ...]:
    """The standing rules that answer what is asked about these statements."""
    standing = engine.standing(ALICE, PROD)
    questions = sql_questions(Place(ALICE, PROD, "app_rw", "shop"), known, "simple", None)
    decision = engine.decide(standing, questions)
    return engine.standing_rules_for(standing, questions, decision, like, day)


def test_a_standing_rule_is_kept_apart() -> None:
    """It is no rule of decisions, nothing that caches look at, and yet found by its id."""
    with_it, without = load({"a": ASKING, "b": PINNED}), load({"a": ASKING})
    assert (with_it.rules, with_it.reads) == (without.rules, without.reads)
    assert [rule.id for rule in with_it.standing] == ["adopted-1"]
    found = with_it.rule("adopted-1")
    assert found is not None
    assert found.standing
    assert with_it.digest != without.digest


def test_it_answers_what_is_asked() -> None:
    """The very statement, on a day before its end."""
    assert answered(over(ASKING, PINNED), WRITE) == ("adopted-1",)


def test_it_changes_no_decision() -> None:
    """What was asked about is asked about, what was denied is denied."""
    ddl = facts(SqlClass.DDL)
    for known in (WRITE, ddl, facts()):
        decisions = [
            engine.decide(
                engine.standing(ALICE, PROD),
                sql_questions(Place(ALICE, PROD, "app_rw", "shop"), (known,), "simple", None),
            )
            for engine in (over(ASKING), over(ASKING, PINNED))
        ]
        assert replace(decisions[0], policy="") == replace(decisions[1], policy="")


@pytest.mark.parametrize(
    ("like", "day"),
    [
        (None, 1),
        (LIKE, 20_000),
        (Likeness("update t set b = $1:int", LIKE.slots), 1),
        (Likeness(LIKE.template, (LikeSlot("int", "2"),)), 1),
        (Likeness(LIKE.template, ()), 1),
        (Likeness(LIKE.template, (LikeSlot("int", "1"), LikeSlot("int", "2"))), 1),
        (Likeness(LIKE.template, (LikeSlot("int", "1"),) * 10), 1),
    ],
)
def test_it_answers_nothing_else(like: Likeness | None, day: int) -> None:
    """No likeness, its day over, another template, another value, too few or too many."""
    assert answered(over(ASKING, PINNED), WRITE, like=like, day=day) == ()


def test_what_is_not_known_for_sure_is_not_answered() -> None:
    """The tables may be more than those."""
    assert answered(over(ASKING, PINNED), replace(WRITE, tables_complete=False)) == ()


def test_every_refused_statement_needs_one() -> None:
    """What passes plainly needs none; one that is not answered is enough for people to be asked."""
    engine = over(ASKING, PINNED)
    other = replace(WRITE, tables_written=frozenset({"public.u"}))
    assert answered(engine, facts(), WRITE) == ("adopted-1",)
    assert answered(engine, WRITE, other) == ()


def test_it_falls_silent_when_the_rule_that_asks_changes() -> None:
    """By one letter of its text, or by another rule that asks as well."""
    assert answered(over(ASKING.replace("resource)\nwhen", "resource) when"), PINNED), WRITE) == ()
    second = (
        '@id("two") forbid (principal, action == Action::"sql.write", resource)'
        ' unless { context has approval && context.approval.groups.contains("dba:2") };'
    )
    assert answered(over(ASKING, second, PINNED), WRITE) == ()


def test_denied_and_allowed_are_not_answered() -> None:
    """Only what is asked about."""
    everything = PINNED.replace('action == Action::"sql.write"', 'action in Action::"sql"')
    engine = over(ASKING, everything)
    assert answered(engine, facts(SqlClass.DDL)) == ()
    assert answered(engine, facts()) == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"forbid (principal, action, resource) when {{ {DEMAND} }};", "action"),
        (
            f'forbid (principal, action == Action::"sql.read", resource) when {{ {DEMAND} }};',
            "only standing rules",
        ),
        (
            HELD + ' when { context has slot3 && context.slot3 == "x" };',
            "context.slot3",
        ),
        (
            HELD + " when { context has day && context.day < 3 };",
            "context.day",
        ),
        (
            f'permit (principal, action == Action::"sql.read", resource) when {{ {DEMAND} }};',
            "for no group",
        ),
        (
            f'permit (principal == Principal::"bob", action == Action::"sql.read", resource) when {{ {DEMAND} }};',
            "for no group",
        ),
        (
            HELD + f" when {{ {DEMAND} }}" + ' when { context has approval && context.approval.groups.contains("dba") };',
            "reads approval",
        ),
        (
            HELD + " when { context has asked_by || true };",
            "which rules it answers",
        ),
        (
            HELD + ' when { context has asked_by && context.asked_by == ["writes"] };',
            "which rules it answers",
        ),
    ],
)
def test_what_no_rule_may_be(text: str, what: str) -> None:
    """Each is an error, and keeps the policy from loading."""
    if what == "action":
        text = text.replace("action,", 'action in Action::"sql",')
        what = "only standing rules"
    version, problems = examine({"a.cedar": f'@id("x") {text}'})
    assert version is None
    assert what in " ".join(one.what for one in problems if one.error)


def test_an_id_is_taken_by_either_kind() -> None:
    """A standing rule and a rule of one id are an error."""
    with pytest.raises(SettingsError, match="has the @id"):
        load({"a": ASKING, "b": PINNED.replace("adopted-1", "reads")})


def test_a_rule_that_answers_what_is_no_more_is_told() -> None:
    """It is silent, which nobody would see."""
    assert silent_rules(load({"a": ASKING, "b": PINNED})) == []
    for changed in (ASKING.replace('"writes"', '"write"'), ASKING.replace("resource)\nwhen", "resource) when")):
        version = load({"a": changed, "b": PINNED})
        (problem,) = silent_rules(version)
        assert MARK in problem.what
        assert not problem.error
        assert version.silent == version.standing
