"""The corpus: every statement has the class, verb and facts that are written beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sql_world import one

from gatekeep.domain.actions import SqlClass, SqlFacts

_FILE = Path(__file__).parent.parent / "corpora" / "sql" / "statements.yaml"


def _cases() -> list[tuple[str, str, str, str]]:
    cases = []
    for line in _FILE.read_text().splitlines():
        if not line.startswith("- "):
            continue
        parts = [part.strip() for part in line[2:].split(" | ")]
        cases.append((parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else ""))
    return cases


CASES = _cases()


def _holds(facts: SqlFacts, expected: str) -> bool:
    if expected[0] in "+-":
        name, member = expected[1:].split(":", 1)
        return (member in getattr(facts, name)) == (expected[0] == "+")
    name, value = expected.split("=", 1)
    return str(getattr(facts, name)) == value


def test_the_corpus_is_large_enough() -> None:
    """At least 150 statements, and every class among them."""
    assert len(CASES) >= 150
    assert {case[0] for case in CASES} == {str(one) for one in SqlClass}


@pytest.mark.parametrize(("sql_class", "verb", "text", "more"), CASES)
def test_statement(sql_class: str, verb: str, text: str, more: str) -> None:
    """The facts of one statement."""
    facts = one(text)
    assert (str(facts.sql_class), facts.verb) == (sql_class, verb), facts
    assert [expected for expected in more.split() if not _holds(facts, expected)] == [], facts
