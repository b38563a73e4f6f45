"""What an approver is shown of a held statement: right where it can be known, else why not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from support import builders
from support.lab import Lab
from support.seeing import Seeing

from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import sight as words

KEYS = {
    "verb", "table", "rows_estimate", "rows_total", "bytes_total", "analysed", "indexes",
    "index_used", "no_estimate", "locks_held", "locks_wanted", "blocked_by", "taken_us",
}  # fmt: skip
STOCK = """
CREATE TABLE customers (id int PRIMARY KEY, name text, region int);
INSERT INTO customers SELECT g, 'n' || g, g % 10 FROM generate_series(1, 10000) g;
CREATE INDEX by_name ON customers (name);
CREATE TABLE archive (id int, name text);
CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE parts_b PARTITION OF parts FOR VALUES FROM (1000) TO (2000);
INSERT INTO parts SELECT g, g FROM generate_series(0, 1999) g;
CREATE VIEW shown AS SELECT id, name FROM customers;
ANALYZE customers; ANALYZE parts; ANALYZE parts_a; ANALYZE parts_b;
"""


@pytest.fixture
async def seeing(lab: Lab) -> AsyncIterator[Seeing]:
    """Sights over a small shop."""
    await lab.run(STOCK)
    made = Seeing(lab)
    yield made
    await made.close()


async def test_a_plain_delete_touches_all_rows_without_an_index(seeing: Seeing) -> None:
    """Rows, total, size and the lock it takes; and nobody is in its way."""
    sight = await seeing.look("DELETE FROM customers")
    assert sight.keys() == KEYS
    assert json.loads(json.dumps(sight)) == sight
    assert sight["no_estimate"] == ""
    assert (sight["verb"], sight["table"]) == ("DELETE", "public.customers")
    assert (sight["rows_estimate"], sight["rows_total"]) == (10000, 10000)
    assert sight["index_used"] == ""
    assert sight["indexes"] == ["by_name", "customers_pkey"]
    assert sight["bytes_total"] > 10000
    assert sight["analysed"] is True
    wanted = {"count": 1, "tables": [{"table": "public.customers", "mode": "ROW EXCLUSIVE"}]}
    assert sight["locks_wanted"] == wanted
    assert 0 < sight["taken_us"] < 3_000_000
    assert words.rows(sight) == "about 10,000 rows of 10,000, no index"


@pytest.mark.parametrize(
    ("text", "table", "rows", "index"),
    [
        ("DELETE FROM customers WHERE id = 7", "public.customers", 1, "customers_pkey"),
        ("delete from customers where id = 7 -- one\n;", "public.customers", 1, "customers_pkey"),
        ("UPDATE customers SET region = 1 WHERE name = 'n7'", "public.customers", 1, "by_name"),
        ("UPDATE customers SET region = 1 WHERE region = 3", "public.customers", 1000, ""),
        ("DELETE FROM parts WHERE id < 500", "public.parts", 500, ""),
        ("DELETE FROM parts_b", "public.parts_b", 1000, ""),
        ("DELETE FROM shown WHERE id = 7", "public.shown", 1, "customers_pkey"),
        ("SELECT * FROM customers WHERE id = 7 FOR UPDATE", "public.customers", 1, "customers_pkey"),
        ("SELECT 1 FROM customers c, archive a WHERE c.id = 7", "public.customers", None, None),
        ("INSERT INTO archive VALUES (1, 'a'), (2, 'b')", "public.archive", 2, None),
        ("INSERT INTO archive SELECT id, name FROM customers", "public.archive", 10000, None),
        ("(SELECT id FROM customers WHERE id = 1)", "public.customers", 1, "customers_pkey"),
    ],
)  # fmt: skip
async def test_estimates_are_those_of_the_target(
    seeing: Seeing, text: str, table: str, rows: int | None, index: str | None
) -> None:
    """For each kind of query: the table it is about, its rows, and how they are found."""
    sight = await seeing.look(text)
    assert sight["no_estimate"] == ""
    assert sight["table"] == table
    if rows is not None:
        assert sight["rows_estimate"] == pytest.approx(rows, rel=0.1)
        assert sight["index_used"] == index


async def test_a_merge_is_estimated_by_what_it_joins(seeing: Seeing) -> None:
    """The rows of its source that it would look at."""
    sight = await seeing.look(
        "MERGE INTO archive a USING customers c ON a.id = c.id WHEN MATCHED THEN DO NOTHING"
        " WHEN NOT MATCHED THEN INSERT VALUES (c.id, c.name)"
    )
    assert (sight["verb"], sight["no_estimate"]) == ("MERGE", "")
    assert sight["rows_estimate"] >= 10000


async def test_a_table_that_was_never_analysed_is_a_guess(seeing: Seeing) -> None:
    """There is an estimate, it is not worth much, and the sight says so."""
    sight = await seeing.look("DELETE FROM archive")
    assert sight["rows_estimate"] is not None
    assert (sight["rows_total"], sight["analysed"]) == (None, False)
    assert "never analysed" in words.rows(sight)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TRUNCATE customers", "TRUNCATE has no plan"),
        ("DELETE FROM customers; DELETE FROM archive", words.SEVERAL),
        ("EXPLAIN ANALYZE DELETE FROM customers", "EXPLAIN has no plan"),
        ("SELECT * INTO more FROM customers", words.MAKES_TABLE),
        ("DELETE FROM customers WHERE CURRENT OF c", words.TURNS_ON_CURSOR),
        (
            "WITH gone AS (DELETE FROM archive RETURNING id) DELETE FROM customers",
            words.WRITES_WITHIN,
        ),
        (
            "DELETE FROM customers WHERE id IN (SELECT id FROM archive FOR UPDATE)",
            words.LOCKS_WITHIN,
        ),
    ],
)
async def test_what_is_not_planned_still_has_a_size(seeing: Seeing, text: str, why: str) -> None:
    """No estimate, a reason, and what the catalogue alone can tell."""
    sight = await seeing.look(text)
    assert (sight["rows_estimate"], sight["index_used"]) == (None, None)
    assert sight["no_estimate"] == why
    assert (sight["table"], sight["rows_total"]) == ("public.customers", 10000)


async def test_no_plan_where_the_session_may_mean_something_else(seeing: Seeing) -> None:
    """Temporary objects, an unknown vector, changes in the open transaction: whatever is claimed."""
    text = "DELETE FROM customers"
    _, standing = await seeing.asked(text)
    assert standing.plan
    shadowed = SessionVector(temp_objects=True)
    for changes, why in (
        ({"vector": shadowed, "plan": standing.plan, "unproven": ""}, words.TEMPORARY_OBJECTS),
        ({"vector": None}, words.VECTOR_UNKNOWN),
        ({"open_changes": True}, words.OPEN_CHANGES),
        ({"epoch": "another"}, words.CATALOGUE_CHANGED),
        ({"unproven": "runs lab.spy"}, "runs lab.spy"),
        ({"plan": ""}, words.NOT_UNDERSTOOD),
    ):
        sight = await seeing.look(text, **changes)
        assert (sight["rows_estimate"], sight["no_estimate"]) == (None, why)
    assert (await seeing.look(text, shadowed))["no_estimate"] == words.TEMPORARY_OBJECTS


async def test_the_search_path_is_the_sessions(seeing: Seeing) -> None:
    """The same words reach another table under another path."""
    await seeing.lab.run(
        "CREATE SCHEMA other; CREATE TABLE other.customers (id int);"
        "INSERT INTO other.customers VALUES (1), (2); ANALYZE other.customers"
    )
    there = await seeing.look("DELETE FROM customers", SessionVector(search_path="other, public"))
    assert (there["table"], there["rows_estimate"]) == ("other.customers", 2)
    here = await seeing.look("DELETE FROM customers", SessionVector(search_path="public, other"))
    assert (here["table"], here["rows_estimate"]) == ("public.customers", 10000)


async def test_bound_values_are_left_out_of_the_plan(seeing: Seeing) -> None:
    """A generic plan; the values themselves go nowhere."""
    sight = await seeing.look("DELETE FROM customers WHERE region = $1 AND id < $2", values=2)
    assert sight["no_estimate"] == ""
    assert 1 < sight["rows_estimate"] < 1000
    sight = await seeing.look("UPDATE customers SET name = $1 WHERE id = $2", values=2)
    assert (sight["rows_estimate"], sight["index_used"]) == (1, "customers_pkey")
    untyped = await seeing.look("SELECT $1", values=1)
    assert untyped["rows_estimate"] == 1


async def test_locks_that_are_held_wanted_and_in_the_way(seeing: Seeing) -> None:
    """The session's open transaction, what the statement takes, and who has something against it."""
    mine, other = await seeing.connect(), await seeing.connect()
    try:
        await other.execute(
            "SET application_name = 'night job'; BEGIN; LOCK customers IN SHARE MODE"
        )
        await mine.execute("BEGIN; INSERT INTO archive VALUES (1); SELECT count(*) FROM parts_a")
        sight = await seeing.look("DELETE FROM customers", pid=mine.get_server_pid())
        assert sight["locks_held"] == {
            "count": 2,
            "tables": [
                {"table": "public.archive", "mode": "ROW EXCLUSIVE"},
                {"table": "public.parts_a", "mode": "ACCESS SHARE"},
            ],
        }
        (blocker,) = sight["blocked_by"]
        assert blocker == {
            "table": "public.customers",
            "mode": "SHARE",
            "pid": other.get_server_pid(),
            "account": seeing.account,
            "application": "night job",
            "waiting": False,
        }
        assert words.held(sight) == (
            "the open transaction holds locks on 2 tables (public.archive, public.parts_a)"
        )
        await other.execute("ROLLBACK")
        free = await seeing.look("DELETE FROM customers", pid=mine.get_server_pid())
        assert free["blocked_by"] == []
        assert free["rows_estimate"] == 10000
    finally:
        await mine.close()
        await other.close()


