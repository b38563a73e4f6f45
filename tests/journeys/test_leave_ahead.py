"""Leave that is asked for before there is a session, taken away again, or taken at once, loudly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from support.asking_gateway import ASKING, Asking, asking_gateway, until
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.approvals import ApprovalRequest, RequestKind
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_ports import Ahead, Emergency

pytestmark = pytest.mark.journey

OPENED_BY_LEAVE = ASKING.replace(
    'permit(principal, action == Action::"session.open", resource);',
    'permit(principal, action == Action::"session.open", resource)\n'
    'when { context has approval && context.approval.groups.contains("dba") };',
)
REMOVE = "DELETE FROM customers WHERE id = 1"


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with three customers."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY, name text)")
            direct.execute("INSERT INTO customers VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        yield name


@pytest.fixture
async def asking(postgres_server: PostgresServer, database: str) -> AsyncIterator[Asking]:
    """The gateway before it."""
    async with asking_gateway(postgres_server, database=database) as made:
        yield made


async def ask(asking: Asking, kind: RequestKind, text: str = "", **more: Any) -> ApprovalRequest:
    """Alice asks ahead of time."""
    ahead = Ahead(kind, "orders", "postgres", text, reason="a clean-up", via="cli", **more)
    request: ApprovalRequest = await asking.approvals.front.ask_ahead(principal(asking), ahead)
    return request


def principal(asking: Asking, name: str = "alice") -> Any:
    """A principal of the directory."""
    return asking.gateway._parts.directory.principal(name)


async def test_a_statement_that_was_approved_ahead_runs_once(asking: Asking) -> None:
    """It runs without waiting the first time, and waits the second; another one waits at once."""
    request = await ask(asking, RequestKind.STATEMENT, REMOVE)
    assert (await asking.vote(request)).counted
    connection = await asking.connect()
    assert (await connection.execute(REMOVE)).rowcount == 1
    again = asking.gateway._parts.owner.spawn(connection.execute(REMOVE), name="again")
    (second,) = await asking.asked()
    assert second.id != request.id
    await asking.vote(second, deny="once was enough")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await again
    await connection.close()
    kinds = [one["kind"] for one in await asking.told(request.id)]
    assert kinds == [
        "approval.requested", "approval.voted", "approval.decided", "grant.made", "grant.spent",
        "action.released",
    ]  # fmt: skip


async def test_what_needs_no_leave_is_not_asked(asking: Asking) -> None:
    """Policy allows it, or no approval would help: the answer says so at once."""
    with pytest.raises(NotPermitted, match="allows this without asking"):
        await ask(asking, RequestKind.STATEMENT, "SELECT 1")
    with pytest.raises(NotPermitted, match="tables are dropped by migrations"):
        await ask(asking, RequestKind.STATEMENT, "DROP TABLE customers")


async def test_access_lets_its_groups_statements_run_until_it_is_revoked(asking: Asking) -> None:
    """What these groups may release runs without waiting; what is forbidden stays forbidden."""
    request = await ask(asking, RequestKind.ACCESS, for_s=600)
    assert (await asking.vote(request)).refusal == "mfa"
    assert (await asking.vote(request, mfa=True)).counted
    connection = await asking.connect()
    assert (await connection.execute("UPDATE customers SET name = 'x'")).rowcount == 3
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("DROP TABLE customers")
    (grant,) = await asking.approvals.front.grants()
    await asking.approvals.front.revoke(grant.id, principal(asking, "bob"))
    with pytest.raises(psycopg.OperationalError, match="the grant it lived by was revoked"):
        await connection.execute("SELECT 1")


async def test_a_session_opens_by_leave_and_ends_with_it(
    postgres_server: PostgresServer, database: str
) -> None:
    """Without leave the door says whom to ask; with it the session opens, and ends when it is taken."""
    async with asking_gateway(postgres_server, database=database, policy=OPENED_BY_LEAVE) as asking:
        with pytest.raises(psycopg.OperationalError, match="request new --target orders"):
            await asking.connect()
        request = await ask(asking, RequestKind.ACCESS)
        assert (await asking.vote(request, mfa=True)).counted
        connection = await asking.connect()
        (grant,) = await asking.approvals.front.grants()
        await asking.approvals.front.revoke(grant.id, principal(asking))
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
        await until(lambda: not len(asking.gateway._parts.supervision), "it has ended")


async def test_break_glass_needs_a_second_factor_a_reason_and_a_review(asking: Asking) -> None:
    """It opens at once what asks, never what is forbidden, and somebody else closes its review."""
    front, heard = asking.approvals.front, []
    front.listen_glass(lambda grant, reason: heard.append((grant.principal, reason)))
    alice = principal(asking)
    with pytest.raises(NotPermitted, match="authenticator"):
        await front.break_glass(alice, Emergency("orders", "postgres", "outage"))
    with pytest.raises(NotPermitted, match="say why"):
        await front.break_glass(alice, Emergency("orders", "postgres", " ", mfa=True))
    grant = await front.break_glass(alice, Emergency("orders", "postgres", "outage", mfa=True))
    assert heard == [("alice", "outage")]
    connection = await asking.connect()
    assert (await connection.execute(REMOVE)).rowcount == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await connection.execute("DROP TABLE customers")
    await connection.close()
    (review,) = await front.reviews(principal(asking, "carol"))
    assert (review.grant, review.person) == (grant.id, "alice")
    with pytest.raises(NotPermitted, match="somebody else"):
        await front.close_review(review.id, alice, "fine")
    closed = await front.close_review(review.id, principal(asking, "carol"), "it was an outage")
    assert (closed.closed_by, closed.finding) == ("carol", "it was an outage")
    assert await front.reviews(principal(asking, "carol")) == []
