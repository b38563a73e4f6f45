"""A held statement is found, read and decided with the command line: on the socket, and over TCP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

pytestmark = pytest.mark.journey

NEW = ("request", "new", "--target", "orders", "--account", "postgres")


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    code: int
    out: str
    err: str


class Commands:
    """`gatekeep …` as a process of its own, by the token of whoever is named first."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, name: str, *arguments: str, url: bool = False) -> Done:
        """Run one to its end."""
        way = ("--url", f"http://127.0.0.1:{self._asking.gateway.http_port}") if url else (
            "--state", str(self._asking.gateway.socket_path.parent),
        )  # fmt: skip
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gatekeep.cli.main", *arguments, *way,
            "--token-file", str(self._token(name)),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if not key.startswith("GATEKEEP")},
        )  # fmt: skip
        out, err = await asyncio.wait_for(child.communicate(), 60)
        assert child.returncode is not None
        return Done(child.returncode, out.decode(), err.decode())

    def _token(self, name: str) -> Path:
        file = self._asking.place / f"{name}.token"
        if not file.exists():
            file.touch(0o600)
            file.write_text(self._asking.secrets[name] + "\n")
        return file


@pytest.fixture
async def asking(postgres_server: PostgresServer) -> AsyncIterator[Asking]:
    """The gateway before a database with three customers."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY)")
            direct.execute("INSERT INTO customers VALUES (1), (2), (3)")
        async with asking_gateway(postgres_server, database=name) as made:
            yield made


@pytest.fixture
def run(asking: Asking) -> Commands:
    """The command line against it."""
    return Commands(asking)


@pytest.mark.parametrize("url", [False, True], ids=["socket", "tcp"])
async def test_a_held_statement_is_approved_by_command(
    asking: Asking, run: Commands, url: bool
) -> None:
    """ls, show, approve with the digest that show printed; it runs, and its outcome is told."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers WHERE id < 3"))
    (request,) = await asking.asked()
    listed = await run("bob", "approvals", "ls", url=url)
    assert listed.out.split("\t")[0] == request.id, listed
    shown = json.loads((await run("bob", "approvals", "show", request.id, "-o", "json", url=url)).out)
    assert shown["text"] == "DELETE FROM customers WHERE id < 3"
    own = await run(
        "alice", "approvals", "approve", request.id, "--yes", "--digest", shown["digest"], url=url
    )
    assert own.code == 3
    wrong = await run("bob", "approvals", "approve", request.id, "--yes", "--digest", "0" * 12, url=url)
    assert wrong.code == 6
    assert not running.done()
    done = await run(
        "bob", "approvals", "approve", request.id, "--yes", "--digest", shown["digest"][:12],
        "--reason", "agreed", url=url,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"● {request.id} approved; DELETE 2" in done.err
    assert (await running).rowcount == 2
    told = await asking.told(request.id)
    assert [one["via"] for one in told if one["kind"] == "approval.voted"] == [
        "api" if url else "cli"
    ]
    late = await run(
        "carol", "approvals", "deny", request.id, "--yes", "--digest", shown["digest"], "--reason",
        "no", url=url,
    )  # fmt: skip
    assert late.code == 6
    await connection.close()


async def test_leave_is_asked_for_waited_for_and_used(asking: Asking, run: Commands) -> None:
    """`request new --wait` ends 0 when somebody says yes, and then the statement asks nobody."""
    waiting = asyncio.ensure_future(
        run("alice", *NEW, "--statement", "DELETE FROM customers WHERE id = 3", "--wait", "--timeout", "5m")
    )
    (request,) = await asking.asked()
    denied = await run("dave", "approvals", "show", request.id)
    assert denied.code == 0, "dave may read the log, so he may see it"
    given = await run(
        "bob", "approvals", "approve", request.id, "--yes", "--digest", request.digest[:12]
    )
    assert given.code == 0, given.err
    ended = await waiting
    assert ended.code == 0, ended.err
    assert f"● bob approved {request.id}" in ended.err
    connection = await asking.connect()
    async with asyncio.timeout(30):
        done = await connection.execute("DELETE FROM customers WHERE id = 3")
    assert done.rowcount == 1
    await connection.close()
    used = json.loads((await run("alice", "grants", "ls", "--all", "-o", "json")).out)
    assert [one["used"] for one in used] == [1]


async def test_a_denial_by_command_reaches_the_client(asking: Asking, run: Commands) -> None:
    """With the reason, as the error of the statement."""
    connection = await asking.connect()
    running = asyncio.ensure_future(connection.execute("DELETE FROM customers"))
    (request,) = await asking.asked()
    denied = await run(
        "bob", "approvals", "deny", request.id, "--yes", "--digest", request.digest,
        "--reason", "run it on the replica first",
    )  # fmt: skip
    assert denied.code == 0, denied.err
    with pytest.raises(psycopg.Error) as error:
        await running
    assert "run it on the replica first" in (error.value.diag.message_detail or "")
    await connection.close()