async def test_a_process_that_is_not_the_sessions_is_not_believed(seeing: Seeing) -> None:
    """Behind a pooler the number may be somebody else's: then nothing is said of locks."""
    admin = await asyncpg.connect(seeing.lab.server.dsn(database=seeing.lab.name))
    try:
        await admin.execute("BEGIN; LOCK customers")
        sight = await seeing.look("SELECT 1", pid=admin.get_server_pid())
        assert (sight["locks_held"], sight["blocked_by"]) == (None, None)
    finally:
        await admin.close()


async def test_a_locked_table_is_an_answer_within_three_seconds(seeing: Seeing) -> None:
    """Under ACCESS EXCLUSIVE nothing can be planned: the sight says so, with all that it has."""
    mine, other = await seeing.connect(), await seeing.connect()
    try:
        await other.execute("BEGIN; LOCK customers IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        sight = await seeing.look("DELETE FROM customers", pid=mine.get_server_pid())
        assert time.monotonic() - began < 4.0
        assert sight["taken_us"] < 3_500_000
        assert sight["no_estimate"] == "could not be estimated in 3 s"
        assert words.rows(sight) == (
            "could not be estimated in 3 s; public.customers holds about 10,000 rows"
        )
        assert [one["pid"] for one in sight["blocked_by"]] == [other.get_server_pid()]
        assert words.blocked(sight).startswith(f"would wait: process {other.get_server_pid()}")
        assert sight["rows_total"] == 10000
    finally:
        await mine.close()
        await other.close()


async def test_the_session_itself_may_hold_what_the_look_would_wait_for(seeing: Seeing) -> None:
    """It waits for nobody longer than it may, and leaves no lock and no connection behind."""
    mine = await seeing.connect()
    try:
        await mine.execute("BEGIN; LOCK customers")
        quick = Seeing(seeing.lab, limit_s=0.6)
        sight = await quick.look("DELETE FROM customers", pid=mine.get_server_pid())
        assert sight["no_estimate"] == words.NOT_IN_TIME
        assert sight["blocked_by"] == []
        await mine.execute("ROLLBACK")
        left = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND pid <> $2"
        async with asyncio.timeout(10):
            while await mine.fetchval(left, seeing.account, mine.get_server_pid()):
                pass
        await quick.close()
    finally:
        await mine.close()


async def test_an_account_is_told_nothing_that_it_may_not_see(seeing: Seeing) -> None:
    """Neither an estimate nor a size of a table that it has no right to."""
    lab = seeing.lab
    stranger = f"{lab.role}_s"
    await lab.admin(f"CREATE ROLE {stranger} LOGIN PASSWORD 'x'")
    try:
        poor = Seeing(lab, account=stranger)
        sight = await poor.look("DELETE FROM customers")
        assert sight["no_estimate"] == words.NO_RIGHT
        numbers = ("rows_estimate", "rows_total", "bytes_total", "analysed", "indexes")
        assert {sight[key] for key in numbers} == {None}
        assert sight["table"] == ""
        await lab.run(f"GRANT SELECT, DELETE ON customers TO {stranger}")
        assert (await poor.look("DELETE FROM customers"))["rows_estimate"] == 10000
        await poor.close()
    finally:
        await lab.admin(f"DROP OWNED BY {stranger}", database=lab.name)
        await lab.admin(f"DROP ROLE {stranger}")


async def test_a_role_that_the_session_took_counts_and_one_that_it_may_not_take_ends_the_look(
    seeing: Seeing,
) -> None:
    """The look is never stronger than the session was."""
    lab = seeing.lab
    weak, foreign = f"{lab.role}_w", f"{lab.role}_f"
    await lab.admin(f"CREATE ROLE {weak}; CREATE ROLE {foreign}; GRANT {weak} TO {lab.role}")
    try:
        sight = await seeing.look("DELETE FROM customers", SessionVector(role=weak))
        assert (sight["no_estimate"], sight["rows_total"]) == (words.NO_RIGHT, None)
        await lab.run(f"GRANT SELECT, DELETE ON customers TO {weak}")
        sight = await seeing.look("DELETE FROM customers", SessionVector(role=weak))
        assert sight["rows_estimate"] == 10000
        sight = await seeing.look("DELETE FROM customers", SessionVector(role=foreign))
        assert (sight["no_estimate"], sight["rows_total"]) == (words.ROLE_REFUSED, None)
        sight = await seeing.look("DELETE FROM customers", SessionVector(role="nobody at all"))
        assert (sight["no_estimate"], sight["rows_total"]) == (words.ROLE_REFUSED, None)
    finally:
        await lab.admin(f"DROP OWNED BY {weak}", database=lab.name)
        await lab.admin(f"DROP ROLE {weak}; DROP ROLE {foreign}")


async def test_a_role_of_a_row_policy_is_estimated_as_itself(seeing: Seeing) -> None:
    """Policies of reviewed code are part of the plan; numbers are those of the account itself."""
    await seeing.lab.run(
        "ALTER TABLE customers ENABLE ROW LEVEL SECURITY;"
        "ALTER TABLE customers FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY one ON customers USING (region = 3)"
    )
    sight = await seeing.look("DELETE FROM customers")
    assert sight["rows_estimate"] == pytest.approx(1000, rel=0.1)


async def test_a_target_that_is_not_there_is_an_answer_too(lab: Lab) -> None:
    """Never an exception: the reason is in the sight."""
    seeing = Seeing(lab)
    action, standing = await seeing.asked("SELECT 1")

    async def refused(_session: object) -> object:
        raise ConnectionRefusedError

    seeing.sights._connect = refused
    sight = await seeing.sights.look(builders.session(), action, standing)
    assert (sight.keys(), sight["no_estimate"]) == (KEYS, words.UNREACHABLE)
    await seeing.close()


async def test_a_target_that_says_nothing_is_given_up(lab: Lab) -> None:
    """However the time passes: connecting, too, is part of the 3 s."""
    seeing = Seeing(lab, limit_s=0.1)
    action, standing = await seeing.asked("SELECT 1")

    async def silent(_session: object) -> object:
        return await asyncio.get_running_loop().create_future()

    seeing.sights._connect = silent
    sight = await seeing.sights.look(builders.session(), action, standing)
    assert sight["no_estimate"] == words.NOT_IN_TIME
    await seeing.close()


async def test_a_statement_that_the_target_cannot_plan_says_with_which_code(lab: Lab) -> None:
    """In our words: what a target says may hold anything."""
    await lab.run("CREATE TABLE t (a int)")
    seeing = Seeing(lab)
    sight = await seeing.look("DELETE FROM t WHERE nothing = 1")
    assert sight["no_estimate"] == "the target did not plan it (42703)"
    assert sight["table"] == "public.t"
    await seeing.close()
