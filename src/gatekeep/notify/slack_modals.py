"""The dialogues in Slack that ask for a reason. What comes back from them is checked like any click."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.messages import slack as words
from gatekeep.notify.slack_blocks import plain_text

DENY_VIEW: Final = "gatekeep_deny_reason"
INTENT_VIEW: Final = "gatekeep_intent_reason"
REASON_BLOCK: Final = "gatekeep_reason"
REASON_ID: Final = "gatekeep_reason_text"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a dialogue brings back: the button's value, and where to answer who clicked it."""

    value: str
    channel: str

    def written(self) -> str:
        """For the dialogue; well below the 3,000 characters that Slack allows."""
        return json.dumps([self.value, self.channel])


def carried_in(written: object) -> Carried | None:
    """What `written` held, if it is ours; nothing in it is believed yet."""
    try:
        value, channel = json.loads(written if isinstance(written, str) else "")
    except (ValueError, TypeError, RecursionError):
        return None
    if isinstance(value, str) and isinstance(channel, str):
        return Carried(value, channel)
    return None


def reason_view(callback: str, title: str, carried: Carried) -> dict[str, Any]:
    """A dialogue that asks for a reason; `title` is the request's."""
    deny = callback == DENY_VIEW
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": carried.written(),
        "title": plain_text(words.DENY_TITLE if deny else words.INTENT_TITLE),
        "submit": plain_text(words.DENY_TITLE if deny else words.GO_ON),
        "close": plain_text(words.CANCEL),
        "blocks": [
            {"type": "section", "text": plain_text(title)},
            {
                "type": "input",
                "block_id": REASON_BLOCK,
                "label": plain_text(words.REASON),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON_ID,
                    "multiline": True,
                    "max_length": words.REASON_LIMIT,
                },
            },
        ],
    }


def reason_in(view: Mapping[str, Any]) -> str:
    """The reason that was typed; empty for none."""
    found: Any = view
    for name in ("state", "values", REASON_BLOCK, REASON_ID, "value"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found.strip() if isinstance(found, str) else ""


def wrong_reason(reason: str) -> dict[str, str]:
    """What is wrong with it, by the field it stands in; nothing if it may be sent."""
    if not reason:
        return {REASON_BLOCK: words.REASON_MISSING}
    if len(reason) > words.REASON_LIMIT:
        return {REASON_BLOCK: words.REASON_TOO_LONG}
    return {}
