"""People in the fake Slack: they click, fill in dialogues and send commands, as Slack's payloads say it."""

from __future__ import annotations

import itertools
import time
from typing import Any

from support.fake_slack import FakeSlack, OpenedView, Posted

_numbers = itertools.count(1)


def click(
    fake: FakeSlack, name: str, message: Posted, deed: str, *, value: str | None = None,
    team: str = "", account_team: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The payload of a click by this account on a button of a message."""
    account = fake.account(name)
    button = message.buttons().get(deed, {"action_id": f"gatekeep_{deed}", "value": ""})
    trigger = f"trigger-{next(_numbers)}"
    fake.triggers[trigger] = (account, time.monotonic())
    return {
        "type": "block_actions",
        "team": {"id": team or fake.team, "domain": "acme"},
        "user": {
            "id": account, "username": name, "name": name, "team_id": account_team or fake.team,
        },
        "api_app_id": "A0APP",
        "token": "deprecated",
        "container": {
            "type": "message", "message_ts": message.ts, "channel_id": message.channel,
            "is_ephemeral": False,
        },
        "trigger_id": trigger,
        "channel": {"id": message.channel, "name": "approvals"},
        "message": {"type": "message", "ts": message.ts, "text": message.text, "blocks": message.blocks},
        "response_url": fake.response_url(message.channel, account),
        "actions": [
            {
                "type": "button", "block_id": "b1", "action_id": button["action_id"],
                "text": button.get("text", {}), "action_ts": "1700000001.000001",
                "value": button.get("value", "") if value is None else value,
            }
        ],
    }  # fmt: skip


def submit(fake: FakeSlack, opened: OpenedView, reason: str | None) -> dict[str, Any]:
    """The payload of a dialogue that was sent off."""
    (block,) = (one for one in opened.view["blocks"] if one["type"] == "input")
    action = block["element"]["action_id"]
    return {
        "type": "view_submission",
        "team": {"id": fake.team, "domain": "acme"},
        "user": {"id": opened.account, "name": "someone", "team_id": fake.team},
        "api_app_id": "A0APP",
        "trigger_id": f"trigger-{next(_numbers)}",
        "view": {
            **opened.view,
            "id": "V1",
            "state": {"values": {block["block_id"]: {action: {"type": "plain_text_input", "value": reason}}}},
        },
        "response_urls": [],
    }


def command(fake: FakeSlack, name: str, text: str, *, team: str = "") -> dict[str, Any]:
    """The payload of a command that was typed."""
    account = fake.account(name)
    return {
        "token": "deprecated",
        "team_id": team or fake.team,
        "team_domain": "acme",
        "channel_id": "C0RANDOM",
        "channel_name": "random",
        "user_id": account,
        "user_name": name,
        "command": "/gatekeep",
        "text": text,
        "api_app_id": "A0APP",
        "response_url": fake.response_url("C0RANDOM", account),
        "trigger_id": f"trigger-{next(_numbers)}",
    }
