"""12-threats §4.4: whoever follows a link, or has it followed, changes nothing by that.

Every address that the HTTP door serves is visited with an approver's cookie and with his token; the
addresses are taken from the door itself, so that none can be forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from support.every_door import EveryDoor, every_door
from support.postgres_server import PostgresServer
from support.running_gateway import own_database

from gatekeep.domain.approvals import ApprovalRequest, Scope
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Emergency

pytestmark = pytest.mark.journey

PEOPLE = (
    {"name": "alice", "groups": ["engineers"]},
    {"name": "bob", "groups": ["dba"]},
    {"name": "carol", "groups": ["dba"]},
    {"name": "scanner", "owner": "carol", "groups": ["dba"]},
)
SUGGESTIONS = ["S-3f9a12bc", "run"]
SAMPLES = ["P-1a2b3c4d"]
READING = {EventKind.AUDIT_READ.value, EventKind.RECORDING_VIEWED.value}
"""What a look may leave behind: that somebody looked."""
DEEDS = {
    "do": "approve:once", "verdict": "approve", "scope": "once", "reason": "because", "read": "1",
    "_method": "POST", "name": "bob", "to": "carol", "for_s": "60", "finding": "fine",
    "way": "replay", "text": "TRUNCATE customers", "answer": "right", "days": "7", "until_us": "9999999999999999",
}  # fmt: skip
OVERRIDES = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"}


@dataclass
class Place:
    """A gateway in which there is one of everything that could be changed."""

    doors: EveryDoor
    waiting: ApprovalRequest
    running: asyncio.Future[Any]
    named: dict[str, list[str]]

    @property
    def parts(self) -> Any:
        """What the gateway is made of."""
        return self.doors.asking.gateway._parts

    def addresses(self) -> list[str]:
        """Every address of the door, with one of our things in each gap."""
        gaps = {route.resource.canonical for route in self.parts.http.app.router.routes()}
        return sorted({one for gap in gaps for one in self._filled(gap)})

    def _filled(self, gap: str) -> list[str]:
        before, bar, rest = gap.partition("{")
        if not bar:
            return [gap]
        after = rest.partition("}")[2]
        return [f"{before}{name}{after}" for name in self.named[before]]

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in state.db."""
        connection = self.parts.state.connection
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr)  # noqa: S608 - names of the schema
            for name in tables
        }

    async def told_since(self, first: int) -> list[str]:
        """The kinds of the events from `first` up to now, without the journal's own pulse."""
        end = await self.parts.journal.append(
            self.parts.journal.system, EventKind.CANCEL_RECEIVED, b'{"source":"the end of the walk"}'
        ).durable()
        found: list[str] = []
        async with asyncio.timeout(30):
            async for event in self.parts.archive.tail(first):
                if event.n == end.n:
                    break
                found.append(event.envelope["k"])
        return [kind for kind in found if kind != EventKind.LOG_HEARTBEAT.value]


@pytest.fixture
async def place(postgres_server: PostgresServer, tmp_path: Path) -> AsyncIterator[Place]:
    """Alice waits for bob; a grant, a delegation, a review, a token, events and versions are there."""
    with own_database(postgres_server) as name:
        with psycopg.connect(postgres_server.dsn(database=name), autocommit=True) as direct:
            direct.execute("CREATE TABLE customers (id int PRIMARY KEY)")
            direct.execute("INSERT INTO customers VALUES (1), (2), (3)")
        async with every_door(
            postgres_server, tmp_path, PEOPLE, ["scanner"], database=name
        ) as doors:
            asking = doors.asking
            await doors.link("bob")
            connection = await asking.connect()
            first = asyncio.ensure_future(connection.execute("DELETE FROM customers WHERE id = 1"))
            (decided,) = await asking.asked()
            assert (await asking.vote(decided, scope=Scope.TEMPLATE)).counted
            await first
            status, lent = await doors.called("carol", "POST", "delegations", {"to": "bob", "for_s": 600})
            assert status == 201, lent
            front = asking.approvals.front
            alice = asking.gateway._parts.directory.principal("alice")
            running = asyncio.ensure_future(connection.execute("TRUNCATE customers"))
            (waiting,) = await asking.asked()
            await doors.shown(waiting)
            await front.break_glass(alice, Emergency("orders", "postgres", "the site is down", mfa=True))
            bob = asking.gateway._parts.directory.principal("bob")
            rows = asking.gateway._parts.tokens.rows()
            grants = [one.id for one in await front.grants()]
            reviews = [one.id for one in await front.reviews(bob)]
            assert len(grants) == 2
            assert len(reviews) == 1
            sessions = [one.session.code for one in asking.gateway._parts.supervision]
            requests = [waiting.id, decided.id, "ZZZZ"]
            yield Place(
                doors, waiting, running,
                {
                    "/r/": requests, "/grants/": grants, "/hooks/in/": ["scanner", "nobody"],
                    "/": ["nowhere", "r", "api", "hooks", "slack"],
                    "/api/v1/requests/": requests, "/api/v1/grants/": grants,
                    "/api/v1/reviews/": reviews, "/api/v1/delegations/": [lent["id"]],
                    "/api/v1/tokens/": [rows[0].id], "/api/v1/audit/events/": ["0", "1", "99999"],
                    "/suggestions/": SUGGESTIONS, "/suggestion-samples/": SAMPLES,
                    "/api/v1/suggestions/": SUGGESTIONS, "/api/v1/suggestion-samples/": SAMPLES,
                    "/api/v1/sessions/": sessions, "/api/v1/policy/versions/": ["active"],
                },
            )  # fmt: skip
            await connection.close()


