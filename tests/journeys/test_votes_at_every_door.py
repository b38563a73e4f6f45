"""12-threats §4.4 at the doors themselves: who is near to what is asked releases it by none of them.

`tests/gate/test_votes_matrix.py` has the whole matrix at the desk; here it is seen that no door goes
around the desk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from support.every_door import Answer, EveryDoor, every_door
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.approvals import ApprovalRequest, RequestState
from gatekeep.gate.approval_ports import Emergency

pytestmark = pytest.mark.journey

ALICE: dict[str, Any] = {"name": "alice", "groups": ["engineers", "dba"]}
NINA = {"name": "nina", "groups": ["engineers"]}
PEOPLE: tuple[dict[str, Any], ...] = (
    ALICE,
    {"name": "alice-dba", "person": "alice", "groups": ["dba"]},
    {"name": "alice-root", "person": "alice", "groups": ["owners", "dba"]},
    {"name": "bob", "groups": ["dba"]},
    {"name": "carol", "groups": ["dba"]},
    {"name": "dan", "groups": ["engineers"]},
    {"name": "erin", "groups": ["dba"]},
    {"name": "frank", "groups": ["dba"]},
    NINA,
    {"name": "olga", "groups": ["owners"]},
    {"name": "bot", "owner": "bob", "groups": ["engineers", "dba"]},
    {"name": "twin", "owner": "alice", "groups": ["dba"]},
    {"name": "scanner", "owner": "olga", "groups": ["dba"]},
)
MACHINES = ("bot", "twin", "scanner")
DOORS = ("web", "api", "cli", "slack")
NEAR_ALICE = {
    "alice": "herself", "alice-dba": "her second account", "alice-root": "her account among the owners",
    "erin": "her delegate", "frank": "her delegator", "nina": "put into the group by her, just now",
    "olga": "an administrator", "dan": "in another group",
}  # fmt: skip

Vote = Callable[[str, ApprovalRequest], Awaitable[Answer]]


@pytest.fixture
async def doors(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[EveryDoor]:
    """All people at all doors; who is near to alice has become it."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY)")
        async with every_door(postgres_server, tmp_path, PEOPLE, MACHINES, database=name) as opened:
            for one in PEOPLE:
                if one["name"] not in MACHINES:
                    await opened.link(one["name"])
            for giver, taker in (("alice", "erin"), ("frank", "alice")):
                lent = {"to": taker, "for_s": 600}
                assert (await opened.called(giver, "POST", "delegations", lent))[0] == 201
            file = opened.asking.place / "principals.yaml"
            crowd = yaml.safe_load(file.read_text())["principals"]
            for one in crowd:
                if one["name"] == "nina":
                    one["groups"] = ["engineers", "dba"]
            file.write_text(yaml.safe_dump({"principals": crowd}))
            assert (await opened.called("alice", "POST", "reload"))[0] == 200
            yield opened


async def held(doors: EveryDoor, name: str, text: str) -> tuple[asyncio.Future[Any], ApprovalRequest]:
    """Somebody's statement waits."""
    connection = await doors.asking.connect(name)

    async def run() -> None:
        async with connection:
            await connection.execute(text.encode())

    before = {one.id for one in await doors.asking.asked(0)}
    running = asyncio.ensure_future(run())
    waiting = await doors.asking.asked(len(before) + 1)
    (request,) = [one for one in waiting if one.id not in before]
    return running, request


async def untouched(doors: EveryDoor, request: ApprovalRequest) -> bool:
    """Nobody has voted on it, and it waits."""
    now = await doors.asking.approvals.front.request(request.id)
    return (now.state, now.votes) == (RequestState.PENDING, ())


def by(doors: EveryDoor, door: str) -> Vote:
    """A yes by this door."""
    found: Vote = getattr(doors, f"by_{door}")
    return found


async def test_nobody_near_it_releases_it_by_any_door(doors: EveryDoor) -> None:
    """Self, second account, administrator, delegate, delegator, new member, owner of the bot, machines."""
    of_alice, asked = await held(doors, "alice", "DELETE FROM customers WHERE id = 1")
    of_bot, by_bot = await held(doors, "bot", "DELETE FROM customers WHERE id = 2")
    attempts = [(asked, name, door) for name in NEAR_ALICE for door in DOORS]
    attempts += [(by_bot, "bob", door) for door in DOORS]
    attempts += [(by_bot, "bot", door) for door in ("api", "cli", "webhook")]
    attempts += [(asked, name, door) for name in ("twin", "scanner") for door in ("api", "cli", "webhook")]
    for request, name, door in attempts:
        answer = await by(doors, door)(name, request)
        assert not answer.taken, (name, door, answer)
        assert answer.said, (name, door)
        assert await untouched(doors, request), (name, door)
    assert not of_alice.done()
    assert not of_bot.done()
    # Who sees it and may not decide it hears why, wherever he tries.
    for door in DOORS:
        own = await by(doors, door)("alice-dba", asked)
        assert f"You asked for {asked.id}, so someone else must decide: " in own.said, (door, own)
    # Another account of hers, a machine or a delegate does not stand in the way of others either.
    for running, request, name in ((of_alice, asked, "bob"), (of_bot, by_bot, "carol")):
        assert (await doors.by_api(name, request)).taken
        await running


@pytest.mark.parametrize("door", DOORS)
async def test_whoever_is_not_near_it_releases_it_by_each_door(doors: EveryDoor, door: str) -> None:
    """The same world: one of the group is enough, and the door is told by its name."""
    running, request = await held(doors, "alice", "DELETE FROM customers WHERE id = 3")
    answer = await by(doors, door)("carol", request)
    assert answer.taken, answer
    await running
    (vote,) = (await doors.asking.approvals.front.request(request.id)).votes
    assert (vote.principal, vote.via) == ("carol", door)


async def test_breaking_the_glass_approves_nothing_and_nobody_reviews_himself(doors: EveryDoor) -> None:
    """What waits goes on waiting for others, and what she did is looked at by somebody else."""
    running, request = await held(doors, "alice", "DELETE FROM customers WHERE id = 4")
    parts = doors.asking.gateway._parts
    front, alice = doors.asking.approvals.front, parts.directory.principal("alice")
    await front.break_glass(alice, Emergency("orders", "postgres", "the site is down", mfa=True))
    assert await untouched(doors, request)
    assert not running.done()
    (review,) = await front.reviews(parts.directory.principal("olga"))
    for name in ("alice", "alice-dba", "alice-root", "twin"):
        status, said = await doors.called(name, "POST", f"reviews/{review.id}/close", {"finding": "fine"})
        assert status == 403, (name, said)
    status, said = await doors.called("olga", "POST", f"reviews/{review.id}/close", {"finding": "fine"})
    assert status == 200, said
    assert (await doors.by_api("bob", request)).taken
    await running
