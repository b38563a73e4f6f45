"""Who calls: a token over TCP and on the Unix socket, wrong, revoked, locked out; and nobody else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support.api_callers import Answer, Callers, over_socket, over_tcp
from support.api_world import released
from support.approval_world import OWNER, ApprovalWorld

from gatekeep.domain.events import EventKind
from gatekeep.identity.tokens import new_secret
from gatekeep.web.server import ApiDoor

ME = "requests"


@pytest.fixture(params=["tcp", "socket"])
async def at(
    request: pytest.FixtureRequest, asking: ApprovalWorld, tmp_path: Path
) -> AsyncIterator[Callers]:
    """Callers over TCP, and on the Unix socket, where the process itself is the owner."""
    asking.people.uids[os.getuid()] = OWNER
    if request.param == "tcp":
        async with over_tcp(asking) as (callers, _):
            yield callers
        return
    door = ApiDoor(asking.needs(), tmp_path / "gatekeep.sock")
    await door.start()
    async with over_socket(asking, door.path) as callers:
        yield callers
    await door.close()


async def whoami(at: Callers, token: str | None) -> Answer:
    """What the gateway says to a token."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return await at.sent("GET", "whoami", None, headers)


async def test_a_token_says_who_calls(asking: ApprovalWorld, at: Callers) -> None:
    """Each caller is his own principal, also where all share one account of the system."""
    for name in ("alice", "bob", "bot"):
        said = await whoami(at, asking.token(name))
        assert (said.status, said.body["principal"]["name"]) == (200, name)


async def test_the_older_addresses_are_served_below_api_too(
    asking: ApprovalWorld, at: Callers
) -> None:
    """Everything that the socket has, policy and events included."""
    asking.archive.add(released(0))
    answer = await at("sam", "GET", "audit/events", q="orders")
    assert [event["n"] for event in answer.body["events"]] == [0]
    assert asking.recorded[-1][1]["principal"] == "sam"
    assert (await at("alice", "GET", "audit/events")).status == 403


async def test_without_a_token_one_is_nobody_over_tcp(
    asking: ApprovalWorld, call: Callers
) -> None:
    """No address answers, whether it exists or not."""
    asking.people.uids[os.getuid()] = OWNER
    for path in ("whoami", "requests", "openapi.json", "nowhere"):
        answer = await call.sent("GET", path, None, {})
        assert (answer.status, answer.what) == (401, "a token is needed")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gatekeep"'


async def test_without_a_token_the_kernel_says_who_calls_on_the_socket(
    asking: ApprovalWorld, tmp_path: Path
) -> None:
    """As before; but a wrong token is never made up for by the account."""
    asking.people.uids[os.getuid()] = OWNER
    door = ApiDoor(asking.needs(), tmp_path / "gatekeep.sock")
    await door.start()
    async with over_socket(asking, door.path) as callers:
        assert (await whoami(callers, None)).body["principal"]["name"] == "owner"
        assert (await whoami(callers, new_secret())).status == 401
    await door.close()


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic Ym9iOng=", "bob", "Bearer \xe9", "Bearer " + "a" * 5000],
)
async def test_what_is_no_token_is_refused(at: Callers, header: str) -> None:
    """Any other word, and any other scheme."""
    answer = await at.sent("GET", "whoami", None, {"Authorization": header})
    assert answer.status in (400, 401)


async def test_two_tokens_are_none(asking: ApprovalWorld, call: Callers) -> None:
    """Nobody chooses which of two counts."""
    token = asking.token("bob")
    answer = await call.session.get(
        "/api/v1/whoami",
        headers=[("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")],
    )
    assert answer.status == 401


async def test_a_wrong_and_a_revoked_token_are_refused_alike(
    asking: ApprovalWorld, at: Callers
) -> None:
    """With one sentence, and it is noted, without the token."""
    token = asking.token("bob")
    assert (await whoami(at, token)).status == 200
    asking.tokens.revoke(asking.token_ids["bob"])
    revoked, wrong = await whoami(at, token), await whoami(at, new_secret())
    assert revoked.status == wrong.status == 401
    assert revoked.body == wrong.body
    assert [said[0] for said in asking.noted] == [EventKind.AUTH_FAILED] * 2
    assert token not in str(asking.noted)


async def test_too_many_wrong_tokens_lock_their_address(
    asking: ApprovalWorld, at: Callers
) -> None:
    """Then a right one from there waits, too, unless it has worked there before."""
    known = asking.token("bob")
    assert (await whoami(at, known)).status == 200
    for _ in range(10):
        assert (await whoami(at, new_secret())).status == 401
    locked = await whoami(at, new_secret())
    assert (locked.status, "too many wrong tokens" in locked.what) == (429, True)
    assert (await whoami(at, asking.token("carol"))).status == 429
    assert (await whoami(at, known)).status == 200
    asking.clock.pass_s(301)
    assert (await whoami(at, asking.token("carol"))).status == 200


async def test_a_principal_that_is_gone_is_nobody(asking: ApprovalWorld, at: Callers) -> None:
    """His token stops with him."""
    token = asking.token("bob")
    asking.people.gone.add("bob")
    assert (await whoami(at, token)).status == 401


async def test_a_stream_ends_with_its_token(asking: ApprovalWorld, call: Callers) -> None:
    """Who tails the log by a token that is revoked hears nothing more."""
    asking.archive.add(released(0))
    headers = {"Authorization": f"Bearer {asking.token('sam')}"}
    async with call.session.get("/api/v1/audit/tail", params={"from": 0}, headers=headers) as tail:
        assert b'"n":0' in await tail.content.readline()
        asking.tokens.revoke(asking.token_ids["sam"])
        asking.archive.add(released(1))
        assert await tail.content.read() == b""


async def test_other_names_and_pages_are_refused_over_tcp(
    asking: ApprovalWorld, call: Callers
) -> None:
    """A page elsewhere that got hold of a name or a token does not get through."""
    bearer = {"Authorization": f"Bearer {asking.token('bob')}"}
    assert (await call.sent("GET", ME, None, bearer | {"Host": "evil.example"})).status == 421
    assert (await call.sent("GET", ME, None, bearer | {"Origin": "https://evil.example"})).status == 403


async def test_every_answer_over_tcp_carries_safe_headers(call: Callers) -> None:
    """As on the socket."""
    for answer in (await call("bob", "GET", ME), await call.sent("GET", ME, None, {})):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "gatekeep"


async def test_what_waits_is_answered_when_the_door_closes(
    asking: ApprovalWorld, tmp_path: Path
) -> None:
    """Draining keeps nobody for twenty seconds."""
    held = await asking.held()
    door = ApiDoor(asking.needs(), tmp_path / "gatekeep.sock")
    await door.start()
    async with over_socket(asking, door.path) as callers:
        approvals = asking.needs().approvals
        assert approvals is not None
        waiting = asking.parts.owner.spawn(
            callers("alice", "GET", f"requests/{held.id}", wait_s=20), name="wait"
        )
        while not approvals.waits._count and not waiting.done():
            await asyncio.sleep(0)
        door.drain()
        answer = await waiting
        assert (answer.status, answer.body["state"]) == (200, "pending")
    await door.close()


async def test_where_nobody_can_be_asked_it_says_so(
    http: aiohttp.ClientSession,
) -> None:
    """Without a desk every address of approvals is refused in words."""
    for path in ("requests", "grants", "oncall", "reviews", "delegations"):
        answer = await http.get(f"/api/v1/{path}")
        assert answer.status == 404
        assert (await answer.json())["error"]["what"] == "approvals are not set up here"
