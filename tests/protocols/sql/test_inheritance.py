"""What a statement takes from the one behind its name, and when it stays opaque."""

from __future__ import annotations

import pytest
from support.sql_world import PLAIN, WORLD

from gatekeep.domain.actions import NameKind, Naming, SqlFacts
from gatekeep.protocols.sql.inheritance import inherited
from gatekeep.protocols.sql.reading import read_statements


def _last(text: str, behind: str | None) -> SqlFacts:
    """The facts of the last statement, where every name stands for `behind`."""
    return read_statements(text, catalogue=WORLD, vector=PLAIN, sources=lambda _name: behind)[-1]


TAKEN = [
    ("EXECUTE p", "PREPARE p AS SELECT * FROM orders", "read", "SELECT"),
    ("EXECUTE p(1)", "PREPARE p (int) AS DELETE FROM t WHERE id = $1", "write", "DELETE"),
    ("EXECUTE p", "PREPARE p AS SELECT evil()", "procedural", "SELECT"),
    ("EXECUTE p", "SELECT 1", "read", "SELECT"),
    ("EXECUTE p(evil())", "PREPARE p (int) AS SELECT $1", "procedural", "SELECT"),
    ("EXECUTE p('x'::dom)", "PREPARE p AS DELETE FROM t WHERE b = $1", "procedural", "DELETE"),
    ("FETCH 5 FROM c", "DECLARE c CURSOR FOR SELECT * FROM orders", "read", "SELECT"),
    ("MOVE 5 FROM c", "DECLARE c CURSOR FOR SELECT evil()", "procedural", "SELECT"),
    ("UPDATE t SET a = 1 WHERE CURRENT OF c", "DECLARE c CURSOR FOR SELECT * FROM t", "write", "UPDATE"),
    ("DELETE FROM t WHERE CURRENT OF c", "DECLARE c CURSOR FOR SELECT evil()", "procedural", "DELETE"),
    ("UPDATE t SET a = evil() WHERE CURRENT OF c", "DECLARE c CURSOR FOR SELECT 1", "procedural", "UPDATE"),
]  # fmt: skip

OPAQUE = [
    ("EXECUTE p", None),
    ("EXECUTE p", "COMMIT"),
    ("EXECUTE p", "PREPARE q AS SELECT 1"),
    ("EXECUTE p", "SELECT 1; SELECT 2"),
    ("EXECUTE p", "EXECUTE q"),
    ("EXECUTE p", "DO 'x'"),
    ("EXECUTE p", "PREPARE p AS UPDATE t SET a = 1 WHERE CURRENT OF c"),
    ("EXECUTE p", "DECLARE p CURSOR FOR SELECT 1"),
    ("FETCH c", "PREPARE c AS SELECT 1"),
    ("EXPLAIN EXECUTE p", "PREPARE p AS SELECT 1"),
    ("DEALLOCATE p; EXECUTE p", "PREPARE p AS SELECT 1"),
    ("PREPARE p AS SELECT 1; EXECUTE p", "PREPARE p AS SELECT 1"),
    ("SELECT evil(); EXECUTE p", "PREPARE p AS SELECT 1"),
    ("DECLARE c CURSOR FOR SELECT 1; FETCH c", "DECLARE c CURSOR FOR SELECT 1"),
    ("EXPLAIN DELETE FROM t WHERE CURRENT OF c", "DECLARE c CURSOR FOR SELECT * FROM t"),
]


@pytest.mark.parametrize(("text", "behind", "sql_class", "verb"), TAKEN)
def test_what_is_taken(text: str, behind: str, sql_class: str, verb: str) -> None:
    """Class and verb, so that a rule on DELETE holds for its EXECUTE; the source is told beside the text as sent."""
    facts = _last(text, behind)
    assert (str(facts.sql_class), facts.verb, facts.source) == (sql_class, verb, behind), facts
    assert facts.redacted == text
    assert facts.vector_safe is (sql_class != "procedural")


@pytest.mark.parametrize(("text", "behind"), OPAQUE)
def test_what_stays_opaque(text: str, behind: str | None) -> None:
    """Not known, no plain query, another name's, or a name that this text may have changed."""
    facts = _last(text, behind)
    assert str(facts.sql_class) == "opaque", facts
    assert not facts.source


def test_tables_tags_and_template_are_the_sources_too() -> None:
    """The same EXECUTE of two statements has two templates: no approval of one is for both."""
    first = _last("EXECUTE p", "PREPARE p AS DELETE FROM orders")
    second = _last("EXECUTE p", "PREPARE p AS DELETE FROM t")
    assert "public.orders" in first.tables_written
    assert "destructive" in first.tags
    assert first.template != second.template


def test_names_are_as_the_target_keeps_them() -> None:
    """Folded unless quoted, and cut at 63 bytes."""
    for text, name in (
        ("EXECUTE P", "p"), ('EXECUTE "P"', "P"), (f"EXECUTE {'a' * 70}", "a" * 63),
    ):  # fmt: skip
        facts = read_statements(text, catalogue=WORLD, vector=PLAIN)[0]
        assert facts.takes == Naming(NameKind.STATEMENT, name)
        assert inherited(facts, (), "") is facts
