"""kill -9 while statements wait for people: nothing is silently approved, nothing that counts is lost.

What was held never runs and is withdrawn; what was asked ahead of time waits on; leave still counts.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from support.asking_gateway import ASKING
from support.event_count import Seen, events
from support.gateway import Gateway
from support.opened_journal import events as searched
from support.postgres_server import PostgresServer
from support.running_gateway import (
    ask,
    await_gone,
    child,
    kill,
    own_database,
    running_gateway,
    until,
)
from support.told_callers import Request, call, request_of, vote, waits

from gatekeep.domain.approvals import RequestState
from gatekeep.journal.keys import KeyRing
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.approvals import ApprovalBooks
from gatekeep.stores.sqlite.state import StateStore

pytestmark = pytest.mark.journey

PEOPLE = {"alice": "engineers", "bob": "dba", "carol": "dba"}
ROUNDS = [pytest.param(3, id="small"), pytest.param(20, id="whole", marks=pytest.mark.soak)]
CREATE = "CREATE TABLE customers (id int PRIMARY KEY, name text)"
FILL = "INSERT INTO customers SELECT g, 'a' FROM generate_series(0, 99) g"


class Waiter:
    """Alice, at statements that wait: each on a connection of its own, in a thread of its own."""

    def __init__(self, gateway: Gateway, pool: ThreadPoolExecutor) -> None:
        self.gateway = gateway
        self.pool = pool

    def runs(self, text: str) -> Future[int]:
        """Send it; how many rows it changed, or the error that the client met."""
        return self.pool.submit(self._run, self.gateway.dsn(), text)

    def holds(self, text: str) -> tuple[Future[int], Request]:
        """Send it, and see it wait."""
        return self.runs(text), waits(self.gateway, text)

    @staticmethod
    def _run(dsn: str, text: str) -> int:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(text.encode()).rowcount


@contextmanager
def place(server: PostgresServer) -> Iterator[tuple[Gateway, str, Waiter]]:
    """A gateway that asks, its database with a hundred customers, and alice."""
    with own_database(server) as database:
        ask(server, database, CREATE)
        ask(server, database, FILL)
        with (
            running_gateway(server, database=database, policy=ASKING, groups=PEOPLE) as gateway,
            ThreadPoolExecutor(8) as pool,
        ):
            try:
                yield gateway, database, Waiter(gateway, pool)
            finally:
                if gateway.process is not None:
                    gateway.stop(signal.SIGKILL)  # whoever waits there waits for nobody


def lost(running: Future[int]) -> bool:
    """Whether the client was cut off, and told of no result."""
    return isinstance(running.exception(60), psycopg.OperationalError)


def kept(gateway: Gateway, request: Request) -> Any:
    """The request as the store has it, read beside a gateway that cannot answer."""
    key = KeyRing.open(gateway.keys).state_db_key()
    with closing(StateStore.open(gateway.state / "state.db", key, SystemClock())) as state:
        return ApprovalBooks(state).request(request["id"])


def told(gateway: Gateway, request: Request) -> list[str]:
    """The kinds of the events that a search for the request's id finds, oldest first, each once.

    What was durable and not settled when the process was gone is told again.
    """
    found = [event["envelope"]["k"] for event in searched(gateway, f"request:{request['id']}")]
    return list(dict.fromkeys(found))


def _is_whole(gateway: Gateway, request: Request) -> bool:
    return "action.requested" in told(gateway, request)


def test_killed_while_held_and_while_a_vote_is_cast(postgres_server: PostgresServer) -> None:
    """One statement waits, a vote on another is kept and not recorded yet: neither ever runs.

    What was asked ahead of time waits on with its deadline and is decided after the start, and
    leave that was given before lets its statement out; the log holds, and tells all of it.
    """
    with place(postgres_server) as (gateway, database, alice):
        running, given = alice.holds("UPDATE customers SET name = 'x' WHERE id = 1")
        assert vote(gateway, "bob", given, scope="template", for_s=1800)["request"]["state"] == "approved"
        assert running.result(60) == 1
        body = {"target": "orders", "statement": "DELETE FROM customers WHERE id = 4", "reason": "a slip"}
        ahead = call(gateway, "alice", "POST", "requests", body)
        held, first = alice.holds("DELETE FROM customers WHERE id = 2")
        voted_on, second = alice.holds("DELETE FROM customers WHERE id = 3")

        for one in (first, second):  # listed a moment before what waits is durable
            until(partial(_is_whole, gateway, one), "it is told whole")
        pids, writer = gateway.processes(), child(gateway, "gatekeep.journal.writer")
        os.kill(writer, signal.SIGSTOP)  # the disk takes its time
        casting = alice.pool.submit(vote, gateway, "bob", second)
        until(lambda: kept(gateway, second).state is RequestState.APPROVED, "the vote is kept")
        assert not kept(gateway, second).settled
        assert not casting.done(), "nobody was told that it counts"
        assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
        os.kill(writer, signal.SIGCONT)
        await_gone(pids)
        assert lost(held)
        assert lost(voted_on)
        assert casting.exception(60) is not None

        gateway.start()
        now = request_of(gateway, first["id"])
        assert (now["state"], now["decision_reason"]) == ("withdrawn", "the gateway restarted")
        assert told(gateway, first) == ["approval.requested", "action.requested", "approval.withdrawn"]
        now = request_of(gateway, second["id"])
        assert (now["state"], now["settled"]) == ("approved", True)
        assert now["outcome"] == "void: the gateway restarted"
        assert told(gateway, second) == [
            "approval.requested", "action.requested", "approval.voted", "approval.decided",
        ]  # fmt: skip
        for request in (first, second):
            assert "error" in vote(gateway, "carol", request), "nobody decides it any more"
        assert ask(postgres_server, database, "SELECT id FROM customers WHERE id IN (2, 3, 4)") == [
            (2,), (3,), (4,),
        ]  # fmt: skip

        now = request_of(gateway, ahead["id"])
        assert (now["state"], now["open_until_us"]) == ("pending", ahead["open_until_us"])
        assert vote(gateway, "carol", now)["request"]["state"] == "approved"
        assert alice.runs("DELETE FROM customers WHERE id = 4").result(60) == 1
        assert alice.runs("UPDATE customers SET name = 'x' WHERE id = 1").result(60) == 1
        assert "grant.spent" in told(gateway, given)
        assert call(gateway, "bob", "GET", "requests?state=pending")["requests"] == []

        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        assert gateway.stop() == 0
        assert gateway.verify().returncode == 0


@pytest.mark.parametrize("rounds", ROUNDS)
def test_killed_at_any_moment_of_a_vote(postgres_server: PostgresServer, rounds: int) -> None:
    """Whenever it was: a row that is gone has its approval and its release in the log, before it.

    Each request has one end, whoever voted and heard that it counts finds it so after the start,
    and nothing of what was not released runs later.
    """
    dice = random.Random()
    with place(postgres_server) as (gateway, database, alice):
        requests: list[Request] = []
        for number in range(rounds):
            pids = gateway.processes()
            running, request = alice.holds(f"DELETE FROM customers WHERE id = {number}")  # noqa: S608 - a number of ours
            requests.append(request)
            casting = alice.pool.submit(vote, gateway, "bob", request)
            with contextlib.suppress(TimeoutError):
                casting.exception(dice.random() / 20)
            kill(pids[0])
            await_gone(pids)
            heard = None if casting.exception(60) else casting.result()
            ran = running.exception(60) is None
            assert gateway.stop() == -signal.SIGKILL
            gateway.start()
            now = request_of(gateway, request["id"])
            assert now["state"] in {"approved", "withdrawn"}
            assert now["state"] == "approved" or not (heard or ran)
        assert gateway.stop() == 0
        done = gateway.verify()
        assert done.returncode == 0, done.stdout + done.stderr
        left = {row[0] for row in ask(postgres_server, database, "SELECT id FROM customers")}
        whole = list(events(gateway.state, gateway.keys))
        for number, request in enumerate(requests):
            _one_story(whole, request, ran=number not in left)


def _one_story(whole: list[Seen], request: Request, *, ran: bool) -> None:
    """In the order in which it became durable; an event may be there twice, never not at all."""
    mine = [
        event
        for event in whole
        if request["id"] in (event.payload.get("request"), event.payload.get("approval"))
    ]
    kinds = [event.kind for event in mine]
    ends = {
        event.payload["outcome"] for event in mine
        if event.kind in {"approval.decided", "approval.withdrawn", "approval.expired"}
    }  # fmt: skip
    assert len(ends) == 1, kinds
    if ran or "action.released" in kinds:
        assert ends == {"approved"}
        assert kinds.index("approval.decided") < kinds.index("action.released")
    if ran:
        assert kinds.count("action.released") == 1
