"""What Slack's half needs from outside: its values, its stores, where it keeps a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gatekeep.domain.chat import ChatLink, ShownRequest
from gatekeep.gate.approval_ports import Told

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SlackValues:
    """How one workspace is reached. `mode` is `socket` or `http`; `team` is the workspace's id.

    The three secrets are read anew each time. `channels` says which group is asked in which
    channel, `default_channel` where all others are; empty: by direct message. `digest_channel` gets
    the weekly digest of suggestions; empty: nobody does. `api_url` is set in tests only. `console()` is what links begin with, empty where there is no console. `seal_key`
    (32 bytes) seals the values of buttons. `pace_s` lies between two messages in one channel;
    `settle_s` is how long a new request waits for what is found out about it.
    """

    mode: str
    team: str
    bot_token: Callable[[], str]
    app_token: Callable[[], str]
    signing_secret: Callable[[], str]
    seal_key: bytes
    channels: Mapping[str, str] = field(default_factory=dict)
    default_channel: str = ""
    digest_channel: str = ""
    api_url: str = ""
    console: Callable[[], str] = str
    pace_s: float = 1.0
    settle_s: float = 1.0


class LinkStore(Protocol):
    """Where links are kept. Each change is one transaction with the event that it owes.

    Changes raise JournalUnavailable when they cannot be kept, and then nothing changed.
    """

    def add_link(self, link: ChatLink, told: Told) -> bool:
        """Keep a link in place of the principal's own older one; it counts once it is settled.

        False when the account is another principal's, and nothing changed.
        """

    def remove_link(self, principal: str, told: Told) -> bool:
        """Forget a principal's link, at once; false when there is none."""

    def link_of(self, principal: str) -> ChatLink | None:
        """The link of a principal, settled or not."""

    def link_of_account(self, team: str, account: str) -> ChatLink | None:
        """The link of an account, settled or not."""


class ShownStore(Protocol):
    """Where it is remembered which messages show which request, over restarts."""

    def add_shown(self, shown: ShownRequest) -> None:
        """Remember a message. Raises JournalUnavailable when it cannot be kept."""

    def shown(self, request_id: str) -> Sequence[ShownRequest]:
        """The messages that show a request, oldest first."""

    def unfinished(self) -> Sequence[str]:
        """The requests that some message still shows as open."""

    def close_shown(self, channel: str, message: str) -> None:
        """Note that this message says how it ended, or is gone. Raises as `add_shown` does."""


class SlackStore(LinkStore, ShownStore, Protocol):
    """Both."""


class Thread(Protocol):
    """Runs functions one after the other, away from the event loop."""

    async def run(self, function: Callable[[], Result]) -> Result:
        """What the function returns; its exceptions pass through."""
