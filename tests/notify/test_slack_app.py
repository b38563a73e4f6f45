"""What Slack sends: answered whatever it is, worked off only if it is ours, never without end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

from gatekeep.notify import slack_app
from gatekeep.notify.slack_api import SlackApi
from gatekeep.notify.slack_app import SlackApp
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.runtime.clock import SystemClock
from gatekeep.runtime.tasks import TaskOwner


class Hands:
    """Takes what it is given and holds on to it."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.go_on = asyncio.Event()

    async def approve(self, click: Any) -> None:
        """A click."""
        self.taken.append(click)
        await self.go_on.wait()

    deny = approve

    async def deny_because(self, click: Any, reason: str) -> None:
        """A reason."""
        self.taken.append((click, reason))

    intend_because = deny_because

    async def sent_word(self, account: str, word: str) -> None:
        """A word."""
        self.taken.append((account, word))


def made() -> tuple[SlackApp, Hands, TaskOwner]:
    """An app whose clicks land in these hands."""
    values = SlackValues("socket", "T0", str, str, str, b"k" * 32, api_url="http://127.0.0.1:1/")
    hands, owner = Hands(), TaskOwner("test")
    app = SlackApp(SlackApi(values, SystemClock()), hands, hands, owner, "T0")  # type: ignore[arg-type]  # hands that only hold
    return app, hands, owner


async def send(app: SlackApp, body: dict[str, Any]) -> int:
    """The status of the answer."""
    return (await app.bolt.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))).status


def click(**more: Any) -> dict[str, Any]:
    """A click as it should be."""
    return {
        "type": "block_actions", "team": {"id": "T0"}, "user": {"id": "U1", "team_id": "T0"},
        "container": {"channel_id": "C1", "message_ts": "1.2"},
        "actions": [{"type": "button", "block_id": "b", "action_id": "gatekeep_approve", "value": "v"}],
        **more,
    }  # fmt: skip


async def test_a_click_is_answered_before_it_is_worked_off() -> None:
    """However long the work takes."""
    app, hands, owner = made()
    assert await send(app, click()) == 200
    await asyncio.sleep(0)
    (taken,) = hands.taken
    assert (taken.account, taken.value, taken.channel, taken.message) == ("U1", "v", "C1", "1.2")
    assert not hands.go_on.is_set()
    await owner.close()


@pytest.mark.parametrize(
    "strange",
    [
        {"team": {"id": "T1"}}, {"team": None}, {"user": {"id": "U1", "team_id": "T1"}},
        {"user": {}}, {"user": None}, {"user": {"id": 7, "team_id": "T0"}},
        {"actions": [{"type": "button", "block_id": "b", "action_id": "gatekeep_approve"}]},
        {"actions": [{"type": "button", "block_id": "b", "action_id": "gatekeep_approve", "value": {"a": 1}}]},
        {"actions": [{"type": "button", "block_id": "b", "action_id": "gatekeep_approve", "value": "v"}] * 2},
    ],
)  # fmt: skip
async def test_what_is_not_ours_is_answered_and_left(strange: dict[str, Any]) -> None:
    """Another workspace's, nobody's, or no click at all."""
    app, hands, owner = made()
    await send(app, click(**strange))
    await asyncio.sleep(0)
    assert hands.taken == []
    await owner.close()


async def test_only_so_many_clicks_are_worked_off_at_a_time() -> None:
    """All are answered."""
    app, hands, owner = made()
    for _ in range(slack_app.MOST_AT_ONCE + 50):
        assert await send(app, click()) == 200
    await asyncio.sleep(0)
    assert len(hands.taken) == slack_app.MOST_AT_ONCE
    hands.go_on.set()
    await owner.close()


async def test_an_unknown_button_is_not_answered_with_yes() -> None:
    """Slack then tells who clicked."""
    app, _hands, owner = made()
    body = click(actions=[{"type": "button", "block_id": "b", "action_id": "other", "value": "v"}])
    assert await send(app, body) == 404
    await owner.close()
