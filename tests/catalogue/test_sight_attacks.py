"""No look for an approver runs what the statement's author wrote (12-threats C3).

The spy tells the server's diagnostics that it ran, which no roll-back takes back, and notifies
whoever listens. What is listed in `support.attacks` reaches it by every way that is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
from support.attacks import ATTACKS, PLANNED, SETUP, SHADOWS
from support.lab import Lab
from support.seeing import LAB, Seeing

from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import sight as words

SPY = """
CREATE OR REPLACE FUNCTION lab.spy(w text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE LOG 'spied % in %', w, pg_catalog.current_database();
  PERFORM pg_catalog.pg_notify('spied', w);
  BEGIN
    INSERT INTO lab.trace VALUES (w);
  EXCEPTION WHEN read_only_sql_transaction THEN NULL;
  END;
  RETURN 1;
END $$;
DELETE FROM lab.trace;
"""
THIEF = """
CREATE TABLE lab.secret (word text);
INSERT INTO lab.secret VALUES ('swordfish');
CREATE FUNCTION lab.thief() RETURNS int LANGUAGE plpgsql STABLE AS $$
BEGIN
  RAISE LOG 'spied % in %', (SELECT word FROM lab.secret), pg_catalog.current_database();
  PERFORM pg_catalog.pg_notify('spied', (SELECT word FROM lab.secret));
  RETURN 1;
END $$;
"""


class Trap:
    """A laboratory whose spy is heard wherever it runs."""

    def __init__(self, lab: Lab, listener: asyncpg.Connection) -> None:
        self.lab = lab
        self.seeing = Seeing(lab)
        self.notified: list[str] = []
        self._listener = listener
        self._read = 0

    def note(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        """A notification came."""
        self.notified.append(payload)

    def heard(self) -> list[str]:
        """What the spy said since the last time this was asked."""
        said = self.lab.server.log()
        new, self._read = said[self._read :], len(said)
        return [line for line in new.splitlines() if "spied" in line and self.lab.name in line]

    async def silent(self) -> bool:
        """Whether the spy never ran: not in the log, not in its table, and nobody was notified."""
        rows = await self._listener.fetchval("SELECT count(*) FROM lab.trace")
        return not self.heard() and rows == 0 and self.notified == []


@pytest.fixture
async def trap(lab: Lab) -> AsyncIterator[Trap]:
    """Everything in the list of attacks, and somebody who listens."""
    await lab.run(SETUP + SPY)
    listener = await lab.connect()
    made = Trap(lab, listener)
    await listener.add_listener("spied", made.note)
    made.heard()
    yield made
    await made.seeing.close()
    await listener.close()


_TOPS = (
    "DELETE FROM orders WHERE EXISTS (%s)",
    "UPDATE counted SET n = 1 FROM (%s) AS below WHERE id = 1",
    "INSERT INTO counted SELECT 1, 1 FROM (%s) AS below",
    "DELETE FROM orders USING (%s) AS below",
    "MERGE INTO orders o USING (%s) AS below ON false WHEN MATCHED THEN DO NOTHING",
)


def _within(text: str) -> list[str]:
    """The same below the top of each kind of write."""
    below = text.startswith("SELECT ") and " INTO " not in text
    return [top % text for top in _TOPS] if below else []


async def test_each_of_them_runs_under_a_plain_explain(trap: Trap) -> None:
    """The list is real: asked by hand, the target runs the code of each before anybody approved."""
    silent = []
    for family, text in PLANNED:
        connection = await trap.lab.connect(search_path="lab")
        try:
            await connection.execute(f"BEGIN READ ONLY; EXPLAIN {text}; ROLLBACK")
        finally:
            await connection.close()
        if not trap.heard():
            silent.append((family, text))
    assert silent == []


async def test_no_look_runs_any_of_them(trap: Trap) -> None:
    """Every attack, as it is: there is a reason instead of an estimate, and the spy is silent."""
    estimated = []
    for family, text in (*ATTACKS, *PLANNED):
        sight = await trap.seeing.look(text, LAB)
        if sight["rows_estimate"] is not None or not sight["no_estimate"]:
            estimated.append((family, text, sight))
        if not await trap.silent():
            pytest.fail(f"ran: {family} {text}")
    assert estimated == []


async def test_nor_below_the_top_of_a_write(trap: Trap) -> None:
    """The same under DELETE, UPDATE, INSERT and MERGE: what runs is named, not planned."""
    planned = []
    for family, attack in (*ATTACKS, *PLANNED):
        for text in _within(attack):
            _, standing = await trap.seeing.asked(text, LAB)
            if standing.plan or not standing.unproven:
                planned.append((family, text))
        for text in _within(attack)[:1]:
            await trap.seeing.look(text, LAB)
    assert planned == []
    assert await trap.silent()


async def test_nor_where_values_are_bound(trap: Trap) -> None:
    """A plan without values folds the rest all the same, so it is proven the same."""
    for text in (
        "DELETE FROM orders WHERE id = $1 AND id = imm('x')",
        "DELETE FROM counted WHERE id = $1 AND n < stb('x')",
        "DELETE FROM orders WHERE status = $1::dom",
        "UPDATE with_domain SET id = $1",
        "INSERT INTO filled (id) VALUES ($1)",
        "DELETE FROM guarded WHERE id = $1",
        "SELECT * FROM indexed WHERE id = $1",
        "SELECT * FROM orders WHERE $1 === '1'",
    ):
        sight = await trap.seeing.look(text, LAB, values=1)
        assert (sight["rows_estimate"], "runs" in sight["no_estimate"]) == (None, True), text
    assert await trap.silent()


async def test_nor_in_a_session_that_shadows(trap: Trap) -> None:
    """Temporary objects and a path with pg_catalog last: nothing is planned."""
    for before, text in SHADOWS:
        connection = await trap.lab.connect(search_path="lab")
        try:
            await connection.execute(before)
            vector = SessionVector(
                search_path=await connection.fetchval("SHOW search_path"),
                temp_objects=await connection.fetchval("SELECT pg_my_temp_schema() <> 0"),
            )
            sight = await trap.seeing.look(text, vector)
            assert (sight["rows_estimate"], bool(sight["no_estimate"])) == (None, True), text
        finally:
            await connection.close()
    assert await trap.silent()


async def test_the_name_of_what_runs_is_told(trap: Trap) -> None:
    """Whichever way leads to it."""
    for text, why in (
        ("DELETE FROM orders WHERE id = spy('x')", "runs lab.spy"),
        ("DELETE FROM orders WHERE id === 'x'", "runs operator lab.==="),
        ("DELETE FROM viewed_twice", "lab.viewed_twice runs lab.stb"),
        ("DELETE FROM guarded", "lab.guarded runs lab.stb"),
        ("DELETE FROM indexed", "lab.indexed runs lab.imm"),
        ("DELETE FROM orders WHERE status = 'x'::dom", "a type runs lab.yes"),
        ("DELETE FROM followed", "lab.followed runs lab.imm"),
        ("DELETE FROM nowhere", "table nowhere is not known"),
    ):
        sight = await trap.seeing.look(text, LAB)
        assert sight["no_estimate"] == why
        assert words.rows(sight).startswith(f"no estimate: {why}")


async def test_a_secret_is_not_read_by_a_function_of_the_where(trap: Trap) -> None:
    """C3 as it was found: a STABLE function that tells what it may not, by NOTIFY."""
    await trap.lab.run(THIEF)
    sight = await trap.seeing.look("DELETE FROM lab.orders WHERE id = lab.thief()")
    assert sight["no_estimate"] == "runs lab.thief"
    await asyncio.sleep(0)
    assert await trap.silent()


async def test_triggers_do_not_matter_to_a_plan(trap: Trap) -> None:
    """They run with the statement, not before: there is an estimate, and they stay silent."""
    await trap.lab.run(
        "CREATE FUNCTION lab.tg() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM lab.spy('trigger'); RETURN NULL; END $$;"
        "CREATE TABLE lab.watched (id int PRIMARY KEY);"
        "CREATE TABLE lab.led (id int REFERENCES lab.watched ON DELETE CASCADE);"
        "CREATE TRIGGER t BEFORE DELETE ON lab.watched FOR EACH STATEMENT EXECUTE FUNCTION lab.tg();"
        "CREATE TRIGGER t BEFORE DELETE ON lab.led FOR EACH STATEMENT EXECUTE FUNCTION lab.tg();"
        "INSERT INTO lab.watched SELECT generate_series(1, 500); ANALYZE lab.watched"
    )
    sight = await trap.seeing.look("DELETE FROM lab.watched")
    assert (sight["rows_estimate"], sight["no_estimate"]) == (500, "")
    assert await trap.silent()


async def test_ddl_between_proof_and_look_voids_the_proof(trap: Trap) -> None:
    """What came through this gateway meanwhile may have put code below: nothing is planned."""
    action, standing = await trap.seeing.asked("DELETE FROM orders", LAB)
    assert standing.plan
    await trap.lab.run("CREATE INDEX ON lab.orders ((id + lab.imm('late')))")
    await trap.lab.run("DELETE FROM lab.trace")
    trap.heard()
    trap.notified.clear()
    trap.seeing.catalogues.invalidate(trap.seeing.session)
    sight = await trap.seeing.sights.look(trap.seeing.session, action, standing)
    assert sight["no_estimate"] == words.CATALOGUE_CHANGED
    assert await trap.silent()


async def test_settings_of_the_account_open_no_door(trap: Trap) -> None:
    """What an engineer may set for his own log-ins: the look runs under none that matters."""
    role = trap.lab.role
    await trap.lab.run(
        f"ALTER ROLE {role} SET search_path = lab, pg_catalog;"
        f"ALTER ROLE {role} SET constraint_exclusion = on;"
        f"ALTER ROLE {role} SET plan_cache_mode = force_custom_plan;"
        f"ALTER ROLE {role} SET default_transaction_read_only = off"
    )
    await trap.lab.run(
        "CREATE FUNCTION lab.int4ne(int, int) RETURNS bool LANGUAGE sql AS"
        " $$ SELECT lab.spy('look') = 1 $$;"
        "CREATE OPERATOR lab.<> (FUNCTION = lab.int4ne, LEFTARG = int, RIGHTARG = int);"
        "CREATE VIEW lab.pg_locks AS SELECT lab.spy('look') AS pid;"
        "CREATE FUNCTION lab.set_config(text, text, bool) RETURNS int LANGUAGE sql AS"
        " $$ SELECT lab.spy('look') $$"
    )
    trap.heard()
    mine = await trap.lab.connect()
    try:
        pid = mine.get_server_pid()
        sight = await trap.seeing.look("DELETE FROM orders", LAB, pid=pid)
        assert sight["no_estimate"] == ""
        assert sight["blocked_by"] == []
        keyed = await trap.seeing.look("SELECT * FROM keyed1 WHERE id = 5", LAB, pid=pid)
        assert keyed["no_estimate"] == "lab.keyed1 runs lab.imm"
    finally:
        await mine.close()
    assert await trap.silent()


async def test_a_plan_that_should_not_have_been_asked_for_still_cannot_write(trap: Trap) -> None:
    """The second wall: whatever the caller claims, the transaction only reads and is never ended."""
    action, standing = await trap.seeing.asked("DELETE FROM orders WHERE id = imm('x')", LAB)
    forced = replace(
        standing, unproven="", plan="EXPLAIN (FORMAT JSON) DELETE FROM orders WHERE id = imm('x')"
    )
    await trap.seeing.sights.look(trap.seeing.session, action, forced)
    assert trap.heard()
    assert await trap.silent()
