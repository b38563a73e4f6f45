"""Reading texts: several statements in one, vectors, odd texts, targets that are not ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sql_world import PLAIN, WORLD, one, read

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import read_statements

HIDDEN = "WITH x AS (SELECT 'a\\', '), d AS (INSERT INTO t VALUES (1)) SELECT 1 --') SELECT 1"


def test_an_empty_text_has_no_statements() -> None:
    """Nothing, blanks, semicolons and comments alone are no statements."""
    for text in ("", "  ", ";", "-- x", "/* x */ ;"):
        assert read(text) == (), text


@pytest.mark.parametrize(
    "first",
    [
        "SELECT evil()",
        "SET search_path = evil",
        "SET ROLE bob",
        "SET standard_conforming_strings = off",
        "RESET ALL",
        "DISCARD ALL",
        "ROLLBACK",
        "ROLLBACK TO a",
        "CREATE TEMP TABLE x (a int)",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "INSERT INTO triggered VALUES (1)",
        "EXECUTE p",
    ],
)
def test_what_follows_a_statement_that_may_change_the_reading_is_opaque(first: str) -> None:
    """In one text, everything after such a statement is opaque (C2)."""
    facts = read(f"SELECT 1; {first}; SELECT 1; SELECT 2")
    assert facts[0].sql_class is SqlClass.READ
    assert [f.sql_class for f in facts[2:]] == [SqlClass.OPAQUE, SqlClass.OPAQUE]
    assert not facts[2].tables_complete


def test_harmless_statements_do_not_cut() -> None:
    """BEGIN, plain SET, proven reads and writes leave what follows readable."""
    facts = read(
        "BEGIN; SET statement_timeout = 5; SELECT 1; INSERT INTO orders VALUES (1);"
        " SAVEPOINT a; RELEASE a; COMMIT; SELECT * FROM orders"
    )
    assert facts[-1].sql_class is SqlClass.READ
    assert len(facts) == 8


@pytest.mark.parametrize(
    "vector",
    [
        replace(PLAIN, standard_conforming_strings="off"),
        replace(PLAIN, standard_conforming_strings="unknown"),
        replace(PLAIN, client_encoding="SJIS"),
    ],
)
def test_where_string_syntax_differs_quotes_are_opaque(vector: SessionVector) -> None:
    """What our parser would read otherwise than the target is not read at all."""
    for text in (HIDDEN, "SELECT 'a'", 'SELECT "a"', "SELECT E'\\n'", "SELECT $$a$$", "SELECT ä"):
        assert [f.sql_class for f in read(text, vector=vector)] == [SqlClass.OPAQUE], text
    assert one("SELECT 1", vector=vector).sql_class is SqlClass.PROCEDURAL
    assert one("ROLLBACK", vector=vector).verb == "ROLLBACK"


@pytest.mark.parametrize(
    "vector",
    [
        replace(PLAIN, session_replication_role="replica"),
        replace(PLAIN, temp_objects=True),
        replace(PLAIN, search_path="public, pg_catalog"),
        replace(PLAIN, search_path='"$user", "pg_catalog"'),
    ],
)
def test_nothing_is_proven_under_such_a_vector(vector: SessionVector) -> None:
    """Temporary objects, replication role and a late pg_catalog void every proof."""
    assert one("SELECT 1", vector=vector).sql_class is SqlClass.PROCEDURAL
    assert not one("INSERT INTO orders VALUES (1)", vector=vector).vector_safe


def test_the_search_path_decides_what_a_name_is() -> None:
    """A bare name is looked up on the path; every match counts."""
    found = one("SELECT * FROM orders", vector=replace(PLAIN, search_path="app, public"))
    assert {"app.orders", "public.orders", "orders"} == found.tables_read
    assert one("SELECT 1", vector=replace(PLAIN, search_path="pg_catalog, app")).sql_class == "read"
    mine = replace(PLAIN, search_path='"$user"', role="app")
    assert one("SELECT * FROM orders", vector=mine).tables_read == {"app.orders", "orders"}


def test_syntax_newer_than_the_target_is_a_call_there() -> None:
    """`json_value(…)` is grammar from 17 on and a user's function before: the name counts."""
    mine = replace(WORLD, functions={"json_value": frozenset({"public.json_value"})})
    text = "SELECT json_value('{}', '$.a')"
    assert one(text).sql_class is SqlClass.READ
    assert one(text, view=mine).unproven == "public.json_value"
    for call in ("json_query('{}', '$')", "json_object('a': 1)", "json_array(1)", "json('1')"):
        named = call.split("(")[0]
        view = replace(WORLD, functions={named: frozenset({f"public.{named}"})})
        assert one(f"SELECT {call}", view=view).sql_class is SqlClass.PROCEDURAL, call


