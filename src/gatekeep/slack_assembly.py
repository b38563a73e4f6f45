"""Makes Slack's half of the gateway out of settings and what it shares with the rest. Wires only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import Directory, TargetBook
from gatekeep.identity.secrets import SecretReader
from gatekeep.notify.slack import Slack, SlackNeeds
from gatekeep.notify.slack_links import SlackLinks
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.offload import Offload
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.slack_links import SlackBooks
from gatekeep.stores.sqlite.state import StateStore

MOUNTED_AT = "/slack"
"""Where the HTTP door serves Slack's calls."""


@dataclass(frozen=True, slots=True)
class SlackShared:
    """What it has in common with the rest.

    `tell` tells the journal what `state.db` owes it. `open_state` opens a connection to `state.db` that nobody else uses. `seal_key` is
    `KeyRing.button_key`. `console()` is what links begin with. `now_us` never lets a stepped clock
    lengthen anything.
    """

    approvals: Approvals
    directory: Directory
    targets: TargetBook
    tell: Callable[[], Awaitable[None]]
    open_state: Callable[[], StateStore]
    seal_key: bytes
    console: Callable[[], str]
    clock: Clock
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SlackHalf:
    """One workspace, its books and their thread."""

    slack: Slack
    books: SlackBooks
    thread: Offload
    over_http: bool

    @property
    def links(self) -> SlackLinks:
        """What the console's page of linking works with."""
        return self.slack.links

    def http_app(self) -> web.Application | None:
        """What to mount at MOUNTED_AT, before the HTTP door opens; None where we dial Slack."""
        return self.slack.http_app() if self.over_http else None

    async def close(self) -> None:
        """Close it, after the doors and before approvals and journal."""
        await self.slack.close()
        self.thread.close()
        self.books.close()


def assemble_slack(
    settings: Settings, secrets: SecretReader, shared: SlackShared
) -> SlackHalf | None:
    """Every part, made but not started; None where it is off.

    Raises SettingsError for a secret that cannot be read.
    """
    given = settings.slack
    if given.mode == "off":
        return None

    references = given.references()
    for key, reference in references.items():
        secrets.read(reference, key=key)

    def secret(key: str) -> Callable[[], str]:
        """Read anew at each use; nobody asks for one that the mode does not need."""
        return lambda: secrets.read(references[key], key=key)

    values = SlackValues(
        given.mode,
        given.team or "",
        secret("slack.bot_token"),
        secret("slack.app_token"),
        secret("slack.signing_secret"),
        shared.seal_key,
        channels=given.channel_of(),
        default_channel=given.default_channel or "",
        digest_channel=given.digest_channel or given.default_channel or "",
        api_url=given.api_url or "",
        console=shared.console,
    )
    books = SlackBooks(shared.open_state())
    thread = Offload(threads=1)
    slack = Slack(
        SlackNeeds(
            values, shared.approvals, shared.directory, shared.targets, books, thread,
            shared.tell, shared.clock, shared.now_us, shared.draw,
        )
    )  # fmt: skip
    return SlackHalf(slack, books, thread, over_http=given.mode == "http")
