"""What may be planned before anybody approved: one query whose every part would be proven."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sql_world import PLAIN, WORLD, read

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import sight as words
from gatekeep.protocols.sql.below_proof import Below, read_below
from gatekeep.protocols.sql.parse import parse_statements

EXPLAIN = "EXPLAIN (FORMAT JSON) "
PREPARE = "PREPARE gk_sight AS "


def below(
    text: str,
    *,
    view: CatalogueView | None = WORLD,
    vector: SessionVector = PLAIN,
    trusted: frozenset[str] = frozenset(),
    parameters: bool = False,
) -> Below:
    """Judged in the world of the shop."""
    return read_below(
        text, catalogue=view, vector=vector, trusted_code=trusted, parameters=parameters
    )


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("DELETE FROM orders", "public.orders"),
        ("DELETE FROM orders o USING customers c WHERE c.id = o.customer_id", "public.orders"),
        ("UPDATE app.orders SET note = 'x' WHERE id = 1", "app.orders"),
        ("INSERT INTO t SELECT * FROM t", "public.t"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2", "public.t"),
        ("MERGE INTO t USING orders o ON t.id = o.id WHEN MATCHED THEN DELETE", "public.t"),
        ("SELECT * FROM orders WHERE id = 1 FOR UPDATE", "public.orders"),
        ("WITH c AS (SELECT 1 AS id) SELECT * FROM c", ""),
        ("WITH orders AS (SELECT 1 AS id) SELECT * FROM orders", ""),
        ("SELECT * FROM orders, customers", ""),
        ("(SELECT id FROM orders) UNION SELECT id FROM t", ""),
        ("VALUES (1)", ""),
        ("DELETE FROM triggered", "public.triggered"),
    ],
)
def test_what_is_proven_is_planned(text: str, table: str) -> None:
    """Also over a table with triggers: they run with the statement only."""
    assert below(text) == Below(EXPLAIN + text, "", table)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("DELETE FROM orders WHERE id = evil()", "runs public.evil"),
        ("DELETE FROM orders WHERE id === 1", "runs operator public.==="),
        ("UPDATE orders SET status = 'x'::dom", "a type runs public.evil"),
        ("DELETE FROM orders o WHERE o.evil = 1", "runs public.evil"),
        ("SELECT lower('X')", "runs app.lower"),
        ("DELETE FROM dangerous", "public.dangerous runs public.evil"),
        ("INSERT INTO dangerous VALUES (1)", "public.dangerous runs public.evil"),
        ("INSERT INTO t SELECT id FROM dangerous", "public.dangerous runs public.evil"),
        ("SELECT nextval('s')", "runs nextval"),
        ("DELETE FROM nowhere", "table nowhere is not known"),
        ("UPDATE pg_settings SET setting = 'off'", "runs system relation pg_catalog.pg_settings"),
        ("DELETE FROM orders; SELECT 1", words.SEVERAL),
        ("SELECT 1; EXPLAIN ANALYZE DELETE FROM orders", words.SEVERAL),
        ("WITH d AS (DELETE FROM orders RETURNING 1) DELETE FROM t", words.WRITES_WITHIN),
        ("WITH d AS (DELETE FROM orders RETURNING 1) SELECT 1", words.WRITES_WITHIN),
        ("DELETE FROM orders WHERE id IN (SELECT id FROM t FOR SHARE)", words.LOCKS_WITHIN),
        ("SELECT * INTO n FROM orders", words.MAKES_TABLE),
        ("UPDATE orders SET id = 1 WHERE CURRENT OF c", words.TURNS_ON_CURSOR),
        ("TRUNCATE orders", "TRUNCATE has no plan"),
        ("DO $$ BEGIN END $$", "DO has no plan"),
        ("EXPLAIN DELETE FROM orders", "EXPLAIN has no plan"),
        ("EXECUTE p", "EXECUTE has no plan"),
        ("COPY orders TO STDOUT", "COPY has no plan"),
        ("nonsense", words.NOT_UNDERSTOOD),
        ("", words.NOT_UNDERSTOOD),
        ("SELECT 1" + "+1" * 30_000, words.NOT_UNDERSTOOD),
    ],
)
def test_what_is_not_proven_has_a_reason(text: str, why: str) -> None:
    """And no text that could be sent, with bound values or without."""
    for parameters in (False, True):
        judged = below(text, parameters=parameters)
        assert judged.plan == ""
        assert judged.broken.endswith(why)


def test_nothing_is_planned_where_nothing_is_proven() -> None:
    """Without a catalogue, under temporary objects, another string syntax, another path."""
    text = "DELETE FROM orders WHERE status = 'x'"
    for changes in (
        {"view": None},
        {"vector": SessionVector(temp_objects=True)},
        {"vector": SessionVector(standard_conforming_strings="off")},
        {"vector": SessionVector(client_encoding="LATIN1")},
        {"vector": SessionVector(search_path="public, pg_catalog")},
        {"vector": SessionVector(session_replication_role="replica")},
    ):
        judged = below(text, **changes)  # type: ignore[arg-type] # one change at a time
        assert judged.plan == ""
        assert judged.broken.startswith("nothing is proven here (")


def test_the_owner_may_trust_a_name_here_too() -> None:
    """As for `read`: what he trusts counts as reviewed."""
    text = "DELETE FROM orders WHERE id = evil()"
    assert below(text, trusted=frozenset({"public.evil"})).plan == EXPLAIN + text


def test_bound_values_make_it_a_prepare() -> None:
    """Its plan is made without them."""
    text = "DELETE FROM orders WHERE id = $1"
    assert below(text, parameters=True) == Below(PREPARE + text, "", "public.orders")


@pytest.mark.parametrize(
    "text",
    [
        "-- why\nDELETE FROM orders -- all of it\n;",
        "/* a /* b */ */ DELETE FROM orders;",
        " ; ",
        "\n\tDELETE FROM orders ;\n",
    ],
)
def test_comments_and_blanks_change_nothing(text: str) -> None:
    """One statement goes out, whatever surrounds it."""
    judged = below(text)
    assert bool(judged.plan) is ("DELETE" in text)
    if judged.plan:
        assert len(parse_statements(judged.plan) or ()) == 1


_WORDS = """
SELECT DELETE FROM orders WHERE id = evil ( ) 1 $1 'x' :: dom === , ; -- /* */ EXPLAIN ANALYZE
EXECUTE WITH AS UPDATE SET INSERT INTO VALUES RETURNING FOR dangerous t t.evil $$ lower
"""
_PIECES = st.sampled_from([*_WORDS.split(), "\n", "SELECT * FROM", "DELETE FROM t WHERE"])


@given(st.lists(_PIECES, max_size=14), st.booleans())
def test_whatever_comes_is_planned_whole_or_not_at_all(pieces: list[str], parameters: bool) -> None:
    """Never an exception; what goes out is one statement of ours around a proven one."""
    text = " ".join(pieces)
    judged = below(text, parameters=parameters)
    assert bool(judged.plan) is not bool(judged.broken)
    if judged.plan:
        (statement,) = parse_statements(judged.plan) or ()
        assert statement.kind == ("prepare_stmt" if parameters else "explain_stmt")
        (facts,) = read(text)
        proven = SqlClass.READ if facts.verb == "SELECT" else SqlClass.WRITE
        assert facts.sql_class is proven or "row_locks" in facts.tags
        assert facts.functions == frozenset()
