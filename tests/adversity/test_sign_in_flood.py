"""A flood of failed log-ins: few events, and those who are in stay in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
from support.event_count import Tally, events
from support.http_door import is_ready
from support.postgres_server import PostgresServer
from support.running_gateway import own_database, running_gateway

FLOOD = 300
PARALLEL = 12


def test_a_flood_of_failed_log_ins_is_folded(postgres_server: PostgresServer) -> None:
    """300 wrong log-ins make a handful of events with the right sum; a live session is not hurt."""
    with (
        own_database(postgres_server) as database,
        running_gateway(postgres_server, database=database) as gateway,
    ):
        wrong = gateway.dsn().replace(gateway.tokens["alice"], "gk_not-a-token-at-all")
        stranger = wrong.replace("user=alice", "user=mallory")

        def knock(number: int) -> str:
            try:
                psycopg.connect(stranger if number % 2 else wrong, connect_timeout=60).close()
            except psycopg.OperationalError as error:
                return str(error)
            return "let in"

        with psycopg.connect(gateway.dsn(), autocommit=True) as inside:
            with ThreadPoolExecutor(PARALLEL) as pool:
                answers = []
                for number, answer in enumerate(pool.map(knock, range(FLOOD))):
                    answers.append(answer)
                    if number % 10 == 0:
                        assert inside.execute("SELECT 1").fetchone() == (1,)
            assert "let in" not in answers
            assert all("sign-in refused" in one or "too many" in one for one in answers), answers[
                :3
            ]
            assert inside.execute("SELECT 2").fetchone() == (2,)
        assert is_ready(gateway)
        assert gateway.stop() == 0
        whole = list(events(gateway.state, gateway.keys))
        failed = [event for event in whole if event.kind in ("auth.failed", "auth.locked")]
        assert 0 < len(failed) <= FLOOD // 10, Tally.of(whole).kinds
        assert sum(event.payload["count"] for event in failed) >= FLOOD // 2
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
