"""The seam to PostgreSQL's own parser."""

from __future__ import annotations

from gatekeep.protocols.sql.parse import MAX_STATEMENTS, parse_statements


def test_a_text_of_very_many_statements_has_no_tree() -> None:
    """Each would be judged by itself, while everybody waits: such a text is one opaque statement."""
    whole = parse_statements("; ".join(["SELECT 1"] * MAX_STATEMENTS))
    assert whole is not None
    assert len(whole) == MAX_STATEMENTS
    assert parse_statements("; ".join(["SELECT 1"] * (MAX_STATEMENTS + 1))) is None
