"""Stories of lint: approver groups against the directory (the rest is told in test_loading)."""

from __future__ import annotations

from gatekeep.policy.lint import lint, unknown_approvers
from gatekeep.policy.loading import load

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
