"""Recordings end to end: a recorder on a real journal, the archivist's index, the API, the CLI."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import yaml
from support.gateway import PERMISSIVE
from support.postgres_server import PostgresServer, free_port
from support.running_gateway import own_database, running_gateway, until

from gatekeep.app import Gateway
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, Target, TargetKind
from gatekeep.gate.supervision import LiveSession
from gatekeep.recordings.chunks import Terminal
from gatekeep.recordings.recorder import ChannelRecorder
from gatekeep.runtime.clock import SystemClock
from gatekeep.settings import load_settings

SESSION = "5e" * 16


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway that serves; its one target answers nobody, and nobody needs it."""
    place = Path(tempfile.mkdtemp(prefix="gk-rec-"))
    (place / "policy").mkdir()
    (place / "policy" / "rules.cedar").write_text(PERMISSIVE)
    target = {
        "name": "orders", "kind": "postgres", "host": "127.0.0.1", "database": "postgres",
        "port": free_port(), "tls": "disable", "accounts": {"postgres": "env:TARGET_PASSWORD"},
    }  # fmt: skip
    people = [{"name": "alice", "person": "alice", "groups": ["engineers"]}]
    (place / "targets.yaml").write_text(yaml.safe_dump({"targets": [target]}))
    (place / "principals.yaml").write_text(yaml.safe_dump({"principals": people}))
    settings = {
        "state_dir": str(place / "state"), "keys_dir": str(place / "keys"),
        "postgres": {"port": 0}, "ssh": {"port": 0}, "http": {"port": 0},
    }  # fmt: skip
    (place / "gatekeep.yaml").write_text(yaml.safe_dump(settings))
    running = await Gateway.start(
        load_settings(place / "gatekeep.yaml", {}), {"TARGET_PASSWORD": "x"}
    )
    yield running
    await running.stop()
    shutil.rmtree(place, ignore_errors=True)


class Shell:
    """A recorded shell of alice, as a proxy would keep one."""

    def __init__(self, gateway: Gateway) -> None:
        self.parts = parts = gateway._parts
        principal = Principal("alice", "alice", frozenset({"engineers"}))
        account = {"deploy": Account("deploy", "env:X")}
        target = Target("web-1", TargetKind.POSTGRES, "127.0.0.1", 22, "", account)
        self.stream = parts.journal.open_stream(session_id=SESSION, subject="alice", target="web-1")
        clock = SystemClock()
        self.reasons: list[str] = []
        self.faults: list[BaseException] = []
        parts.supervision.register(
            LiveSession(
                Session(SESSION, principal, target, "deploy", "ssh", "10.1.4.7"),
                self.stream,
                clock.monotonic_ns(),
                self.reasons.append,
            )
        )
        opened = {"principal": "alice", "account": "deploy", "protocol": "ssh", "source": "10.1.4.7"}
        parts.journal.append(self.stream, EventKind.SESSION_OPENED, orjson.dumps(opened))
        self.recorder = ChannelRecorder(
            parts.journal, self.stream, clock, channel=0, terminal=Terminal(80, 24, "xterm"),
            on_failure=self.faults.append,
        )  # fmt: skip
        parts.ssh.recordings.register(SESSION, 0, self.recorder)

    async def close(self) -> None:
        """The shell ends."""
        await self.recorder.close()
        self.parts.ssh.recordings.forget(SESSION, 0)
        self.parts.supervision.forget(SESSION)
        closed = {"reason": "client", "duration_us": 1}
        await self.parts.journal.append(
            self.stream, EventKind.SESSION_CLOSED, orjson.dumps(closed)
        ).durable()


async def _cli(gateway: Gateway, *arguments: str) -> asyncio.subprocess.Process:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEKEEP_")}
    environment["GATEKEEP_STATE_DIR"] = str(gateway.socket_path.parent)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gatekeep.cli.main", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip


