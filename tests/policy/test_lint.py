"""Stories of lint: approver groups against the directory (the rest is told in test_loading)."""

from __future__ import annotations

from gatekeep.policy.lint import lint, unknown_approvers
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
