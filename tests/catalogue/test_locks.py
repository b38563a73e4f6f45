"""The modes of locks are those that a real target takes, and they conflict as it says."""

from __future__ import annotations

import itertools

import asyncpg
import pytest
from support import builders
from support.lab import Lab

from gatekeep.catalogue import locks
from gatekeep.domain.actions import SqlClass
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import read_statements

MODES = (
    "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE",
    "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
)  # fmt: skip
STATEMENTS = (
    "SELECT * FROM t",
    "SELECT * FROM t FOR UPDATE",
    "INSERT INTO t VALUES (9)",
    "INSERT INTO t SELECT id FROM u",
    "UPDATE t SET id = 1",
    "DELETE FROM t USING u",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE",
    "EXPLAIN DELETE FROM t",
    "TRUNCATE t",
    "LOCK TABLE t IN SHARE MODE",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN n int",
    "ALTER TABLE t RENAME TO v",
    "COMMENT ON TABLE t IS 'x'",
    "ANALYZE t",
    "CREATE INDEX ON t (id)",
    "CREATE TRIGGER g BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION tg()",
    "CREATE RULE r AS ON DELETE TO t DO ALSO SELECT 1",
    "CREATE POLICY p ON t USING (true)",
    "COPY t TO STDOUT",
)
SURE = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE INDEX"}


async def test_conflicts_are_those_of_the_target(lab: Lab) -> None:
    """Each pair of modes, tried with two sessions."""
    await lab.run("CREATE TABLE t (id int)")
    one, two = await lab.connect(), await lab.connect()
    try:
        for mine, other in itertools.product(MODES, MODES):
            await one.execute(f"BEGIN; LOCK t IN {mine} MODE")
            try:
                await two.execute(f"BEGIN; LOCK t IN {other} MODE NOWAIT")
                refused = False
            except asyncpg.LockNotAvailableError:
                refused = True
            assert locks.conflicts(mine, other) is refused, (mine, other)
            await one.execute("ROLLBACK")
            await two.execute("ROLLBACK")
    finally:
        await one.close()
        await two.close()


async def test_a_statement_takes_no_stronger_lock_than_is_told(lab: Lab) -> None:
    """And of queries and the like exactly that one, on every table that they name."""
    await lab.run(
        "CREATE TABLE t (id int); CREATE TABLE u (id int); CREATE TABLE w (id int, n int);"
        "INSERT INTO t VALUES (1);"
        "CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$"
    )
    view = await lab.look()
    connection = await lab.connect()
    try:
        for text in STATEMENTS:
            facts = read_statements(text, catalogue=view, vector=SessionVector())
            wanted = locks.wanted(facts)
            await connection.execute(f"BEGIN; {text}" if "STDOUT" not in text else "BEGIN")
            taken = await _taken(connection)
            await connection.execute("ROLLBACK")
            for table, mode in taken.items():
                told = wanted.get(table, "")
                assert locks.strength(mode) <= locks.strength(told), (text, table, mode, told)
                if facts[0].verb in SURE:
                    assert mode == told, (text, table)
    finally:
        await connection.close()


async def _taken(connection: asyncpg.Connection) -> dict[str, str]:
    """What this session has locked, by table, strongest."""
    taken: dict[str, str] = {}
    rows = await connection.fetch(
        "SELECT n.nspname || '.' || c.relname AS name, l.mode FROM pg_locks l"
        " JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE l.pid = pg_backend_pid() AND c.relname IN ('t', 'u', 'w')"
    )
    for row in rows:
        mode = locks.spelt(row["mode"])
        taken[row["name"]] = locks.stronger(taken.get(row["name"], "ACCESS SHARE"), mode)
    return taken


@pytest.mark.parametrize(
    ("verb", "mode"),
    [
        ("PREPARE DELETE", "ROW EXCLUSIVE"),
        ("DECLARE SELECT", "ACCESS SHARE"),
        ("DROP FUNCTION", "ACCESS SHARE"),
        ("ALTER TABLE OWNER", "ACCESS EXCLUSIVE"),
        ("VACUUM", "ACCESS EXCLUSIVE"),
    ],
)
def test_what_cannot_be_tried_in_a_transaction(verb: str, mode: str) -> None:
    """By its verb alone; what locks no table that it is told to write only reads it."""
    tables = frozenset({"public.t"})
    fact = builders.facts(SqlClass.WRITE, verb, tables_written=tables, tables_read=tables)
    assert locks.wanted([fact]) == {"public.t": mode}


def test_modes_are_spelt_as_in_the_manual() -> None:
    """From the names in pg_locks; what is none of them is weaker than all."""
    assert locks.spelt("AccessExclusiveLock") == "ACCESS EXCLUSIVE"
    assert locks.spelt("ShareRowExclusiveLock") == "SHARE ROW EXCLUSIVE"
    assert [locks.strength(mode) for mode in MODES] == list(range(1, 9))
    assert locks.strength("SIReadLock") == 0
    assert not locks.conflicts("SIReadLock", "ACCESS EXCLUSIVE")