async def _told(gateway: Gateway, *arguments: str) -> str:
    child = await _cli(gateway, *arguments)
    out, err = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0, err.decode()
    return out.decode()


async def test_a_recorded_shell_is_watched_listed_replayed_and_verified(gateway: Gateway) -> None:
    """Two hundred chunks: a late watcher sees each line once, and so does every replay and export."""
    shell = Shell(gateway)
    lines = [f"line {number:05d}" for number in range(200)]
    for line in lines[:120]:
        shell.recorder.output(f"{line}\r\n".encode())
        shell.recorder.flush()
        await shell.recorder.keep_pace()
    shell.recorder.output(b"pending\r\n")
    watching = await _cli(gateway, "sessions", "watch", SESSION)
    assert watching.stdout is not None
    seen = [(await asyncio.wait_for(watching.stdout.readline(), 60)).decode()]
    for line in lines[120:]:
        shell.recorder.output(f"{line}\r\n".encode())
        shell.recorder.flush()
        await shell.recorder.keep_pace()
    await shell.close()
    rest, _ = await asyncio.wait_for(watching.communicate(), 60)
    seen += rest.decode().splitlines()
    wanted = [*lines[:120], "pending", *lines[120:]]
    assert [row.rstrip("\n").split("\t")[2] for row in seen] == wanted
    assert watching.returncode == 0
    assert shell.faults == []

    listed = await _told(gateway, "sessions", "ls", "--past", "--protocol", "ssh")
    assert listed.split("\t")[1:6] == ["alice", "web-1", "deploy", "ssh", "closed"]
    replayed = await _told(gateway, "sessions", "replay", SESSION)
    texts = [row.split("\t")[1:] for row in replayed.splitlines()]
    assert [text for sort, text in texts if not sort] == wanted
    cast = await _told(gateway, "sessions", "export", SESSION)
    output = "".join(json.loads(row)[2] for row in cast.splitlines()[1:])
    assert output == "".join(f"{line}\r\n" for line in wanted)
    shown: dict[str, Any] = json.loads(await _told(gateway, "sessions", "show", SESSION, "-o", "json"))
    (facts,) = shown["recordings"]
    assert (facts["final"], facts["output"]) == (True, len(output))
    views = await _told(gateway, "audit", "search", "kind:recording.viewed", "--jsonl")
    ways = [json.loads(row)["payload"]["way"] for row in views.splitlines()]
    assert sorted(ways) == ["export", "replay", "watch"]


def test_statements_are_replayed_and_their_session_ended(postgres_server: PostgresServer) -> None:
    """A real Postgres session: its transcript has decision, rows and time; a kill reaches psql."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        with psycopg.connect(gateway.dsn(), autocommit=True) as client:
            client.execute("CREATE TABLE things (n int)")
            client.execute("INSERT INTO things SELECT generate_series(1, 7)")
            client.execute("SELECT * FROM things")
            (code, *_), *_ = _rows(gateway, "ls")
            lines = gateway.run("sessions", "kill", code, "--reason", "suspected leaked key")
            assert lines.returncode == 0, lines.stderr
            with pytest.raises(psycopg.OperationalError, match="suspected leaked key"):
                client.execute("SELECT 1")
        until(lambda: not _rows(gateway, "ls"), "the end of the session")
        rows = _rows(gateway, "replay", code)
        sorts = [(sort, text) for _, sort, text in rows]
        assert ("allow", "SELECT * FROM things") in sorts
        assert any(sort == "outcome" and "SELECT 7" in text for sort, text in sorts)
        assert sorts[-1][0] == "session.closed"
        assert "suspected leaked key (owner)" in sorts[-1][1]
        past = _rows(gateway, "ls", "--past", "--principal", "alice")
        assert [row[0] for row in past] == [code]
        assert gateway.verify().returncode == 0


def _rows(gateway: Any, *arguments: str) -> list[list[str]]:
    done = gateway.run("sessions", *arguments)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
