"""A running gateway's own journal, read while it serves, is evidence for the feedback loop."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.decisions import Verdict
from gatekeep.feedback.deeds import Answer, Evidence
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import read_vkey
from gatekeep.journal.unsealing import Unsealer
from gatekeep.loop_witness import JournalWitness
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.state import StateStore

pytestmark = pytest.mark.journey


async def witnessed(asking: Asking, deeds: int) -> Evidence:
    """The evidence, once there are so many deeds and all of it is signed."""
    state, keys = asking.place / "state", asking.place / "keys"
    ring = KeyRing.open(keys, data_dir=state, create=False)
    clock = SystemClock()
    store = StateStore.open(state / "state.db", ring.state_db_key(), clock)
    witness = JournalWitness(state / "journal", Unsealer(ring, store), [read_vkey(keys)], young_us=0)
    found: list[Evidence] = []

    async def enough() -> bool:
        found[:] = [await asyncio.to_thread(witness.read, clock.wall_us())]
        return len(found[0].deeds) >= deeds and found[0].verified

    try:
        await until(enough, "the journal testifies")
        return found[0]
    finally:
        witness.close()
        store.close()


async def test_what_people_did_and_answered(postgres_server: PostgresServer) -> None:
    """Reads are counted; a yes, a no and a denial by policy are deeds, with who answered and why."""
    with own_database(postgres_server) as database:
        with psycopg.connect(postgres_server.dsn(database=database), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")
        async with asking_gateway(postgres_server, database=database) as asking:
            connection = await asking.connect()
            for _ in range(3):
                await connection.execute("SELECT 1")
            changes = {
                "DELETE FROM customers WHERE id = 1": "",
                "DELETE FROM customers WHERE id = 2": "not today",
            }
            for text, deny in changes.items():
                running = asyncio.ensure_future(connection.execute(text))
                (request,) = await asking.asked()
                await asking.vote(request, deny=deny)
                with contextlib.suppress(psycopg.Error):
                    await running
            with pytest.raises(psycopg.Error):
                await connection.execute("DROP TABLE customers")
            await connection.close()
            evidence = await witnessed(asking, 3)
    approved, denied, dropped = evidence.deeds
    assert (approved.answer, approved.approvers, approved.excluded) == (
        Answer.APPROVED, ("bob",), "rubber_stamp",
    )  # fmt: skip
    assert approved.rules == ("writes-need-dba",)
    assert approved.verdict is Verdict.ASK
    assert approved.likeness is not None
    assert approved.likeness.values == ("1",)
    assert approved.tables_written
    assert (denied.answer, denied.reason, denied.approvers) == (Answer.DENIED, "not today", ("bob",))
    assert (dropped.verdict, dropped.rules, dropped.answer) == (Verdict.DENY, ("no-drops",), Answer.NONE)
    reads = [one for key, one in evidence.passed.items() if key.rule == "reads" and key.verb == "SELECT"]
    assert sum(one.count for one in reads) >= 3
    assert evidence.rules["writes-need-dba"].since_us > 0
    assert evidence.unknown == 0
