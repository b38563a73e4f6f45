"""COPY FROM STDIN: rows reach the target as they are sent, judged before, accounted after."""

# ruff: noqa: S608 - statements are the tests' own words

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

ROWS = 5_000


@pytest.fixture(scope="module", autouse=True)
def tables(open_place: Place) -> None:
    """One that takes rows, and one whose trigger makes each row more."""
    open_place.make(
        "CREATE TABLE goods (id int PRIMARY KEY, name text);"
        "CREATE TABLE arrived (id int); CREATE TABLE arrivals (id int);"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO arrivals VALUES (new.id); RETURN new; END $$;"
        "CREATE TRIGGER t AFTER INSERT ON arrived FOR EACH ROW EXECUTE FUNCTION note()"
    )


@pytest.fixture
def goods(open_place: Place) -> Place:
    """The table is empty."""
    open_place.run("TRUNCATE goods")
    return open_place


def _kept(place: Place) -> int:
    return int(place.value("SELECT count(*) FROM goods"))


def _lines(rows: int = ROWS) -> str:
    return "".join(f"{n}\tC{n}\n" for n in range(rows))


def test_psql_copies_a_file_and_what_follows_in_a_script(goods: Place, tmp_path: Path) -> None:
    r"""\copy, COPY with its rows in the script, csv, and a statement after each."""
    (tmp_path / "rows.csv").write_text("id,name\n" + "".join(f"{n},x\n" for n in range(ROWS)))
    script = tmp_path / "script.sql"
    script.write_text(
        f"\\copy goods from '{tmp_path}/rows.csv' csv header\n"
        "SELECT count(*) FROM goods;\n"
        "COPY goods FROM STDIN;\n8001\ta\n8002\tb\n\\.\n"
        "SELECT max(id) FROM goods;\n"
    )
    shown = subprocess.run(
        ["/usr/bin/psql", "-XAtq", "-f", str(script), goods.dsn()], capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    assert shown.stdout.split() == [str(ROWS), "8002"], shown
    assert shown.stderr == ""


def test_drivers_copy_in_both_protocols(goods: Place) -> None:
    """Psycopg in text and binary, asyncpg with records: every row is there."""
    with goods.connect(autocommit=True) as connection:
        with connection.cursor().copy("COPY goods FROM STDIN") as copy:
            copy.write(_lines())
        with connection.cursor().copy("COPY goods FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            for n in range(10_000, 10_500):
                copy.write_row((n, "b"))

    async def copied() -> str:
        connection = await asyncpg.connect(**goods.asyncpg())
        try:
            records = [(n, "r") for n in range(20_000, 20_700)]
            await connection.copy_to_table("goods", source=io.BytesIO(b"30000\tz\n"))
            return str(await connection.copy_records_to_table("goods", records=records))
        finally:
            await connection.close()

    assert asyncio.run(copied()) == "COPY 700"
    assert _kept(goods) == ROWS + 500 + 701


def test_the_log_says_how_much_and_not_what(goods: Place) -> None:
    """Class, table, rows and bytes are in the events; the rows themselves are nowhere."""
    mark = goods.evidence.mark()
    with (
        goods.connect(autocommit=True) as connection,
        connection.cursor().copy("COPY goods FROM STDIN") as copy,
    ):
        copy.write(_lines())
    events = goods.evidence.closed(mark)
    released, finished = of_kind(events, "action.released"), of_kind(events, "action.finished")
    assert [event["class"] for event in released] == ["copy"]
    assert "public.goods" in released[0]["tables_written"]
    assert [(one["outcome"], one["tag"], one["rows"]) for one in finished] == [
        ("done", f"COPY {ROWS}", ROWS)
    ]
    assert finished[0]["bytes_in"] > len(_lines())
    assert "C4999" not in str(events)


def test_code_that_rows_set_off_is_not_unseen(open_place: Place) -> None:
    """A trigger makes the COPY unproven, as an INSERT would be."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        with connection.cursor().copy("COPY arrived FROM STDIN") as copy:
            copy.write("1\n2\n")
        assert connection.execute("SELECT count(*) FROM arrivals").fetchone() == (2,)
    released = of_kind(open_place.evidence.closed(mark), "action.released")
    assert "note" in str(released[0]["unproven"])


@pytest.mark.parametrize("opened", [False, True])
def test_rows_that_the_target_does_not_take_end_only_the_copy(goods: Place, opened: bool) -> None:
    """A bad row, a client that gives up: client and target are of one mind afterwards."""
    mark = goods.evidence.mark()
    expected = TransactionStatus.INERROR if opened else TransactionStatus.IDLE
    with goods.connect(autocommit=True) as connection:
        for rows, error in (("1\tx\nboo\n", psycopg.errors.InvalidTextRepresentation), ("", None)):
            if opened:
                connection.execute("BEGIN")
            with pytest.raises(error or ZeroDivisionError):
                _copy_badly(connection, rows)
            assert connection.info.transaction_status == expected
            connection.execute("ROLLBACK")
        assert connection.execute("SELECT 5").fetchone() == (5,)
    assert _kept(goods) == 0
    finished = of_kind(goods.evidence.closed(mark), "action.finished")
    states = [(one["outcome"], one["sqlstate"]) for one in finished if one["outcome"] != "done"]
    assert states == [("failed", "22P02"), ("cancelled", "57014")]


def _copy_badly(connection: psycopg.Connection[Any], rows: str) -> None:
    with connection.cursor().copy("COPY goods FROM STDIN") as copy:
        copy.write(rows or "1\tx\n")
        if not rows:
            _ = 1 / 0


@pytest.mark.parametrize("pipeline", [False, True])
def test_a_refused_copy_asks_for_no_rows(guarded_place: Place, pipeline: bool) -> None:
    """An error in words, no state lost, the connection stays usable."""
    guarded_place.make("CREATE TABLE IF NOT EXISTS shelf (id int)")
    with guarded_place.connect("app_rw", autocommit=True) as connection:
        way = connection.pipeline() if pipeline else contextlib.nullcontext()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="gatekeep"), way:
            connection.execute("COPY shelf FROM STDIN")
        assert connection.info.transaction_status == TransactionStatus.IDLE
        assert connection.execute("SELECT 1").fetchone() == (1,)


_SENDER = """
import sys, psycopg
connection = psycopg.connect(sys.argv[1], autocommit=True)
with connection.cursor().copy("COPY goods FROM STDIN") as copy:
    copy.write("1\\tx\\n" * 50_000 if sys.argv[2] == "big" else "1\\tx\\n")
    copy._pq_flush() if hasattr(copy, "_pq_flush") else None
    connection.pgconn.flush()
    print("sent", flush=True)
    sys.stdin.read()
"""


def test_a_client_that_is_killed_leaves_no_rows_and_no_open_end(goods: Place) -> None:
    """The target gives the rows up at once, and the event says how it ended."""
    mark = goods.evidence.mark()
    with subprocess.Popen(
        [sys.executable, "-c", _SENDER, goods.dsn(), "small"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    ) as sender:  # fmt: skip
        assert sender.stdout is not None
        assert sender.stdout.readline() == "sent\n"
        os.kill(sender.pid, signal.SIGKILL)
    goods.until(lambda: bool(of_kind(goods.evidence.since(mark), "action.finished")))
    (finished,) = of_kind(goods.evidence.closed(mark), "action.finished")
    assert (finished["outcome"], finished["sqlstate"]) == ("cancelled", "57014")
    assert "client left" in finished["message"]
    assert _kept(goods) == 0
    goods.unharmed()


def _tool(place: Place, name: str) -> str:
    """A program that belongs to the target."""
    beside = place.server.psql.parent / name
    if not beside.exists():
        pytest.skip(f"no {name} beside the target's psql")
    return str(beside)


def test_pg_restore_through_the_gateway_makes_what_was_dumped(
    open_place: Place, tmp_path: Path
) -> None:
    """Tables, rows, keys, functions and triggers of a schema, with two jobs at once."""
    open_place.make(
        "CREATE SCHEMA saved; CREATE TABLE saved.lots (id int PRIMARY KEY, what text DEFAULT 'x');"
        "CREATE INDEX ON saved.lots (what); CREATE SEQUENCE saved.numbers;"
        f"INSERT INTO saved.lots SELECT g, repeat('w', g % 90) FROM generate_series(1, {ROWS}) g;"
        "CREATE TABLE saved.parts (lot int REFERENCES saved.lots); INSERT INTO saved.parts VALUES (7);"
        "CREATE VIEW saved.few AS SELECT * FROM saved.lots WHERE id < 9;"
        "CREATE FUNCTION saved.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
        "CREATE TRIGGER t BEFORE INSERT ON saved.parts FOR EACH ROW EXECUTE FUNCTION saved.note()"
    )
    file = str(tmp_path / "saved.dump")
    account = next(iter(open_place.gateway.accounts))

    def run(tool: str, *arguments: str) -> str:
        done = subprocess.run(
            [_tool(open_place, tool), *arguments], capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return "\n".join(line for line in done.stdout.splitlines() if "restrict" not in line)

    door = open_place.dsn(account=account)
    before = run("pg_dump", "-n", "saved", door)
    run("pg_dump", "-n", "saved", "-Fc", "-f", file, door)
    open_place.run("DROP SCHEMA saved CASCADE")
    run("pg_restore", "-j", "2", "--exit-on-error", "-d", door, file)
    assert run("pg_dump", "-n", "saved", door) == before
    assert f"\n{ROWS}\t" in before
