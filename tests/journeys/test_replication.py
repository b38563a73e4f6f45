"""Replication: a decision of policy, refused by default, in words that its programs show."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.client_tools import needed
from support.gateway import PERMISSIVE
from support.journal_evidence import kind
from support.journey import Place, start
from support.postgres_server import PostgresServer

pytestmark = pytest.mark.journey

REFUSED = "gatekeep: policy does not allow replication on"
NOT_YET = "gatekeep: replication is not available through this gateway yet"


@pytest.fixture(scope="module")
def replicating_place(target: PostgresServer) -> Iterator[Place]:
    """A rule permits replication."""
    rule = '@id("copy") permit(principal, action == Action::"session.replicate", resource);'
    yield from start(target, policy=PERMISSIVE + rule)


@pytest.mark.parametrize("value", ["database", "true", "1", "on"])
def test_no_rule_permits_it(open_place: Place, value: str) -> None:
    """All SQL is permitted here; the refusal is an event, and nothing was dialled."""
    mark = open_place.evidence.mark()
    with pytest.raises(psycopg.OperationalError, match=f"{REFUSED} orders") as caught:
        psycopg.connect(open_place.dsn(replication=value))
    assert "No rule permits it" in str(caught.value)
    event = open_place.evidence.with_kind(mark, "session.refused")
    told = dict(event.payload or {})
    assert (told["principal"], told["target"], told["cause"]) == ("alice", "orders", "replication")
    assert "session.opened" not in map(kind, open_place.evidence.until(mark, bool))


def test_asking_for_none_of_it_is_an_ordinary_session(open_place: Place) -> None:
    """`replication=false` is what some drivers always send."""
    with psycopg.connect(open_place.dsn(replication="false"), autocommit=True) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_where_a_rule_permits_it_it_is_not_offered_yet(replicating_place: Place) -> None:
    """Its commands are no SQL and its stream is not read: neither is forwarded unread."""
    mark = replicating_place.evidence.mark()
    with pytest.raises(psycopg.OperationalError, match=NOT_YET):
        psycopg.connect(replicating_place.dsn(replication="database"))
    refused = replicating_place.evidence.with_kind(mark, "session.refused")
    assert dict(refused.payload or {})["cause"] == "replication"


def test_who_is_not_known_learns_nothing_of_it(open_place: Place) -> None:
    """Sign-in comes first: a wrong token is refused as ever."""
    dsn = open_place.dsn(replication="database").replace(open_place.gateway.tokens["alice"], "x")
    with pytest.raises(psycopg.OperationalError, match="gatekeep: sign-in refused"):
        psycopg.connect(dsn)


@pytest.mark.parametrize(
    ("program", "arguments", "named"),
    [
        ("pg_receivewal", ["--no-loop", "-D", "{at}"], "replication"),
        ("pg_recvlogical", ["--no-loop", "-d", "orders", "--slot=s", "--start", "-f", "-"], "orders"),
        ("pg_basebackup", ["-D", "{at}"], "replication"),
    ],
)
def test_programs_that_replicate_show_the_words(
    open_place: Place, tmp_path: Path, program: str, arguments: list[str], named: str
) -> None:
    """They end at once and print why; the first and the last name no database of their own."""
    needed(program)
    at = tmp_path / "copy"
    at.mkdir()
    done = subprocess.run(
        [program, "-h", "127.0.0.1", "-p", str(open_place.gateway.port), "-U", "alice",
         "--no-password", *(one.format(at=at) for one in arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={"PGPASSWORD": open_place.gateway.tokens["alice"], "PATH": "/usr/bin", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"FATAL:  {REFUSED} {named}\n" in done.stderr
    assert "It takes a rule that permits session.replicate there." in done.stderr
    assert list(at.iterdir()) == []
