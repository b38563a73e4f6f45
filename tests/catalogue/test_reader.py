"""The catalogue look-up and the proof of `read`, against a real PostgreSQL 18."""

from __future__ import annotations

import contextlib
import re

import asyncpg
from support.attacks import ATTACKS, SETUP, SHADOWS
from support.lab import Lab
from support.plain_reads import PLAIN_READS, SHOP

from gatekeep.domain.actions import SqlClass, SqlFacts
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import parameters_unproven, read_statements

UNDER_LAB = SessionVector(search_path="lab")
NEEDS_XML = re.compile(r"xml", re.IGNORECASE)
WRITTEN = """
SELECT (SELECT pg_catalog.count(*) FROM lab.trace) + (SELECT last_value FROM lab.seq)
  + (SELECT is_called::int FROM lab.seq)
  + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata)
  + (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relkind = 'r')
"""


async def _wrote(connection: asyncpg.Connection, statement: str) -> bool:
    """Execute and undo; whether anything was written meanwhile."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        before = await connection.fetchval(WRITTEN)
        await connection.execute(statement)
        return await connection.fetchval(WRITTEN) != before
    finally:
        await transaction.rollback()


def _one(text: str, view: CatalogueView, vector: SessionVector = UNDER_LAB) -> SqlFacts:
    (facts,) = read_statements(text, catalogue=view, vector=vector)
    return facts


async def test_every_family_writes_and_none_is_read(lab: Lab) -> None:
    """Each statement of C1, executed, writes; and not one of them is classed `read`."""
    await lab.run(SETUP)
    view = await lab.look()
    silent, proven = [], []
    for family, statement in ATTACKS:
        # Sequences are not undone: each attack gets a session and a sequence of its own.
        await lab.run("ALTER SEQUENCE lab.seq RESTART")
        connection = await lab.connect(search_path="lab")
        try:
            if not NEEDS_XML.search(statement) and not await _wrote(connection, statement):
                silent.append((family, statement))
        finally:
            await connection.close()
        if _one(statement, view).sql_class is SqlClass.READ:
            proven.append((family, statement))
    assert silent == []
    assert proven == []


async def test_under_the_second_wall_nothing_is_written(lab: Lab) -> None:
    """The same statements in a session opened read-only leave no row behind."""
    await lab.run(SETUP)
    for _, statement in ATTACKS:
        connection = await lab.connect(search_path="lab", default_transaction_read_only="on")
        try:
            before = await connection.fetchval("SELECT count(*) FROM lab.trace")
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(statement)
            assert await connection.fetchval("SELECT count(*) FROM lab.trace") == before
        finally:
            await connection.close()


async def test_shadows_write_and_are_not_read(lab: Lab) -> None:
    """Temporary objects before pg_catalog, and pg_catalog last: executed, written, not proven."""
    await lab.run(SETUP)
    for before, statement in SHADOWS:
        connection = await lab.connect(search_path="lab")
        try:
            await connection.execute(before)
            assert await _wrote(connection, statement), statement
            vector = SessionVector(
                search_path=await connection.fetchval("SHOW search_path"),
                temp_objects=await connection.fetchval("SELECT pg_my_temp_schema() <> 0"),
            )
        finally:
            await connection.close()
        facts = _one(statement, await lab.look(), vector)
        assert facts.sql_class is not SqlClass.READ, statement


async def test_plain_reads_are_proven_on_a_clean_database(lab: Lab) -> None:
    """At least nine of ten ordinary reads are `read`, and each of them runs on the target."""
    await lab.run(SHOP)
    view = await lab.look()
    connection = await lab.connect()
    missed = []
    try:
        for statement in PLAIN_READS:
            await connection.fetch(statement)
            facts = _one(statement, view, SessionVector())
            if facts.sql_class is not SqlClass.READ:
                missed.append((statement, facts.unproven))
    finally:
        await connection.close()
    assert len(missed) * 10 <= len(PLAIN_READS), missed


async def test_names_are_canonical_and_expanded(lab: Lab) -> None:
    """A view, a partition, a parent and the case of letters all lead to the base table (C6)."""
    await lab.run(
        "CREATE TABLE salaries (who text, amount int) PARTITION BY LIST (who);"
        "CREATE TABLE salaries_a PARTITION OF salaries FOR VALUES IN ('a');"
        "CREATE VIEW harmless AS SELECT who AS w, amount AS a FROM salaries;"
        "CREATE VIEW more AS SELECT w FROM harmless"
    )
    view = await lab.look()
    for text in (
        "SELECT * FROM salaries",
        "SELECT * FROM SALARIES",
        'SELECT * FROM public."salaries"',
        "SELECT * FROM salaries_a",
        "SELECT a FROM harmless",
        "SELECT 1 FROM more",
        "DELETE FROM more",
        "WITH x AS (SELECT * FROM harmless) SELECT * FROM x",
    ):
        facts = _one(text, view, SessionVector())
        assert "public.salaries" in facts.tables_read, text
        assert facts.tables_complete, text
    facts = _one("SELECT a FROM harmless", view, SessionVector())
    assert {"public.harmless.a", "public.salaries.amount"} <= facts.columns
    assert "harmless" in facts.tables_read
    facts = _one("SELECT s.amount FROM salaries s", view, SessionVector())
    assert "public.salaries.amount" in facts.columns
    assert "public.salaries.who" not in facts.columns
    assert facts.columns_complete
    facts = _one("SELECT * FROM salaries", view, SessionVector())
    assert "public.salaries.who" in facts.columns
    assert not _one("SELECT * FROM nowhere", view, SessionVector()).tables_complete


async def test_a_cte_hides_a_table_only_where_it_is_seen(lab: Lab) -> None:
    """The name of a CTE outside its scope is the table again."""
    await lab.run("CREATE TABLE salaries (who text); CREATE TABLE b (c int)")
    view = await lab.look()
    seen = _one("WITH salaries AS (SELECT 1) SELECT * FROM salaries", view, SessionVector())
    assert seen.tables_read == frozenset()
    for text in (
        "SELECT * FROM (WITH salaries AS (SELECT 1) SELECT * FROM salaries) x, salaries",
        "WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries",
        "WITH a AS (SELECT * FROM salaries), salaries AS (SELECT 1) SELECT * FROM a",
        "WITH salaries AS (SELECT 1) SELECT * FROM public.salaries",
        "WITH salaries AS (SELECT 1) DELETE FROM salaries",
    ):
        assert "public.salaries" in _one(text, view, SessionVector()).tables_read, text


async def test_writes_with_code_behind_them_cut_the_segment(lab: Lab) -> None:
    """A write is vector-safe only without triggers, rules and code in defaults; cascades count."""
    await lab.run(
        SETUP + "CREATE TABLE lab.plain (id serial PRIMARY KEY, n numeric CHECK (n > 0), t text);"
        "CREATE TABLE lab.triggered (id int REFERENCES lab.plain ON DELETE CASCADE);"
        "CREATE FUNCTION lab.tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE DELETE ON lab.triggered EXECUTE FUNCTION lab.tg();"
        "CREATE TABLE lab.defaulted (id int, n int DEFAULT lab.spy('x'));"
        "CREATE TABLE lab.ruled (id int);"
        "CREATE RULE r AS ON INSERT TO lab.ruled DO ALSO SELECT 1"
    )
    view = await lab.look()
    safe = _one("INSERT INTO orders (id, status) VALUES (1, 'x')", view)
    assert safe.sql_class is SqlClass.WRITE
    assert safe.vector_safe, safe.unproven
    for text in (
        "DELETE FROM triggered",
        "DELETE FROM plain WHERE id = 1",
        "INSERT INTO defaulted (id) VALUES (1)",
        "INSERT INTO ruled VALUES (1)",
        "INSERT INTO orders VALUES (spy('x'))",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
    ):
        assert not _one(text, view).vector_safe, text
    assert _one("INSERT INTO painted VALUES ('red')", view).vector_safe is False


async def test_a_parameter_of_a_domain_type_may_run_code(lab: Lab) -> None:
    """Bind values of a type that checks itself with user code are told apart by their oid."""
    await lab.run(SETUP + "CREATE TYPE lab.mood AS ENUM ('ok')")
    view = await lab.look()
    connection = await lab.connect(search_path="lab")
    try:
        dom = await connection.fetchval("SELECT 'dom'::regtype::oid")
        mood = await connection.fetchval("SELECT 'mood'::regtype::oid")
    finally:
        await connection.close()
    assert parameters_unproven((23, 0, mood), view) == ""
    assert parameters_unproven((23, dom), view) != ""
    assert parameters_unproven((mood,), None) != ""


async def test_the_epoch_changes_with_the_content(lab: Lab) -> None:
    """Two looks at one state agree; a new function changes the epoch."""
    first = await lab.look()
    assert (await lab.look()).epoch == first.epoch
    await lab.run("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    assert (await lab.look()).epoch != first.epoch
    assert first.account == lab.role
    assert not first.superuser
    assert first.search_path == '"$user", public'


async def test_the_owner_may_trust_a_name(lab: Lab) -> None:
    """`trusted_code` lets a function count as reviewed, and the facts say so."""
    await lab.run(SETUP)
    (facts,) = read_statements(
        "SELECT imm('x')", catalogue=await lab.look(), vector=UNDER_LAB,
        trusted_code=frozenset({"lab.imm"}),
    )  # fmt: skip
    assert facts.sql_class is SqlClass.READ
    assert "trusted_code" in facts.tags


async def test_a_hostile_search_path_does_not_reach_the_look_up(lab: Lab) -> None:
    """Objects that shadow pg_catalog for this account run nothing while we look."""
    await lab.run(SETUP)
    await lab.run(
        "CREATE FUNCTION lab.array_agg_spy() RETURNS int LANGUAGE sql AS $$SELECT 1$$;"
        "CREATE FUNCTION lab.int4ne(int, int) RETURNS bool LANGUAGE sql AS"
        " $$ SELECT lab.spy('look') = 1 $$;"
        "CREATE OPERATOR lab.<> (FUNCTION = lab.int4ne, LEFTARG = int, RIGHTARG = int);"
        "CREATE VIEW lab.pg_proc AS SELECT lab.spy('look') AS oid"
    )
    await lab.admin(f"ALTER ROLE {lab.role} SET search_path = lab, pg_catalog")
    connection = await lab.connect()
    try:
        count = "SELECT pg_catalog.count(*) FROM lab.trace"
        before = await connection.fetchval(count)
        view = await lab.look()
        assert view.search_path == "lab, pg_catalog"
        assert await connection.fetchval(count) == before
    finally:
        await connection.close()


RANGES = """
CREATE FUNCTION apart(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN $1 - $2; END $$;
CREATE FUNCTION fine(float8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
CREATE DOMAIN checked AS float8 CHECK (fine(VALUE));
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE taught AS RANGE (subtype = float8, subtype_diff = apart);
CREATE TYPE guarded AS RANGE (subtype = checked);
CREATE FUNCTION spanned(span) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;
CREATE TABLE plain (s span, several span_multirange);
CREATE TABLE odd (t taught_multirange);
"""


async def test_ranges_that_users_made(lab: Lab) -> None:
    """Their constructors run what the type runs: nothing, a difference function, a subtype's CHECK."""
    await lab.run(RANGES)
    view = await lab.look()
    free = (
        "SELECT '[1,2)'::span, span(1, 2), span(1, 2, '[]'), '{}'::span_multirange",
        "SELECT span_multirange(span(1, 2)), span_multirange(span(1, 2), span(3, 4))",
        "SELECT * FROM plain WHERE s @> 1.5::float8 AND several && s",
        "SELECT lower(s), range_merge(several), p.several FROM plain p",
    )
    for text in free:
        await lab.run(text)
        assert _one(text, view, SessionVector()).sql_class is SqlClass.READ, text
    for text in (
        "SELECT '[1,2)'::taught",
        "SELECT taught(1, 2)",
        "SELECT taught_multirange(taught(1, 2))",
        "SELECT '{[1,2)}'::taught_multirange",
        "SELECT * FROM odd",
        "SELECT '[1,2)'::guarded",
        "SELECT guarded_multirange()",
        "SELECT spanned(s) FROM plain",
        "SELECT p.spanned FROM plain p",
    ):
        assert _one(text, view, SessionVector()).sql_class is SqlClass.PROCEDURAL, text
