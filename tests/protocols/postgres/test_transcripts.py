"""Real clients' own bytes, replayed: the same turns, and the same bytes each way, however they are cut.

Each transcript is made here and now, by the client talking to the server directly; then it goes
through our protocol code to the same server, whole, byte by byte, and cut at random.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import asyncpg
import psycopg
import pytest
from support.client_tools import CLIENTS as PROGRAMS
from support.client_tools import jdbc_driver, run
from support.postgres_link import Link
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, frames
from support.recorder import Recorder

from gatekeep.protocols.postgres.conversation import Execution, Released, Verdict

_TABLE = "create temp table fruit (id int primary key, name text, weight numeric)"
_PSQL = r"""
create temp table fruit (id int primary key, name text, weight numeric);
\copy fruit from pstdin
1	apple	1.5
2	pear	2
\.
select * from fruit where id = $1 \bind 2 \g
select id / 0 from fruit;
begin; savepoint a; syntax error; rollback to a; commit;
do $$ begin raise notice 'gatekeep: not from us'; end $$;
\copy (select * from fruit order by id) to pstdout
select generate_series(1, 2000) as n;
select 1 \; select 2;
\startpipeline
select $1::int \bind 1 \sendpipeline
select $1::int \bind x \sendpipeline
\syncpipeline
select 7 \bind \sendpipeline
\endpipeline
\d pg_am
"""


@dataclass
class Replayed:
    """What came of a transcript: the executions as they were read, and the bytes each way."""

    executions: list[tuple[object, ...]]
    outcomes: list[tuple[str, object]]
    sent: bytes
    relayed: list[tuple[str, bytes]]


def _judge(execution: Execution) -> Verdict:
    text = execution.text.lower()
    return Released(copies_out=text.count("to stdout"), copies_in=text.count("from stdin"))


def _psql(server: PostgresServer, port: int) -> None:
    script = _PSQL.replace("pstdin", "stdin").replace("pstdout", "stdout")
    subprocess.run(
        [str(server.psql), "-X", "-f", "-", "-h", server.host, "-p", str(port), "-U", server.user,
         "postgres"],
        input=script.encode(), check=False, capture_output=True, timeout=60,
        env={**os.environ, "PGPASSWORD": server.password, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"},
    )  # fmt: skip


def _psycopg(server: PostgresServer, port: int) -> None:
    with psycopg.connect(
        host=server.host, port=port, user=server.user, password=server.password, dbname="postgres",
        sslmode="disable", gssencmode="disable",
    ) as talk:  # fmt: skip
        talk.execute(_TABLE)
        with talk.cursor().copy("copy fruit from stdin") as copy:
            for at in range(300):
                copy.write_row((at, "x" * at, at / 7))
        for _ in range(8):  # prepared after the fifth
            talk.execute("select name from fruit where id = %s", (5,)).fetchall()
        with talk.pipeline():
            for at in range(20):
                talk.execute("update fruit set weight = %s where id = %s", (at, at))
        with talk.transaction(), contextlib.suppress(psycopg.Error), talk.transaction():
            talk.execute("select 1 / 0")
        with talk.cursor("c") as named:
            named.execute("select * from fruit order by id")
            named.fetchmany(7)
        with talk.cursor(binary=True) as binary:
            binary.execute("select id, weight from fruit where weight > %b", (3,))
        with talk.cursor().copy("copy fruit to stdout (format binary)") as out:
            for _ in out:
                pass
        talk.rollback()


def _asyncpg(server: PostgresServer, port: int) -> None:
    async def talk() -> None:
        one = await asyncpg.connect(
            host=server.host, port=port, user=server.user, password=server.password,
            database="postgres", ssl=False,
        )  # fmt: skip
        await one.execute(_TABLE)
        await one.copy_records_to_table("fruit", records=[(n, str(n), n) for n in range(200)])
        await one.executemany("insert into fruit values ($1, $2, $3)", [(n, "y", n) for n in range(500, 560)])
        async with one.transaction():
            async for _ in one.cursor("select * from fruit order by id", prefetch=9):
                pass
        with contextlib.suppress(asyncpg.PostgresError):
            await one.fetch("select $1::int / 0", 3)
        prepared = await one.prepare("select name from fruit where id = any($1::int[])")
        await prepared.fetch([1, 2, 500])
        await one.fetch("select * from fruit where weight > $1 limit 3", 7)
        await one.reset()
        await one.close()

    asyncio.run(talk())


def _jdbc(server: PostgresServer, port: int) -> None:
    jar = jdbc_driver()
    url = f"jdbc:postgresql://{server.host}:{port}/postgres?sslmode=disable&gssEncMode=disable"
    said = run(
        "java", "-XX:TieredStopAtLevel=1", "-cp", str(jar), str(PROGRAMS / "Transcript.java"), url,
        server.user, server.password,
    )  # fmt: skip
    assert said[-1] == "done"


CLIENTS: dict[str, Callable[[PostgresServer, int], None]] = {
    "psql": _psql, "psycopg": _psycopg, "asyncpg": _asyncpg, "jdbc": _jdbc,
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(CLIENTS))
def talk(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> tuple[bytes, bytes]:
    """One client's bytes, and what the server itself answered."""
    recorder = Recorder(postgres_server.port)
    try:
        CLIENTS[request.param](postgres_server, recorder.port)
    finally:
        recorder.close()
    (found,) = recorder.talks
    assert len(found[0]) > 1_000
    return found


def _telling(data: bytes) -> list[tuple[str, bytes]]:
    """What is the same each time: no table oids, process ids, or source lines."""
    return [
        (kind, body if kind in "CDZdGHI" else b"") for kind, body in frames(data) if kind not in "NSA"
    ]


def _replay(server: PostgresServer, client: bytes, pieces: Iterator[bytes]) -> Replayed:
    wire = Wire(server.host, server.port, server.user, server.password, "postgres")
    link = Link(_judge, wire)
    conversation = link.conversation
    try:
        for piece in pieces:
            link.client(piece)
            link.drain()
        while conversation.backlog or conversation.unsettled() or conversation._replies.owed:
            link.target(wire.receive())
            assert not link.violations, link.violations
    finally:
        wire.close()
    assert not link.violations, link.violations
    executions = [
        (one.mode, one.text, one.statement_name, one.portal_name, one.values, one.bind_only)
        for one in link.executions
    ]
    outcomes = [(text, (end.kind, end.tag, end.rows, end.sqlstate)) for text, end in link.outcomes]
    return Replayed(executions, outcomes, link.sent, _telling(link.relayed))


def _cut(client: bytes, draw: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(client):
        size = draw.choice((1, 2, 5, 17, 60, 400, 3_000))
        yield client[at : at + size]
        at += size


def test_a_transcript_is_the_same_whole_in_bytes_and_cut_anywhere(
    postgres_server: PostgresServer, talk: tuple[bytes, bytes]
) -> None:
    """And the client gets what the server told it directly."""
    client, answers = talk
    whole = _replay(postgres_server, client, iter([client]))
    assert whole.relayed == _telling(answers)
    assert len(whole.outcomes) == len(whole.executions) > 5
    ways = [(client[at : at + 1] for at in range(len(client)))]
    ways += [_cut(client, random.Random(seed)) for seed in range(4)]
    for way in ways:
        other = _replay(postgres_server, client, way)
        assert other.executions == whole.executions
        assert other.outcomes == whole.outcomes
        assert other.sent == whole.sent
        assert other.relayed == whole.relayed
