"""pgbench through the gateway: each SELECT is one released event with one outcome, in every mode."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Iterator

import pytest
from support.event_count import Tally, events
from support.gateway import Gateway
from support.postgres_server import PostgresServer, wheel_binaries
from support.running_gateway import own_database, running_gateway

_log = logging.getLogger(__name__)

SELECT = "select abalance from pgbench_accounts where aid = "
SIZES = [
    pytest.param(4, 1, 100, id="small"),
    pytest.param(16, 2, 2000, id="whole", marks=pytest.mark.soak),
]


@pytest.fixture
def gateway(postgres_server: PostgresServer) -> Iterator[Gateway]:
    """A gateway before a database whose tables pgbench made directly on the target."""
    with own_database(postgres_server) as database:
        pgbench(
            "-i", "-q", "-h", "127.0.0.1", "-p", str(postgres_server.port), "-U", "postgres",
            database, password=postgres_server.password,
        )  # fmt: skip
        with running_gateway(postgres_server, database=database) as made:
            yield made


def pgbench(*arguments: str, password: str = "") -> str:
    """Run it; returns what it says."""
    done = subprocess.run(
        [str(wheel_binaries() / "pgbench"), *arguments], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=600,
        env={**os.environ, "PGPASSWORD": password},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("clients", "threads", "each"), SIZES)
def test_every_select_is_one_event_with_one_outcome(
    gateway: Gateway, clients: int, threads: int, each: int
) -> None:
    """None lost, none double, every one done, in all three modes; verify is 0 during and after."""
    total = clients * each
    seen = 0
    for mode in ("simple", "extended", "prepared"):
        said = pgbench(
            "-n", "-S", "-c", str(clients), "-j", str(threads), "-t", str(each), "-M", mode,
            gateway.dsn(),
        )  # fmt: skip
        assert f"{total}/{total}" in said
        during = gateway.verify()
        assert during.returncode == 0, during.stdout + during.stderr
        whole = list(events(gateway.state, gateway.keys, seen))
        seen = whole[-1].n + 1
        tally = Tally.of(whole)
        selects = {text: n for text, n in tally.templates().items() if text.startswith(SELECT)}
        assert list(selects.values()) == [total], f"{mode}: {selects}"
        assert tally.outcomes(next(iter(selects))) == {"done": total}
        assert not tally.doubled
        assert not tally.without_ending
        _print_rate(mode, said)
    assert gateway.stop() == 0
    after = gateway.run(
        "audit", "verify", str(gateway.journal), "--keys", str(gateway.keys), "-o", "json"
    )
    assert after.returncode == 0, after.stdout + after.stderr
    report = json.loads(after.stdout)
    assert report["leaves_checked"] == report["checkpoint"]["size"]
    assert report["unsigned_tail"] == 0


def _print_rate(mode: str, said: str) -> None:
    rate = next(line for line in said.splitlines() if line.startswith("tps"))
    _log.info("%s: %s", mode, rate)
