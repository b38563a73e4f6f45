"""COPY TO STDOUT: rows reach clients as from the target itself, and are accounted, never kept."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

import asyncio
import io
import os
import subprocess
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from support.journal_evidence import of_kind
from support.journey import Place

pytestmark = pytest.mark.journey

ROWS = 3_000


@pytest.fixture(scope="module", autouse=True)
def tables(open_place: Place) -> None:
    """Rows of some width, among them bytes that look like messages."""
    open_place.make(
        "CREATE TABLE wares (id int PRIMARY KEY, name text, note text);"
        f"INSERT INTO wares SELECT g, 'C' || g, repeat(chr(g % 90 + 33), g % 200)"
        f" FROM generate_series(1, {ROWS}) g"
    )


def _psql(place: Place, *commands: str, door: bool = True) -> bytes:
    where = place.dsn() if door else place.server.dsn(database=place.database)
    arguments = [part for command in commands for part in ("-c", command)]
    return subprocess.run(
        ["/usr/bin/psql", "-X", *arguments, where], capture_output=True, check=True, timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout  # fmt: skip


@pytest.mark.parametrize(
    "commands",
    [
        ("\\copy wares to stdout csv header",),
        ("COPY wares TO STDOUT",),
        ("COPY wares (id, note) TO STDOUT WITH (FORMAT binary)", "SELECT 1"),
        (
            "COPY (SELECT id FROM wares WHERE id < 3) TO STDOUT; SELECT 2; COPY (VALUES ('')) TO STDOUT",
        ),
    ],
    ids=["psql copy", "text", "binary", "several"],
)
def test_psql_sees_what_it_sees_without_us(open_place: Place, commands: tuple[str, ...]) -> None:
    """The same bytes, whatever the format, alone or between other statements."""
    through = _psql(open_place, *commands)
    assert through == _psql(open_place, *commands, door=False)
    assert through


def test_drivers_read_a_copy(open_place: Place) -> None:
    """Psycopg in the simple and asyncpg in the extended protocol get every row."""
    with (
        open_place.connect(autocommit=True) as connection,
        connection.cursor().copy("COPY wares TO STDOUT") as copy,
    ):
        assert sum(1 for _ in copy.rows()) == ROWS

    async def fetched() -> bytes:
        connection = await asyncpg.connect(**open_place.asyncpg())
        try:
            sink = io.BytesIO()
            await connection.copy_from_query("SELECT id FROM wares", output=sink)
            assert await connection.fetchval("SELECT 7") == 7
            return sink.getvalue()
        finally:
            await connection.close()

    assert asyncio.run(fetched()).count(b"\n") == ROWS


def test_the_log_says_how_much_and_not_what(open_place: Place) -> None:
    """Class, tables, rows and bytes are in the events; the rows themselves are nowhere."""
    mark = open_place.evidence.mark()
    with open_place.connect(autocommit=True) as connection:
        with connection.cursor().copy("COPY wares (name) TO STDOUT") as copy:
            size = sum(len(part) for part in copy)
        with connection.cursor().copy("COPY (SELECT 'unseen') TO STDOUT") as copy:
            assert b"".join(bytes(part) for part in copy) == b"unseen\n"
    events = open_place.evidence.closed(mark)
    released, finished = of_kind(events, "action.released"), of_kind(events, "action.finished")
    assert [event["class"] for event in released] == ["copy", "copy"]
    assert "public.wares" in released[0]["tables_read"]
    assert [(one["outcome"], one["tag"], one["rows"]) for one in finished] == [
        ("done", f"COPY {ROWS}", ROWS), ("done", "COPY 1", 1),
    ]  # fmt: skip
    assert finished[0]["bytes_out"] > size
    assert "C2999" not in str(events)


def _read_and_cancel(connection: psycopg.Connection[Any]) -> None:
    endless = "COPY (SELECT g FROM generate_series(1, 100000000) g) TO STDOUT"
    with connection.cursor().copy(endless) as copy:
        copy.read()
        connection.cancel_safe()
        for _ in copy:
            pass


def test_an_error_in_the_middle_and_a_cancel_end_only_the_copy(open_place: Place) -> None:
    """Client and target are of one mind afterwards, in and outside a transaction."""
    mark = open_place.evidence.mark()
    connection = open_place.connect(autocommit=True)
    for opened in (False, True):
        if opened:
            connection.execute("BEGIN")
        with (
            pytest.raises(psycopg.errors.DivisionByZero),
            connection.cursor().copy(
                "COPY (SELECT 1 / (2000 - g) FROM generate_series(1, 3000) g) TO STDOUT"
            ) as copy,
        ):
            for _ in copy:
                pass
        expected = TransactionStatus.INERROR if opened else TransactionStatus.IDLE
        assert connection.info.transaction_status == expected
    connection.execute("ROLLBACK")
    with pytest.raises(psycopg.errors.QueryCanceled):
        _read_and_cancel(connection)
    row = connection.execute("SELECT 5").fetchone()
    assert row == (5,)
    connection.close()
    outcomes = [
        one["outcome"] for one in of_kind(open_place.evidence.closed(mark), "action.finished")
    ]
    assert outcomes.count("failed") == 2
    assert outcomes.count("cancelled") == 1


def _dumper(place: Place) -> str:
    """The pg_dump that belongs to the target."""
    beside = place.server.psql.parent / "pg_dump"
    if not beside.exists():
        pytest.skip("no pg_dump beside the target's psql")
    return str(beside)


def test_pg_dump_is_the_same_through_the_gateway(open_place: Place) -> None:
    """A whole dump, schema and data, byte for byte but for its random key."""

    def dumped(where: str) -> list[str]:
        done = subprocess.run(
            [_dumper(open_place), "--no-owner", where], capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if "restrict" not in line]

    account = next(iter(open_place.gateway.accounts))
    through = dumped(open_place.dsn(account=account))
    with open_place.direct(account=account) as connection:
        direct = connection.info.dsn + f" password={connection.info.password}"
    assert through == dumped(direct)
    assert any(line.startswith("2999\tC2999\t") for line in through)
