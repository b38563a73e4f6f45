"""A flood of half-open connections: who wants to sign in still can, and it costs little memory."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support import half_open
from support.certificates import Authority
from support.event_count import events
from support.gateway import Gateway
from support.http_door import is_ready
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire
from support.running_gateway import own_database, running_gateway, until

ADDRESSES = [f"127.0.0.{last}" for last in range(2, 10)]
PER_ADDRESS = 32
SPARE_FILES = 500
LIMIT_KIB = 64
LOG_IN_S = 20.0


@contextlib.contextmanager
def flood(gateway: Gateway, count: int, ca: str = "-") -> Iterator[subprocess.Popen[str]]:
    """So many half-open connections, opened while the story goes on; gone at its end."""
    with subprocess.Popen(
        [sys.executable, half_open.__file__, str(gateway.port), str(count), ca, *ADDRESSES],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def all_held(process: subprocess.Popen[str]) -> None:
    """Wait until every connection of the flood was opened."""
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"


def log_in(gateway: Gateway) -> float:
    """Sign in and run a statement; how many seconds that took."""
    begun = time.monotonic()
    dsn = gateway.dsn()
    with psycopg.connect(dsn, connect_timeout=int(LOG_IN_S)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    return time.monotonic() - begun


def resident_kib(pid: int) -> int:
    """What a process holds of memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_flood_does_not_shut_others_out(postgres_server: PostgresServer, count: int) -> None:
    """While it comes, and once it is there; from a flooding address, too: its oldest makes room.

    All of it is a few events.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + SPARE_FILES:
        pytest.skip(f"{count} connections need more files than {hard}")
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
        psycopg.connect(gateway.dsn(), autocommit=True) as inside,
        flood(gateway, count) as process,
    ):
        took = [log_in(gateway) for _ in range(10)]
        all_held(process)
        took += [log_in(gateway) for _ in range(10)]
        assert max(took) < LOG_IN_S
        token = gateway.tokens["alice"]
        for address in ADDRESSES:
            Wire("127.0.0.1", gateway.port, "alice", token, "orders", source=address).close()
        assert inside.execute("SELECT 2").fetchone() == (2,)
        assert is_ready(gateway)
        inside.close()
        process.kill()
        assert gateway.stop() == 0, gateway.log
        assert "Traceback" not in gateway.log
        shed = [one for one in events(gateway.state, gateway.keys) if one.kind == "protocol.fault"]
        told = sum(
            one.payload["count"] for one in shed
            if one.payload["cause"] == "too many connections"
        )  # fmt: skip
        assert told >= count - len(ADDRESSES) * PER_ADDRESS
        assert len(shed) < count // 20


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("count", [400, pytest.param(4_000, marks=pytest.mark.soak)])
def test_what_a_stranger_costs(
    postgres_server: PostgresServer, count: int, encrypted: bool
) -> None:
    """Less than 64 KiB each, with TLS and without, when all that there are are held."""
    with tempfile.TemporaryDirectory(prefix="gk-f-") as place:
        authority = Authority(Path(place))
        leaf = authority.issue("door")
        door = {
            "certificate": str(leaf.certificate), "key": str(leaf.key), "handshake_s": 120,
            "unauthenticated_per_address": count, "unauthenticated_total": 2 * count,
        }  # fmt: skip
        with (
            own_database(postgres_server) as database,
            running_gateway(
                postgres_server, database=database, tls="prefer", extra_settings={"postgres": door}
            ) as gateway,
        ):
            assert gateway.process is not None
            log_in(gateway)
            before = resident_kib(gateway.process.pid)
            with flood(gateway, count, str(authority.certificate) if encrypted else "-") as process:
                all_held(process)
                log_in(gateway)
                each = (resident_kib(gateway.process.pid) - before) / count
                assert each <= LIMIT_KIB
            until(lambda: log_in(gateway) < LOG_IN_S, "a sign-in afterwards")
