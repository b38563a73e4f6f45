"""The clean catalogue explains statements as an untouched database would have them read."""

from __future__ import annotations

import pytest

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.clean import clean_catalogue
from gatekeep.protocols.sql.reading import read_statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM orders WHERE id = 1", SqlClass.READ),
        ("SELECT o.id FROM sales.orders AS o JOIN customers USING (id)", SqlClass.READ),
        ("SELECT relname FROM pg_class", SqlClass.READ),
        ("SELECT table_name FROM information_schema.tables", SqlClass.READ),
        ("DELETE FROM orders WHERE id = 1", SqlClass.WRITE),
        ("SELECT my_function(1)", SqlClass.PROCEDURAL),
        ("SELECT * FROM pg_temp.x", SqlClass.PROCEDURAL),
        ("SELECT '1'::my_type", SqlClass.PROCEDURAL),
    ],
)
def test_statements_are_classed_as_on_a_database_without_user_code(
    text: str, expected: SqlClass
) -> None:
    """Tables are taken for plain ones; functions and types that nobody made prove nothing."""
    (facts,) = read_statements(text, catalogue=clean_catalogue(), vector=SessionVector())
    assert facts.sql_class is expected


def test_a_written_plain_table_leaves_the_session_vector_known() -> None:
    """No trigger is imagined on a table of an untouched database."""
    (facts,) = read_statements(
        "UPDATE orders SET status = 'paid' WHERE id = 1",
        catalogue=clean_catalogue(),
        vector=SessionVector(),
    )
    assert facts.vector_safe
    assert facts.tables_complete
    assert facts.tables_written >= {"public.orders"}
