"""A gateway before a target, what it records, and the way around it: where journeys happen."""

# ruff: noqa: S608 - statements are the tests' own words
from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from support.gateway import Gateway
from support.journal_evidence import Evidence
from support.postgres_server import PostgresServer

PASSWORD = "target-only"  # noqa: S105 - of a throw-away server on loopback
DATABASE = "journeys"


@dataclass
class Place:
    """A gateway, what it records, and the way around it."""

    gateway: Gateway
    evidence: Evidence
    server: PostgresServer
    database: str = DATABASE

    def dsn(self, *, name: str = "alice", account: str = "", **extra: str) -> str:
        """A libpq string through the door."""
        options = {"sslmode": "disable", **extra}
        return " ".join(
            [self.gateway.dsn(name, account), *(f"{k}='{v}'" for k, v in options.items())]
        )

    def connect(self, account: str = "", **arguments: Any) -> psycopg.Connection[Any]:
        """Psycopg through the door."""
        return psycopg.connect(self.dsn(account=account), **arguments)

    def asyncpg(self, account: str = "") -> dict[str, Any]:
        """Arguments of asyncpg.connect through the door."""
        return {
            "host": "127.0.0.1", "port": self.gateway.port, "database": "orders", "ssl": False,
            "user": f"alice+{account}" if account else "alice",
            "password": self.gateway.tokens["alice"],
        }  # fmt: skip

    def direct(self, *, account: str = "", **arguments: Any) -> psycopg.Connection[Any]:
        """Psycopg to the target itself, as its superuser or as an account, in autocommit."""
        who = {"user": account, "password": PASSWORD} if account else {}
        return psycopg.connect(
            self.server.dsn(database=self.database, **who), autocommit=True, **arguments
        )

    def run(self, statements: str) -> None:
        """Set something up on the target itself."""
        with self.direct(account="app_rw") as connection:
            connection.execute(statements)

    def make(self, statements: str) -> None:
        """The same, and the gateway knows of it at once: it saw a schema change go through."""
        self.run(statements)
        account = next(iter(self.gateway.accounts))
        with (
            contextlib.suppress(psycopg.Error),  # it went through, whether it succeeded or not
            self.connect(account=account, autocommit=True) as connection,
        ):
            connection.execute("CREATE SCHEMA IF NOT EXISTS made")

    def value(self, query: str) -> Any:
        """One value as the target itself sees it."""
        with self.direct() as connection:
            row = connection.execute(query).fetchone()
            return row[0] if row else None

    def session_state(self, process: int) -> str:
        """What the target says of the backend with that process id."""
        return str(self.value(f"SELECT state FROM pg_stat_activity WHERE pid = {process}"))

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a fact; fails after 20 s."""
        deadline = time.monotonic() + 20
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError("it never came true")
            time.sleep(0.02)

    def unharmed(self) -> None:
        """Nothing failed inside the gateway, and it still serves."""
        log = self.gateway.log
        assert "Traceback" not in log, log
        assert "session failed" not in log, log
        with self.connect(account=next(iter(self.gateway.accounts)), autocommit=True) as probe:
            assert probe.execute("SELECT 1").fetchone() == (1,)


def start(target: PostgresServer, **described: Any) -> Iterator[Place]:
    """A gateway in a short-lived directory of its own (Unix sockets want short paths)."""
    directory = Path(tempfile.mkdtemp(prefix="gk-j-"))
    described.setdefault("accounts", {"app_rw": PASSWORD})
    described.setdefault("database", DATABASE)
    port = described.pop("target_port", target.port)
    gateway = Gateway(directory, port, **described)
    try:
        gateway.start()
        evidence = Evidence(gateway.state, gateway.keys)
        yield Place(gateway, evidence, target, gateway.database)
        evidence.close()
        assert gateway.stop() == 0, gateway.log
    finally:
        if gateway.process is not None:
            gateway.process.kill()
            gateway.process.wait()
        if not os.environ.get("KEEP_JOURNEYS"):
            shutil.rmtree(directory, ignore_errors=True)
