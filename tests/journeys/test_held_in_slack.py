"""A statement that waits in psycopg is released by a click in Slack, over either way that Slack has in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import slack_hands as hands
from support.asking_gateway import Asking, asking_gateway, until
from support.fake_slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, TEAM, FakeSlack, Posted
from support.postgres_server import PostgresServer
from support.slack_calls import Signing, call_http, form_of

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.chat import ChatLink
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Told
from gatekeep.gate.approval_values import Limits
from gatekeep.runtime.clock import SystemClock

pytestmark = pytest.mark.journey
_TWO_DAYS_US = 172_800_000_000


@pytest.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    """A workspace in which bob has an account."""
    made = FakeSlack()
    await made.start()
    yield made
    await made.down()


def settings(place: Path, fake: FakeSlack, mode: str) -> dict[str, Any]:
    """As a platform owner writes them."""
    given: dict[str, Any] = {
        "mode": mode, "team": TEAM, "default_channel": "C0APPROVALS", "api_url": fake.api_url,
    }  # fmt: skip
    for key, secret in (
        ("bot_token", BOT_TOKEN), ("app_token", APP_TOKEN), ("signing_secret", SIGNING_SECRET),
    ):  # fmt: skip
        file = place / key
        file.write_text(secret)
        file.chmod(0o600)
        given[key] = f"file:{file}"
    return {"slack": given}


async def link(asking: Asking, fake: FakeSlack, name: str) -> None:
    """Somebody linked his account two days ago."""
    slack = asking.gateway._parts.slack
    assert slack is not None
    at_us = SystemClock().wall_us() - _TWO_DAYS_US
    linked = ChatLink(name, TEAM, fake.account(name), "Acme", name, at_us)
    told = Told(EventKind.DIRECTORY_CHANGED, b'{"what":"slack.linked"}')
    await slack.slack._record.change(lambda store: store.add_link(linked, told))


async def run(asking: Asking) -> None:
    """What alice does."""
    async with await asking.connect() as connection:
        await connection.execute("CREATE TABLE told_in_slack (a int)")


async def held_and_shown(
    asking: Asking, fake: FakeSlack
) -> tuple[asyncio.Future[Any], ApprovalRequest, Posted]:
    """Alice's statement waits, and the channel shows it."""
    waiting = asyncio.ensure_future(run(asking))
    (request,) = await asking.asked()

    def found() -> list[Posted]:
        return [one for one in fake.posted("C0APPROVALS") if request.id in one.text]

    await until(found, "it is shown in the channel")
    return waiting, request, found()[0]


def blocks_of(message: Posted) -> str:
    """All that its blocks say."""
    return repr(message.blocks)


async def test_a_click_releases_it(
    postgres_server: PostgresServer, tmp_path: Path, fake: FakeSlack
) -> None:
    """The message shows the whole statement and leads to its page; bob clicks; exactly it runs."""
    given = settings(tmp_path, fake, "socket")
    async with asking_gateway(postgres_server, settings=given) as asking:
        await link(asking, fake, "bob")
        await until(lambda: fake.calls.sockets, "the socket is there")
        waiting, request, message = await held_and_shown(asking, fake)
        assert "CREATE TABLE told_in_slack (a int)" in blocks_of(message)
        link_to = f"http://localhost:{asking.gateway.http_port}/r/{request.id}"
        assert link_to in blocks_of(message)
        assert "told_in_slack" not in message.text  # it appears on locked screens

        async def clicked() -> bool:
            await fake.calls.deliver(hands.click(fake, "bob", message, "approve"))
            return waiting.done()  # clicks on what has just changed do not count

        await until(clicked, "a click counts")
        await waiting
        events = await asking.told(request.id)
        voted = next(one for one in events if one["kind"] == "approval.voted")
        assert (voted["voter"], voted["via"]) == ("bob", "slack")
        await until(lambda: not message.buttons(), "the message says how it ended")


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_without_slack_holds_end_all_the_same(
    postgres_server: PostgresServer, tmp_path: Path, fake: FakeSlack, mode: str
) -> None:
    """Slack is down from the start to the end: other doors decide, and what nobody decides is refused."""
    given = settings(tmp_path, fake, mode)
    await fake.down()
    async with asking_gateway(postgres_server, settings=given) as asking:
        waiting = asyncio.ensure_future(run(asking))
        (request,) = await asking.asked()
        assert (await asking.vote(request, via="web", deny="not on a Saturday")).counted
        with pytest.raises(psycopg.Error, match=f"denied request {request.id}"):
            await waiting
        asking.approvals.desk.limits = Limits(open_s=1)
        async with await asking.connect() as connection:
            with pytest.raises(psycopg.Error, match="nobody answered request") as told:
                await connection.execute("CREATE TABLE never_told (a int)")
        assert told.value.sqlstate == "42501"
    assert fake.messages == []


async def test_a_signed_call_denies_it(
    postgres_server: PostgresServer, tmp_path: Path, fake: FakeSlack
) -> None:
    """Over HTTP Slack reaches the gateway's own door; an unsigned call is nothing there."""
    given = settings(tmp_path, fake, "http")
    async with asking_gateway(postgres_server, settings=given) as asking:
        await link(asking, fake, "bob")
        waiting, request, message = await held_and_shown(asking, fake)
        url = f"http://localhost:{asking.gateway.http_port}/slack/interactions"

        async def called(secret: str, payload: dict[str, Any]) -> tuple[int, str]:
            signing = Signing(secret, SystemClock().wall_us() / 1e6)
            return await call_http(url, form_of(payload), signing)

        denying = hands.click(fake, "bob", message, "deny")
        assert (await called("not the secret", denying))[0] == 401

        async def asked_why() -> bool:
            status, _ = await called(SIGNING_SECRET, hands.click(fake, "bob", message, "deny"))
            assert status == 200
            return bool(fake.views)

        await until(asked_why, "a dialogue asks for the reason")
        sent = hands.submit(fake, fake.views[-1], "not on a Saturday")
        assert (await called(SIGNING_SECRET, sent))[0] == 200
        with pytest.raises(psycopg.Error, match=f"denied request {request.id}"):
            await waiting
