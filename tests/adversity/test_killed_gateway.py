"""kill -9 under load: what took effect is in the log, recovery is quick, nothing stays behind."""

from __future__ import annotations

import logging
import random
import signal
from collections import defaultdict

import pytest
from support.event_count import Seen, Tally, events
from support.gateway import Gateway
from support.insert_load import CREATE, GROUND, InsertLoad, ReadLoad
from support.postgres_server import PostgresServer
from support.running_gateway import ask, await_gone, own_database, running_gateway, until

_log = logging.getLogger(__name__)

ROUNDS = [pytest.param(3, id="small"), pytest.param(20, id="whole", marks=pytest.mark.soak)]
CLIENTS = 6


@pytest.mark.parametrize("rounds", ROUNDS)
def test_every_row_has_its_event_after_kill_9(postgres_server: PostgresServer, rounds: int) -> None:
    """Killed at random moments under inserts: no row without its event, and verify is 0.

    A restart works at once, recovery takes seconds, writer and archivist end by themselves, open
    sessions read aborted and open actions unknown.
    """
    dice = random.Random()
    with own_database(postgres_server) as database:
        ask(postgres_server, database, CREATE)
        with running_gateway(postgres_server, database=database) as gateway:
            answered: set[str] = set()
            for number in range(rounds):
                pids = gateway.processes()
                assert len(pids) == 3, "gateway, writer, archivist"
                with InsertLoad(gateway.dsn(), CLIENTS, f"r{number}") as load:
                    load.await_answers(dice.randint(1, 200))
                    load.pause(dice.random() / 50)
                    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
                    load.await_end()
                answered |= load.answered
                seconds = _restarted(gateway)
                _log.info(
                    "round %d: %d rows, ready after %.2f s", number, len(load.answered), seconds
                )
                await_gone(pids)
                done = gateway.verify()
                assert done.returncode == 0, done.stdout + done.stderr
            assert gateway.stop() == 0
            done = gateway.verify()
            assert done.returncode == 0, done.stdout + done.stderr
            rows = {row[0] for row in ask(postgres_server, database, "SELECT id FROM rows_written")}
            assert answered <= rows, "a confirmed row is lost, which is the target's affair"
            _all_rows_recorded(gateway, rows, rounds)


def _restarted(gateway: Gateway) -> float:
    seconds = until(lambda: bool(gateway.start()) or True, "a start")
    assert seconds < 20, "recovery takes seconds"
    return seconds


def _all_rows_recorded(gateway: Gateway, rows: set[str], rounds: int) -> None:
    whole = list(events(gateway.state, gateway.keys))
    tally = Tally.of(whole)
    inserts: dict[str, Seen] = {}
    commits: dict[str, list[int]] = defaultdict(list)
    for event in tally.released.values():
        if event.payload["verb"] == "INSERT":
            identity = event.payload["parameters"][0]
            assert identity not in inserts, f"{identity} is there twice"
            inserts[identity] = event
        elif event.payload["verb"] == "COMMIT":
            commits[event.session].append(event.n)
    missing = rows - inserts.keys()
    assert not missing, f"{len(missing)} rows without an event: {sorted(missing)[:5]}"
    for identity in rows:
        event = inserts[identity]
        if event.payload["parameters"][1] == "together":
            assert any(n > event.n for n in commits[event.session]), f"{identity}: no COMMIT"
    assert not tally.doubled
    assert not tally.without_ending
    assert tally.kinds["recovery.done"] == rounds
    unknown = tally.kinds["action.unknown"]
    told = sum(e.payload["actions_unknown"] for e in whole if e.kind == "recovery.done")
    assert unknown == told
    opened = tally.kinds["session.opened"]
    ended = tally.kinds["session.closed"] + tally.kinds["session.aborted"]
    assert ended == opened + rounds + 1, "each session, and each run of the gateway, has an end"
    _log.info(
        "%d rows, %d events, %d unknown, %d aborted, %d torn", len(rows), len(whole), unknown,
        tally.kinds["session.aborted"], tally.kinds["recovery.torn"],
    )  # fmt: skip


READING = """
@id("opens")
permit(principal, action == Action::"session.open", resource);
@id("reads")
permit(principal, action == Action::"sql.read", resource);
@id("tokens")
permit(principal, action in Action::"gateway", resource);
"""


@pytest.mark.parametrize("rounds", ROUNDS)
def test_no_read_was_shown_without_its_event_after_kill_9(
    postgres_server: PostgresServer, rounds: int
) -> None:
    """Reads run while their events go to the disk; what a client was shown is in the log all the same.

    Code that would write behind a read leaves no trace, recorded or not (12-threats M3).
    """
    shown: set[str] = set()
    with own_database(postgres_server) as database:
        ask(postgres_server, database, GROUND)
        with running_gateway(postgres_server, database=database, policy=READING) as gateway:
            for number in range(rounds):
                pids = gateway.processes()
                with ReadLoad(gateway.dsn(), CLIENTS, f"r{number}") as load:
                    load.await_answers(100)
                    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
                    load.await_end()
                shown |= load.answered
                _restarted(gateway)
                await_gone(pids)
            assert gateway.stop() == 0
            assert gateway.verify().returncode == 0
            tally = Tally.of(events(gateway.state, gateway.keys))
            released = [one.payload for one in tally.released.values() if one.payload["parameters"]]
            missing = shown - {payload["parameters"][0] for payload in released}
            assert not missing, f"{len(missing)} reads without an event: {sorted(missing)[:5]}"
            assert {payload["class"] for payload in released} == {"read"}
        assert ask(postgres_server, database, "SELECT count(*) FROM written") == [(0,)]
