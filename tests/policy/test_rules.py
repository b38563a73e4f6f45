"""Stories of rules as values: how they and their problems are told."""

from __future__ import annotations

from gatekeep.policy.loading import load
from gatekeep.policy.rules import Problem


def test_a_problem_is_an_error_with_file_line_rule_and_fix() -> None:
    """The same words for people and for SettingsError."""
    problem = Problem("p/a.cedar", 14, "x", "is wrong", "make it right")
    assert problem.sentence() == "p/a.cedar:14: rule x: is wrong"
    error = problem.as_error()
    assert str(error) == "p/a.cedar:14: rule x: is wrong"
    assert error.fix == "make it right"


def test_a_rule_gives_its_why_else_its_title() -> None:
    """People are told the reason in the rule's own words."""
    version = load(
        {
            "a": '@id("x") @title("T") @why("W") forbid (principal, action, resource);'
            '@id("y") @title("T") forbid (principal, action == Action::"sql.read", resource);'
        }
    )
    reasons = {rule.id: rule.reason for rule in version.rules}
    assert reasons == {"x": "W", "y": "T"}
    assert version.rule("x") is version.rules[0]
    assert version.rule("z") is None
