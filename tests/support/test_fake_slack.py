"""The fake Slack is as strict as Slack: what it would refuse, this refuses, and late answers show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from support.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from support.slack_block_kit import faults_of, faults_of_view


def plain(text: str) -> dict[str, Any]:
    """A text object."""
    return {"type": "plain_text", "text": text}


def rich(*parts: dict[str, Any], kind: str = "rich_text_section") -> dict[str, Any]:
    """A block of rich text."""
    return {"type": "rich_text", "elements": [{"type": kind, "elements": list(parts)}]}


HEADER = {"type": "header", "text": plain("x")}
BUTTON = {"type": "button", "action_id": "a", "text": plain("x")}


@pytest.mark.parametrize(
    "blocks",
    [
        [HEADER] * 51,
        [{"type": "header", "text": plain("x" * 151)}],
        [{"type": "header", "text": plain("")}],
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        [{"type": "section", "text": plain("x" * 3001)}],
        [{"type": "section", "fields": [plain("x")] * 11}],
        [{"type": "section", "fields": [plain("x" * 2001)]}],
        [rich({"type": "text", "text": "x" * 3001})],
        [rich({"type": "text", "text": ""})],
        [rich()],
        [{"type": "rich_text", "elements": []}],
        [rich({"type": "date", "timestamp": 1, "format": "{time}"}, kind="rich_text_preformatted")],
        [rich({"type": "date", "timestamp": "1", "format": "{time}"})],
        [rich({"type": "user", "user_id": "U1"})],
        [{"type": "actions", "elements": [{**BUTTON, "value": "x" * 2001}]}],
        [{"type": "actions", "elements": [{**BUTTON, "text": plain("x" * 76)}]}],
        [{"type": "actions", "elements": [BUTTON, BUTTON]}],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [{**BUTTON, "style": "green"}]}],
        [rich({"type": "text", "text": "x" * 2999})] * 5,
        [{"type": "marquee"}],
        "x",
    ],
)
def test_blocks_over_the_limits_are_refused(blocks: Any) -> None:
    """Each limit that our messages come near."""
    assert faults_of(blocks) != []


def test_a_dialogue_over_the_limits_is_refused() -> None:
    """Titles of more than 24 characters among them."""
    good = {
        "type": "modal", "callback_id": "c", "title": plain("x"), "submit": plain("x"),
        "close": plain("x"), "blocks": [HEADER],
    }  # fmt: skip
    assert faults_of_view(good) == []
    assert faults_of_view({**good, "title": plain("x" * 25)}) != []
    assert faults_of_view({**good, "private_metadata": "x" * 3001}) != []
    assert faults_of_view({**good, "callback_id": ""}) != []


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeSlack]:
    """A Slack."""
    made = FakeSlack()
    await made.start()
    yield made
    await made.down()


async def call(fake: FakeSlack, method: str, token: str = BOT_TOKEN, **body: Any) -> dict[str, Any]:
    """Call a method."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(fake.api_url + method, json=body, headers=headers) as response,
    ):
        answer: dict[str, Any] = await response.json()
        return answer


async def test_calls_are_judged(fake: FakeSlack) -> None:
    """By token, channel, message and text."""
    assert (await call(fake, "auth.test", "xoxb-other"))["error"] == "invalid_auth"
    assert (await call(fake, "apps.connections.open"))["error"] == "invalid_auth"
    assert (await call(fake, "files.upload"))["error"] == "unknown_method"
    posted = await call(fake, "chat.postMessage", channel="C0NOWHERE", text="x")
    assert posted["error"] == "channel_not_found"
    assert (await call(fake, "chat.postMessage", channel="C0DBA"))["error"] == "no_text"
    updated = await call(fake, "chat.update", channel="C0DBA", ts="1", text="x")
    assert updated["error"] == "message_not_found"
    opened = await call(fake, "views.open", trigger_id="old", view={})
    assert opened["error"] == "invalid_trigger_id"


async def test_a_socket_is_opened_once_and_late_answers_are_seen(fake: FakeSlack) -> None:
    """Three seconds in earnest; here a hundredth."""
    fake.calls.deadline_s = 0.01
    address = (await call(fake, "apps.connections.open", APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(address) as socket:
            assert (await socket.receive_json())["type"] == "hello"
            delivering = asyncio.ensure_future(fake.calls.deliver({"x": 1}))
            envelope = await socket.receive_json()
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() - began < 0.02:
                await asyncio.sleep(0)
            await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"y": 2}})
            acked = await delivering
            assert (acked.payload, acked.late) == ({"y": 2}, True)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(address)
