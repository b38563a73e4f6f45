"""Stories of cases: readable without Python, strict about what they say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from support.builders import facts
from support.policies import READS, engine

from gatekeep.domain.actions import SqlClass, SqlFacts
from gatekeep.errors import SettingsError
from gatekeep.policy.cases import read_cases, report, run_cases

DOCUMENT: dict[str, Any] = {
    "groups": {"engineers": ["alice"], "dba": ["bob"]},
    "targets": {"orders": {"environment": "prod"}},
    "cases": [
        {"name": "a read", "who": "alice", "on": "orders", "action": "sql.read",
         "facts": {"verb": "SELECT", "tables_read": ["public.a"], "where": "present"},
         "expect": "allow", "rule": "reads"},
        {"name": "a statement", "who": "alice", "on": "orders", "statement": "DROP TABLE x",
         "expect": "allow"},
        {"name": "somebody else", "who": "eve", "on": "orders", "action": "sql.read",
         "expect": "deny", "rule": "", "reason": "no rule"},
        {"name": "the gateway", "who": "alice", "action": "audit.read", "expect": "deny"},
    ],
}  # fmt: skip


def _facts_of(text: str, catalogue: str) -> tuple[SqlFacts, ...]:
    assert catalogue == "clean"
    return (facts(SqlClass.DDL, text.partition(" ")[0]),)


def _changed(number: int, **changes: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["cases"][number].update(changes)
    return document


def test_cases_that_hold_are_counted() -> None:
    """Facts given, facts of a statement, sessions and gateway actions all run."""
    over = engine(READS)
    results = run_cases(over, read_cases("c.yaml", DOCUMENT).cases, _facts_of)
    assert report(results, over) == ["4 cases, all as expected"]


@pytest.mark.parametrize(
    ("number", "changes", "line"),
    [
        (0, {"expect": "ask"}, "  orders/a read   expected ask, got allow   (rule reads, rules.cedar:1)"),
        (0, {"rule": "other"}, "  orders/a read   expected rule other, got reads   (rule reads, rules.cedar:1)"),
        (2, {"reason": "because"}, '  orders/somebody else   expected the reason "because", got "no rule permits it"   (no rule)'),
        (1, {"action": "sql.read"}, "  orders/a statement   expected sql.read, got sql.ddl   (rule reads, rules.cedar:1)"),
        (0, {"approvers": ["dba", ["a", "b"]]}, "  orders/a read   expected approvers dba or a and b, got none   (rule reads, rules.cedar:1)"),
    ],
)  # fmt: skip
def test_a_case_that_differs_names_rule_file_and_line(
    number: int, changes: dict[str, Any], line: str
) -> None:
    """The report says what was expected, what came, and where to look."""
    over = engine(READS)
    results = run_cases(over, read_cases("c.yaml", _changed(number, **changes)).cases, _facts_of)
    assert report(results, over) == ["4 cases, 3 as expected, 1 not (exit 8):", line]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"casses": []},
        _changed(0, on="nowhere"),
        _changed(0, who=""),
        _changed(0, expect="perhaps"),
        _changed(0, action="sql.raed"),
        _changed(0, facts={"tables_raed": []}),
        _changed(0, facts={"where": "sometimes"}),
        _changed(0, colour="red"),
        _changed(1, name="a read"),
        {"targets": {"x": {"environmnt": "prod"}}},
    ],
)
def test_a_case_with_a_slip_is_refused(document: Any) -> None:
    """A misspelt case that silently tested something else would be worse than none."""
    with pytest.raises(SettingsError) as caught:
        read_cases("c.yaml", document)
    assert caught.value.file == "c.yaml"
    assert caught.value.fix