async def visited(
    http: aiohttp.ClientSession, method: str, address: str, headers: dict[str, str], query: dict[str, str]
) -> int:
    """The status of a call, after its body or the beginning of a stream."""
    answer = await http.request(
        method, address, headers=headers, params=query, allow_redirects=False
    )
    try:
        async with asyncio.timeout(0.5):
            await answer.read()
    except TimeoutError:  # a stream that goes on
        answer.close()
    return answer.status


async def test_no_get_of_an_approver_changes_a_row(place: Place) -> None:
    """Each address by GET and HEAD, as deeds are worded in forms and calls: rows and journal stay as they were."""
    doors, waiting = place.doors, place.waiting
    bob = await doors.browser("bob")
    await bob.get(f"/r/{waiting.id}")
    assert "Approve and run once" in bob.buttons()
    token = bob.now.page.all("input", name="token")[0].attributes["value"]
    deeds = {**DEEDS, "token": token, "digest": waiting.digest, "request": waiting.id}
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in bob.cookies.items())}
    bearer = {"Authorization": f"Bearer {doors.asking.secrets['bob']}"}
    addresses = place.addresses()
    assert {
        f"/r/{waiting.id}", f"/api/v1/requests/{waiting.id}/votes", "/hooks/in/scanner",
        "/slack/interactions", "/sign-out", "/me/slack/begin", "/api/v1/breakglass",
        "/suggestions/S-3f9a12bc", "/suggestion-samples/P-1a2b3c4d", "/api/v1/suggestions/run",
        "/api/v1/suggestions/S-3f9a12bc/accept", "/api/v1/suggestion-samples/P-1a2b3c4d",
    } <= set(addresses)  # fmt: skip
    (message,) = [one for one in doors.fake.posted() if waiting.id in one.text]
    versions = len(message.versions)
    rows, first = place.rows(), place.parts.journal.next_n
    statuses: dict[tuple[str, str], set[int]] = {}
    async with aiohttp.ClientSession(doors.base) as http:
        for address in addresses:
            for method in ("GET", "HEAD"):
                for who in ({**cookie, "Accept": "text/html"}, {**cookie, **bearer, **OVERRIDES}):
                    for query in ({}, deeds):
                        status = await visited(http, method, address, who, query)
                        statuses.setdefault((method, address), set()).add(status)
    assert place.rows() == rows
    told = await place.told_since(first)
    assert set(told) <= READING, told
    assert EventKind.AUDIT_READ.value in told, "nothing was looked at"
    # It was really he who looked, and nobody was turned away for asking too often.
    seen = set().union(*statuses.values())
    assert 200 in statuses["GET", f"/r/{waiting.id}"]
    assert 200 in statuses["GET", f"/api/v1/requests/{waiting.id}"]
    assert not seen & {429, 500, 502, 503, 504}, statuses
    assert doors.fake.views == []
    assert doors.fake.whispers == []
    assert len(message.versions) == versions
    assert not place.running.done()
    # The same cookie is still good, and a form of it is not nothing.
    await bob.get(f"/r/{waiting.id}")
    await bob.press("Approve and run once")
    await place.running
    assert place.rows() != rows
