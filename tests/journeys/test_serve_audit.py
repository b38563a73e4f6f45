"""The log while the gateway serves: followed, searched by every key, shown, proven, rebuilt."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from support.gateway import PERMISSIVE, Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway, until

from gatekeep.cli.client import GatewayClient

READS = "table:invoices tag:row_locks kind:action.released"
NOT_FOR_ENGINEERS = """
@id("no-log")
@why("the log is for reviewers")
forbid(principal in Group::"engineers", action in Action::"gateway", resource);
"""


@pytest.fixture(scope="module")
def gateway(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway with something in its log: a table made, filled, read; one refusal, one failure."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as made,
    ):
        with psycopg.connect(made.dsn(), autocommit=True) as client:
            client.execute("CREATE TABLE invoices (id int, note text)")
            client.execute("INSERT INTO invoices VALUES (1, 'blue heron')")
            client.execute("SELECT note FROM invoices WHERE id = %s FOR UPDATE", (7,))
            with pytest.raises(psycopg.errors.UndefinedTable):
                client.execute("SELECT 1 FROM never_made")
        yield made


def search(gateway: Gateway, query: str) -> list[dict[str, Any]]:
    """Whole events, newest first, from where `audit search` gets them."""
    client = GatewayClient(Path(gateway.ready["socket"]))
    page = client.get("/v1/audit/events", q=query, limit=1000)
    assert isinstance(page["events"], list)
    return page["events"]


def indexed(gateway: Gateway) -> None:
    """Wait until the index knows all that is there."""
    until(lambda: bool(search(gateway, "kind:session.closed")), "the index")


def test_tail_shows_a_statement_as_it_happens(gateway: Gateway) -> None:
    """Another client's statement appears in `audit tail`, in bounded time."""
    lines: list[str] = []
    seen = threading.Event()
    with subprocess.Popen(
        [*gateway._cli(), "audit", "tail"], stdout=subprocess.PIPE, text=True,
        env=gateway._environment(),
    ) as tail:  # fmt: skip

        def follow() -> None:
            assert tail.stdout is not None
            for line in tail.stdout:
                lines.append(line)
                if "kingfisher" in line:
                    seen.set()

        reader = threading.Thread(target=follow)
        reader.start()
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            # it may take a moment until the tail listens: the statement is repeated
            until(lambda: _ran(client) and seen.wait(0.2), "the statement in the tail")
        tail.terminate()
        reader.join(20)
    line = next(line for line in lines if "kingfisher" in line)
    assert "alice" in line
    assert "orders" in line


def _ran(client: psycopg.Connection[tuple[object, ...]]) -> bool:
    return client.execute("SELECT 'kingfisher'::text").fetchone() == ("kingfisher",)


def test_every_key_finds_the_statement(gateway: Gateway) -> None:
    """Each key of the query language finds the SELECT and with another value does not."""
    indexed(gateway)
    (event,) = search(gateway, READS)
    n, payload = event["n"], event["payload"]
    keys = {
        "principal": "alice",
        "target": "orders",
        "account": "postgres",
        "session": event["envelope"]["s"],
        "kind": "action.released",
        "class": payload["class"],
        "decision": "allow",
        "rule": "test-all-sql",
        "tag": "row_locks",
        "table": "invoices",
        "outcome": "done",
        "since": "1h",
    }
    for key, value in keys.items():
        found = [one["n"] for one in search(gateway, f"{key}:{value}")]
        assert n in found, f"{key}:{value}"
        if key != "since":
            found = [one["n"] for one in search(gateway, f"{key}:other")]
            assert n not in found, f"{key}:other"
    quoted = f'template:"{payload["template"]}"'
    assert n in [one["n"] for one in search(gateway, quoted)], quoted
    assert not search(gateway, "until:2001-01-01")
    assert n in [one["n"] for one in search(gateway, "note FROM invoices")]
    assert [one["payload"]["text"] for one in search(gateway, "heron kind:action.released")]
    (failed,) = search(gateway, "outcome:failed")
    assert "never_made" in failed["payload"]["text"]


def test_an_event_is_shown_and_proven(gateway: Gateway, tmp_path: Path) -> None:
    """`show` prints it whole, `prove` writes a proof, `check` accepts it and no other one."""
    indexed(gateway)
    (event,) = search(gateway, READS)
    n = str(event["n"])
    shown = gateway.run("audit", "show", n)
    assert shown.returncode == 0, shown.stderr
    assert "SELECT note FROM invoices" in shown.stdout
    proof = tmp_path / "event.tlog-proof"
    until(
        lambda: gateway.run("audit", "prove", n, "--out", str(proof)).returncode == 0,
        "a checkpoint over the event",
    )
    checked = gateway.run("audit", "check", str(proof))
    assert checked.returncode == 0, checked.stderr
    assert f"event {n} (action.released)" in checked.stdout
    text = proof.read_text()
    proof.write_text(text.replace(f"index {n}\n", f"index {event['n'] - 1}\n"))
    assert proof.read_text() != text
    assert gateway.run("audit", "check", str(proof)).returncode == 1


def test_a_rebuilt_index_finds_the_same(postgres_server: PostgresServer) -> None:
    """The index is lost; one command makes it anew and the same events are found."""
    queries = ("table:invoices", "outcome:done", "principal:alice", "heron", "kind:session.opened")
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            client.execute("CREATE TABLE invoices (id int, note text)")
            for number in range(300):
                client.execute("INSERT INTO invoices VALUES (%s, 'blue heron')", (number,))
        indexed(gateway)
        before = {query: [one["n"] for one in search(gateway, query)] for query in queries}
        assert len(before["table:invoices"]) >= 300
        assert gateway.stop() == 0
        for file in gateway.state.glob("index.db*"):
            file.unlink()
        done = gateway.run("audit", "rebuild-index")
        assert done.returncode == 0, done.stderr
        gateway.start()
        after = {query: [one["n"] for one in search(gateway, query)] for query in queries}
        assert after == before


def test_without_the_right_it_is_exit_3(postgres_server: PostgresServer) -> None:
    """Whoever is an engineer by local account reads nothing of the log; a reviewer does."""
    with running_gateway(postgres_server) as gateway:
        assert gateway.run("audit", "show", "0").returncode == 0
        (gateway.config.parent / "policy" / "test.cedar").write_text(PERMISSIVE + NOT_FOR_ENGINEERS)
        for group, code in (("engineers", 3), ("security", 0)):
            _become(gateway, group)
            for verb in (("search", "since:1h"), ("show", "0"), ("tail",)):
                if verb == ("tail",) and not code:
                    continue  # it would follow for ever
                done = gateway.run("audit", *verb)
                assert done.returncode == code, f"{group} {verb}: {done.stdout}{done.stderr}"


def _become(gateway: Gateway, group: str) -> None:
    """The account that runs these tests is alice, who is in that group."""
    account = pwd.getpwuid(os.geteuid()).pw_name
    alice = {"name": "alice", "person": "alice", "groups": [group], "os_user": account}
    file = gateway.config.parent / "principals.yaml"
    file.write_text(yaml.safe_dump({"principals": [alice]}))
    before = len(gateway.log)
    assert gateway.process is not None
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(lambda: "reloaded" in gateway.log[before:], "the new principals")
    assert "not reloaded" not in gateway.log[before:], gateway.log
