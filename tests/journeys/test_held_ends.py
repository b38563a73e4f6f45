"""What waits, and then its gateway drains, its target goes or its client goes: no effect, one story.

Each over a real PostgreSQL, and read afterwards as an auditor would, by the request's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.clock import SteppedClock
from support.postgres_server import PostgresServer
from support.running_gateway import ask, own_database

from gatekeep import assembly
from gatekeep.domain.approvals import ApprovalRequest, RequestState

pytestmark = pytest.mark.journey

TEXT = "DELETE FROM customers WHERE id = 1"


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with three customers."""
    with own_database(postgres_server) as name:
        ask(postgres_server, name, "CREATE TABLE customers AS SELECT g AS id FROM generate_series(1, 3) g")
        yield name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppedClock:
    """The machine's clock, which a test may set."""
    clock = SteppedClock()
    monkeypatch.setattr(assembly, "SystemClock", lambda: clock)
    return clock


@pytest.fixture
async def asking(
    postgres_server: PostgresServer, database: str, clock: SteppedClock
) -> AsyncIterator[Asking]:
    """The gateway before it."""
    settings = {"approvals": {"open_s": 300}}
    async with asking_gateway(postgres_server, database=database, settings=settings) as made:
        yield made


class Held:
    """Alice's statement that waits."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.notices: list[str] = []

    async def begin(self, before: str = "") -> ApprovalRequest:
        """Send it; the request, once she was told of it."""
        self.connection = await self.asking.connect()
        self.connection.add_notice_handler(lambda note: self.notices.append(note.message_primary or ""))
        if before:
            await self.connection.execute(before.encode())
        self.running = asyncio.ensure_future(self.connection.execute(TEXT))
        (request,) = await self.asking.asked()
        await until(lambda: self.notices, "she is told")
        return request

    async def error(self) -> psycopg.Error:
        """What she is told in the end."""
        with pytest.raises(psycopg.Error) as told:
            await asyncio.wait_for(self.running, 20)
        return told.value


async def story(asking: Asking, request: ApprovalRequest, state: str, reason: str) -> None:
    """Withdrawn for this reason; asked, withdrawn and refused are found by its id, in that order."""

    async def refused() -> bool:
        return (await asking.told(request.id))[-1]["kind"] == "action.refused"

    await until(refused, "the statement is recorded as refused")
    told = await asking.told(request.id)
    assert [one["kind"] for one in told] == [
        "approval.requested", "action.requested", f"approval.{state}", "action.refused",
    ]  # fmt: skip
    asked, action, ended, statement = told
    assert asked["request"] == ended["request"] == request.id
    assert action["approval"] == statement["approval"] == request.id
    assert action["text"] == statement["text"] == TEXT
    assert statement["cause"] == "approval"
    assert (ended["outcome"], ended["reason"]) == (state, reason)


async def test_a_gateway_that_drains(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """57P01, which request it was, and that nothing was sent; it does not wait for a person."""
    held = Held(asking)
    request = await held.begin()
    asking.gateway._parts.sessions.drain()
    told = await held.error()
    assert told.sqlstate == "57P01"
    assert told.diag.message_primary == (
        f"gatekeep: the gateway is restarting, request {request.id} was withdrawn"
    )
    assert told.diag.message_detail == "Nothing was sent."
    assert ask(postgres_server, database, "SELECT count(*) FROM customers") == [(3,)]
    await story(asking, request, "withdrawn", "gateway stopped")
    assert (await asking.vote(request)).refusal == "late"


@pytest.mark.parametrize("before", ["", "BEGIN"], ids=["alone", "in a transaction"])
async def test_a_target_that_goes(
    asking: Asking, postgres_server: PostgresServer, database: str, before: str
) -> None:
    """Its process is ended while the statement waits: the request is named, and nothing ran."""
    held = Held(asking)
    request = await held.begin(before)
    ask(
        postgres_server, "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"  # noqa: S608 - a name of ours
        f" WHERE datname = '{database}'",
    )  # fmt: skip
    told = await held.error()
    assert told.sqlstate == "57P01", "the target's own words come first, as they are"
    assert told.diag.message_primary == "terminating connection due to administrator command"
    read = held.connection.pgconn.error_message.decode()
    assert (
        "FATAL:  gatekeep: orders does not answer\n"
        f"DETAIL:  Request {request.id} was withdrawn. Nothing was sent.\n"
    ) in read
    assert ask(postgres_server, database, "SELECT count(*) FROM customers") == [(3,)]
    await story(asking, request, "withdrawn", "target left")
    assert (await asking.vote(request)).refusal == "late"


async def test_a_client_that_goes(
    asking: Asking, postgres_server: PostgresServer, database: str
) -> None:
    """Without a word: nobody can approve it any more, and the target never had it."""
    held = Held(asking)
    request = await held.begin()
    held.connection.pgconn.finish()
    held.running.cancel()
    await story(asking, request, "withdrawn", "client left")
    assert (await asking.vote(request)).refusal == "late"
    assert ask(postgres_server, database, "SELECT count(*) FROM customers") == [(3,)]


@pytest.mark.parametrize("step_s", [-3600, 301], ids=["back", "past its time"])
async def test_a_clock_that_is_set(
    asking: Asking, postgres_server: PostgresServer, database: str, clock: SteppedClock, step_s: int
) -> None:
    """Set back, a yes no longer fits; set forward beyond the deadline, nobody answered in time."""
    held = Held(asking)
    request = await held.begin()
    clock.step_s(step_s)
    cast = await asking.vote(request)
    told = await held.error()
    if step_s < 0:
        assert cast.counted
        assert told.diag.message_primary == (
            f"gatekeep: the approval of request {request.id} no longer fits"
        )
        assert told.diag.message_detail == "time changed after the question was asked."
    else:
        assert cast.refusal == "late"
        assert "nobody answered" in (told.diag.message_primary or "")
    found = await asking.approvals.front.request(request.id)
    assert found.state is (RequestState.APPROVED if step_s < 0 else RequestState.EXPIRED)
    assert ask(postgres_server, database, "SELECT count(*) FROM customers") == [(3,)]
    kinds = [one["kind"] for one in await asking.told(request.id)]
    assert kinds[-1] == "action.refused"
    assert "action.released" not in kinds
    await held.connection.close()
