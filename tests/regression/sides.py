"""The two ways that a test goes: directly to a PostgreSQL, and through a gateway to its twin."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from support.gateway import Gateway
from support.postgres_server import PostgresServer
from support.running_gateway import running_gateway

from regression.schedule import Script

DATABASE = "regression"
# What pg_regress gives its temporary installation, and what our own test server leaves out.
_SETTINGS = {"max_prepared_transactions": "2"}
_DATABASE_SETTINGS = {
    "lc_messages": "C", "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C",
    "bytea_output": "hex", "timezone_abbreviations": "Default",
}  # fmt: skip
_PSQL = ["-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"]
LIMIT_S = 600
_RECOVERY_S = 120


@dataclass(frozen=True)
class Run:
    """What psql said on one way, and how long it took."""

    output: bytes
    seconds: float
    ended: bool = True


@dataclass(frozen=True)
class Side:
    """One way: how psql reaches its server, and the server."""

    server: PostgresServer
    environment: Mapping[str, str]

    def run(self, script: Script, regress: Path, builds: Path) -> Run:
        """Give psql the test as pg_regress does; a way of at most LIMIT_S seconds."""
        self._ready()
        begun = time.monotonic()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": str(builds), "LANG": "C",
            "LC_MESSAGES": "C", "PGTZ": "America/Los_Angeles", "PGDATESTYLE": "Postgres, MDY",
            "PGOPTIONS": "-c intervalstyle=postgres_verbose", "PGSSLMODE": "disable",
            "PGAPPNAME": f"pg_regress/{script.name}", "PG_ABS_SRCDIR": str(regress),
            "PG_ABS_BUILDDIR": str(builds), "PG_LIBDIR": str(builds / "no-test-library"),
            "PG_DLSUFFIX": ".so", "PGDATABASE": DATABASE, **self.environment,
        }  # fmt: skip
        with (builds / "psql.out").open("w+b") as output:
            with subprocess.Popen(
                [str(self.server.psql), *_PSQL], stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, env=environment, cwd=builds,
            ) as psql:  # fmt: skip
                try:
                    psql.communicate(script.text, timeout=LIMIT_S)
                    ended = True
                except subprocess.TimeoutExpired:
                    psql.kill()
                    ended = False
            output.seek(0)
            return Run(output.read(), time.monotonic() - begun, ended)

    def _ready(self) -> None:
        """Wait until the server answers: a test may have brought it down, and it recovers."""
        deadline = time.monotonic() + _RECOVERY_S
        while True:
            try:
                psycopg.connect(self.server.dsn(database=DATABASE)).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return


@dataclass(frozen=True)
class Sides:
    """Both ways; `gateway` is None where the second one is direct as well."""

    direct: Side
    through: Side
    gateway: Gateway | None

    def faults(self) -> list[str]:
        """What is wrong with the gateway afterwards: its diagnostics, and its log of events."""
        if self.gateway is None:
            return []
        found = [
            line
            for line in self.gateway.log.splitlines()
            if "Traceback" in line or "session failed" in line
        ]
        verified = self.gateway.verify()
        if verified.returncode:
            found.append(f"audit verify: {verified.stdout}{verified.stderr}")
        return found

    def keep_logs(self, place: Path) -> None:
        """Copy the diagnostics of both servers and of the gateway there."""
        for name, side in (("direct", self.direct), ("through", self.through)):
            (place / f"{name}.log").write_text(side.server.log())
        if self.gateway is not None:
            (place / "gateway.log").write_text(self.gateway.log)


@contextlib.contextmanager
def both_sides(binaries: Path | None = None, *, gateway: bool = True) -> Iterator[Sides]:
    """Two servers made alike, one of them behind a gateway that permits everything."""
    with contextlib.ExitStack() as stack:
        servers = [PostgresServer(bin_dir=binaries, settings=_SETTINGS) for _ in range(2)]
        for server in servers:
            stack.callback(server.stop)
            _furnished(server)
        one, other = servers
        direct = Side(one, _way(one, one.port, one.password))
        if not gateway:
            yield Sides(direct, Side(other, _way(other, other.port, other.password)), None)
            return
        before = stack.enter_context(
            running_gateway(
                other, database=DATABASE, groups={other.user: "engineers"},
                target_extra={"name": DATABASE},
            )
        )  # fmt: skip
        way = _way(other, before.port, before.tokens[other.user])
        yield Sides(direct, Side(other, way), before)


def major(binaries: Path) -> int:
    """The major version of the `postgres` there."""
    told = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"(\d+)\.\d+", told.stdout)
    assert found is not None, told.stdout
    return int(found[1])


def _way(server: PostgresServer, port: int, password: str) -> Mapping[str, str]:
    return {
        "PGHOST": server.host, "PGPORT": str(port), "PGUSER": server.user, "PGPASSWORD": password,
    }  # fmt: skip


def _furnished(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0".encode())
        for name, value in _DATABASE_SETTINGS.items():
            admin.execute(f"ALTER DATABASE {DATABASE} SET {name} TO '{value}'".encode())
