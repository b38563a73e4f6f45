"""Chat accounts that vote as principals, and the places where a request was shown to people.

Frozen words; how a chat is spoken to lives in `notify`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatLink:
    """One account of one workspace, and the principal whose clicks its clicks are.

    `team` is the workspace's id and `workspace` its name, `account` the account's id and
    `display_name` what people see. `linked_us` is microseconds UTC. `settled`: the event of its
    making is durable; before that it does not count.
    """

    principal: str
    team: str
    account: str
    workspace: str = ""
    display_name: str = ""
    linked_us: int = 0
    settled: bool = False


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A message that shows a request: its channel, and its id there.

    `shown_us` is microseconds UTC. `closed`: it says how the request ended, and has no buttons.
    """

    request: str
    channel: str
    message: str
    shown_us: int
    closed: bool = False
