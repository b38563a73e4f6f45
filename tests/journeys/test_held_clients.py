"""Every client, every way to send, in and out of transactions: held, and then what became of it.

Afterwards client and target agree about the transaction, and the session goes on.
"""

# ruff: noqa: S608 - tables of the story's own
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from support.asking_gateway import Asking, asking_gateway, until
from support.held_ways import NAMES, WAYS, Told, Way
from support.postgres_server import PostgresServer
from support.running_gateway import ask, own_database

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.gate.approval_values import Limits

pytestmark = pytest.mark.journey

ENDINGS = ("approved", "denied", "expired", "cancelled")
QUICK = Limits(open_s=1, in_transaction_s=1, max_open=50)
SLOW = Limits(open_s=900, in_transaction_s=120, max_open=50)
NOT_SENT = "The statement was not sent; like any error, this one fails an open transaction."
STATES = {"I": "idle", "T": "idle in transaction", "E": "idle in transaction (aborted)"}
PLACE = (
    " Statement 2 of 2; it and those after it were not run, the one before it belongs to your"
    " transaction."
)
STORY = ["approval.requested", "action.requested"]
KINDS = {
    "approved": [*STORY, "approval.voted", "approval.decided", "action.released"],
    "denied": [*STORY, "approval.voted", "approval.decided", "action.refused"],
    "expired": [*STORY, "approval.expired", "action.refused"],
    "cancelled": [*STORY, "approval.withdrawn", "action.refused"],
}


def table(ending: str, begun: bool) -> str:
    """Each story has a table of its own, so that none is asked about for the second time."""
    return f"{ending}_{'within' if begun else 'alone'}"


@pytest.fixture
def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database with a table for each story."""
    with own_database(postgres_server) as name:
        for ending in ENDINGS:
            for begun in (False, True):
                made = table(ending, begun)
                ask(postgres_server, name, f"CREATE TABLE {made} AS SELECT 1 AS id")
        yield name


@pytest.fixture
async def asking(postgres_server: PostgresServer, database: str) -> AsyncIterator[Asking]:
    """The gateway before it."""
    async with asking_gateway(postgres_server, database=database) as made:
        yield made


def context(request: ApprovalRequest) -> str:
    """The CONTEXT of everything that is said of it."""
    why, place = request.why, request.place
    return (
        f"request {request.id}, rule writes-need-dba, policy {why.policy[:7]},"
        f" session {place.session_code}"
    )


def expected(request: ApprovalRequest, ending: str, *, piped: bool) -> Told:
    """What the user reads in the end, byte for byte."""
    place = PLACE if piped else ""
    about = context(request)
    return {
        "approved": Told("DELETE 1"),
        "denied": Told(
            f"gatekeep: bob denied request {request.id}", "42501",
            f"Reason: run it on the replica first.{place}",
            f"{NOT_SENT} Talk to bob, or change it and send it again.", about,
        ),
        "expired": Told(
            f"gatekeep: nobody answered request {request.id} in 1 s", "42501",
            f"Asked: bob, carol.{place}",
            f"{NOT_SENT} Send it again, or ask ahead of time: gatekeep request new", about,
        ),
        "cancelled": Told(
            "canceling statement due to user request", "57014",
            f"Request {request.id} was withdrawn. Nothing was sent to orders.", context=about,
        ),
    }[ending]  # fmt: skip


async def ended(asking: Asking, way: Way, request: ApprovalRequest, ending: str) -> None:
    """Somebody, or time, makes an end of it."""
    if ending == "approved":
        assert (await asking.vote(request)).counted
    elif ending == "denied":
        assert (await asking.vote(request, deny="run it on the replica first")).counted
    elif ending == "cancelled":
        await way.cancel()


async def told_of(way: Way, primary: str) -> Told:
    """The notice that begins like this, once the client has shown it."""
    found: list[Told] = []

    def shown() -> bool:
        found[:] = [one for one in way.notices if one.primary == primary]
        return bool(found)

    await until(shown, f"{primary} in {way.notices}")
    return found[0]


def at_target(server: PostgresServer, database: str) -> str:
    """How the session stands there."""
    ((state,),) = ask(
        server, database,
        "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'gatekeep/S-%'",
    )  # fmt: skip
    return str(state)


@pytest.mark.parametrize("make", WAYS, ids=NAMES)
async def test_held_and_then(
    asking: Asking, postgres_server: PostgresServer, database: str, make: Callable[[], Way]
) -> None:
    """Approved it runs once; else never, and the words say why. Then the session goes on."""
    way = make()
    await way.open(asking)
    for begun in (False, True):
        for ending in ENDINGS:
            asking.approvals.desk.limits = QUICK if ending == "expired" else SLOW
            if begun:
                await way.run("BEGIN")
            name = table(ending, begun)
            deleting = asyncio.ensure_future(way.delete(name))
            (request,) = await asking.asked()
            waiting = f"gatekeep: waiting for approval by dba (bob or carol), request {request.id}"
            notice = await told_of(way, waiting)
            assert notice.context == context(request)
            assert ask(postgres_server, database, f"SELECT * FROM {name}") == [(1,)]
            assert request.in_transaction == begun
            await ended(asking, way, request, ending)
            told = await deleting
            if told != Told(""):  # asyncpg keeps to itself what a cancel was answered
                assert told == expected(request, ending, piped=way.piped)
            status = {False: "I", True: "T" if ending == "approved" else "E"}[begun]
            await until(
                lambda status=status: at_target(postgres_server, database) == STATES[status],
                f"the target is {STATES[status]} after {ending}",
            )
            assert await way.status() in (status, "")
            if begun:
                await way.run("COMMIT" if ending == "approved" else "ROLLBACK")
            await way.run("SELECT 1")
            assert await way.status() == "I"
            left = [] if ending == "approved" else [(1,)]
            assert ask(postgres_server, database, f"SELECT * FROM {name}") == left
            kinds = [one["kind"] for one in await asking.told(request.id)]
            assert [kind for kind in dict.fromkeys(kinds) if kind != "approval.seen"] == (
                KINDS[ending]
            )
    await way.close()
