"""Stories of lint: approver groups against the directory (the rest is told in test_loading)."""

from __future__ import annotations

import pytest

from gatekeep.policy.lint import lint, unheard, unknown_approvers, unknown_notified
from gatekeep.policy.loading import examine, load

ASKS = load(
    {
        "a": '@id("x") permit (principal in Group::"e", action in Action::"sql", resource) when '
        '{ context has approval && context.approval.groups.containsAny(["dba:2", "dbaa"]) };'
    }
)


def test_approver_groups_that_nobody_is_in_are_told() -> None:
    """A slip in a group's name would make every ask a deny."""
    (problem,) = unknown_approvers(ASKS.rules, {"dba"})
    assert '"dbaa"' in problem.what
    assert not problem.error


TELLS = load(
    {
        "a": '@id("x") @notify permit (principal in Group::"e", action in Action::"sql", resource);'
        '@id("y") @notify("dbaa") forbid (principal, action == Action::"sql.ddl", resource);'
        '@id("z") forbid (principal, action == Action::"sql.dcl", resource);'
    }
)


def test_a_rule_that_notifies_nobody_is_told() -> None:
    """Without Slack and webhooks, each; with a channel of one group, those of others."""
    assert [one.rule for one in unheard(TELLS.rules, lambda _group: False)] == ["x", "y"]
    (problem,) = unheard(TELLS.rules, lambda group: group == "dbaa")
    assert (problem.rule, problem.error) == ("x", False)
    assert "notifies nobody" in problem.what


def test_a_slip_in_a_group_that_is_notified_is_told() -> None:
    """Its notices would go to the default channel, and nobody would wonder."""
    (problem,) = unknown_notified(TELLS.rules, {"dba"})
    assert (problem.rule, problem.error) == ("y", False)
    assert '"dbaa"' in problem.what


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('permit (principal in Group::"e", action == Action::"audit.read", resource)', True),
        ('permit (principal in Group::"e", action in Action::"gateway", resource)', True),
        ('forbid (principal, action == Action::"session.open", resource)', True),
        ('permit (principal in Group::"e", action == Action::"session.open", resource)', False),
        ('forbid (principal, action in Action::"sql", resource)', False),
    ],
)
def test_what_is_never_told_is_said_at_once(head: str, said: bool) -> None:
    """A rule about gatekeep itself, or one that turns sessions away, would notify nobody."""
    problems = lint(load({"a": f'@id("x") @notify {head};'}).rules)
    assert [one.error for one in problems] == [False] * said


def test_a_standing_rule_does_not_notify() -> None:
    """It decides nothing by itself: the rule that asks does."""
    _, problems = examine(
        {
            "a": '@id("x") @notify permit (principal in Group::"e", action == Action::"sql.read", resource)'
            ' when { context has asked_by && context.asked_by == ["r:0a1b2c3d4e5f"] };'
        }
    )
    assert ["@notify" in one.what for one in problems if one.error] == [True]


def test_a_clean_policy_has_no_problems() -> None:
    """Nothing is said when nothing is to be said."""
    assert lint(ASKS.rules) == []


def test_the_name_that_a_statement_writes_may_stand_beside_the_whole_one() -> None:
    """Sets hold both; alone it is a slip that would never match a table."""
    rule = (
        '@id("x") permit (principal in Group::"e", action == Action::"sql.read", resource)'
        ' when {{ context.tables_read == [{}] }};'
    )
    assert not lint(load({"a": rule.format('"orders", "public.orders"')}).rules)
    for names in ('"orders"', '"orders", "public.customers"', '"Orders", "public.orders"'):
        _, problems = examine({"a": rule.format(names)})
        assert any(problem.error for problem in problems)