def test_names_beyond_ascii_are_not_proven_where_the_target_folds_them_otherwise() -> None:
    """In a single-byte database encoding the target lower-cases letters that we do not."""
    view = replace(WORLD, encoding="LATIN1")
    assert one("SELECT 1 AS a FROM orders", view=view).sql_class is SqlClass.READ
    assert one("SELECT 'é' FROM orders", view=view).sql_class is SqlClass.READ
    for relation in ("ÉTÉ", "public.ÉTÉ"):
        assert one(f"SELECT * FROM {relation}", view=view).sql_class is SqlClass.PROCEDURAL  # noqa: S608 - a text, never run
    assert one("SELECT upper('x') FROM orders É", view=view).sql_class is SqlClass.READ
    assert one("SELECT é.evil FROM orders É", view=view).sql_class is SqlClass.PROCEDURAL


def test_other_targets_prove_nothing() -> None:
    """No catalogue, another product, too new or too old a version, a poisoned catalogue."""
    for view in (
        None,
        replace(WORLD, product="CockroachDB"),
        replace(WORLD, server_version=190_000),
        replace(WORLD, server_version=120_000),
        replace(WORLD, poison="cast public.evil"),
    ):
        facts = one("SELECT 1", view=view)
        assert facts.sql_class is SqlClass.PROCEDURAL
        assert facts.unproven
        assert one("SELECT * FROM orders", view=None).tables_complete is False


def test_odd_texts_are_opaque() -> None:
    """Zero bytes, lone surrogates and half statements are one opaque statement each."""
    for text in ("SELECT 1\x00; DELETE FROM t", "SELECT '\ud800'", "SELECT (", "\x00", "'"):
        assert [f.sql_class for f in read(text)] == [SqlClass.OPAQUE], repr(text)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    """Garbage yields facts, never an exception, and never `read` by a writing verb."""
    for facts in read_statements(text, catalogue=WORLD, vector=PLAIN):
        assert facts.sql_class in SqlClass


_WORDS = st.sampled_from(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "FROM",
        "WHERE",
        "INTO",
        "orders",
        "t",
        "evil",
        "(",
        ")",
        ",",
        ";",
        "'",
        '"',
        "$$",
        "*",
        "1",
        "a",
        "b",
        "=",
        "AND",
        "OR",
        "NOT",
        "WITH",
        "AS",
        "x",
        "EXPLAIN",
        "ANALYZE",
        "COPY",
        "TO",
        "STDOUT",
        "VALUES",
        "SET",
        "RETURNING",
        "--",
        "/*",
        "*/",
        "E'",
        "::",
        "dom",
        ".",
        "o",
        "evil()",
        "FOR",
        "UPDATE",
        "PREPARE",
        "EXECUTE",
        "nextval('s')",
    ]
)
_WRITING = ("insert ", "update ", "delete ", "evil", "nextval", "::dom", ":: dom", "into")


@given(st.lists(_WORDS, max_size=25))
def test_shuffled_words_that_read_name_nothing_that_writes(words: list[str]) -> None:
    """Whatever is classed `read` holds no writing word outside strings, names and comments."""
    for facts in read(" ".join(words)):
        if facts.sql_class is SqlClass.READ:
            assert not facts.tables_written
            assert not any(name.endswith(("evil", "nextval")) for name in facts.functions)


def test_a_set_in_other_words_needs_firm_ground() -> None:
    """set_config is a SET only where the catalogue is known and nobody made a function of its name."""
    text = "SELECT set_config('jit', 'off', false)"
    assert one(text).sql_class is SqlClass.SESSION
    assert one(text, view=None).sql_class is SqlClass.PROCEDURAL
    overloaded = replace(WORLD, functions={"set_config": frozenset({"app.set_config"})})
    assert one(text, view=overloaded).sql_class is SqlClass.PROCEDURAL
    shadowed = SessionVector(search_path="app, pg_catalog")
    assert one(text, vector=shadowed).sql_class is SqlClass.PROCEDURAL


@given(
    st.sampled_from(["jit", "TimeZone", "search_path", "role", "row_security", "a.b"]), st.data()
)
def test_a_set_in_other_words_changes_what_a_set_changes(setting: str, data: st.DataObject) -> None:
    """Where set_config is `session`, its settings, and whether it is safe, are those of SET."""
    local = data.draw(st.sampled_from(["", "LOCAL "]))
    called = one(f"SELECT set_config('{setting}', 'x', {'true' if local else 'false'})")
    said = one(f"SET {local}{setting} = 'x'")
    assert called.settings == said.settings
    if called.sql_class is SqlClass.SESSION:
        assert called.vector_safe <= said.vector_safe
        assert called.roles == said.roles == frozenset()
    else:
        assert not called.vector_safe
