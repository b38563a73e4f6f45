"""Slack as one part of the gateway: every piece of it, made, started and closed together.

Nothing here decides; without Slack everything else goes on, and requests end by themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from gatekeep.gate.approval_ports import Approvals
from gatekeep.gate.ports import Directory, TargetBook
from gatekeep.notify.slack_api import SlackApi
from gatekeep.notify.slack_app import SlackApp
from gatekeep.notify.slack_board import BoardNeeds, SlackBoard
from gatekeep.notify.slack_clicks import ClickNeeds, SlackClicks
from gatekeep.notify.slack_http import slack_http
from gatekeep.notify.slack_links import LinkNeeds, SlackLinks
from gatekeep.notify.slack_notices import SlackNotices
from gatekeep.notify.slack_ports import SlackStore, SlackValues, Thread
from gatekeep.notify.slack_queue import SlackQueue
from gatekeep.notify.slack_record import SlackRecord
from gatekeep.notify.slack_seal import Seal
from gatekeep.notify.slack_signature import SignatureCheck
from gatekeep.notify.slack_socket import SlackSocket
from gatekeep.notify.slack_telling import SlackTelling
from gatekeep.notify.suggestion_digest import SuggestionDigest
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

_LAST_WORDS_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class SlackNeeds:
    """What Slack's half works with.

    `store` is used on `thread` alone; `tell` tells the journal what the state owes it. `now_us` never lets a stepped clock lengthen anything, and
    `draw(n)` gives random bytes.
    """

    values: SlackValues
    approvals: Approvals
    directory: Directory
    targets: TargetBook
    store: SlackStore
    thread: Thread
    tell: Callable[[], Awaitable[None]]
    clock: Clock
    now_us: Callable[[], int]
    draw: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SlackStatus:
    """How it stands: `waiting` pieces are not said yet, `dropped` ones never will be.

    `connected` is true over HTTP, where Slack dials.
    """

    connected: bool
    waiting: int
    dropped: int


class Slack:
    """One workspace. It listens to the desk from its making on; `start` begins the rest."""

    def __init__(self, needs: SlackNeeds) -> None:
        values = needs.values
        self._values = values
        # Three owners: clicks are counted, and what is under way is ended in order.
        self._speaking = TaskOwner("slack")
        self._working = TaskOwner("slack clicks")
        self._keeping = TaskOwner("slack record")
        self._api = SlackApi(values, needs.clock)
        self._queue = SlackQueue(self._speaking, needs.clock, pace_s=values.pace_s)
        self._record = SlackRecord(needs.store, needs.thread, needs.tell, self._keeping)
        seal = Seal(values.seal_key)
        telling = SlackTelling(
            self._api, self._queue, self._record, needs.directory, values.team
        )
        self.digest = SuggestionDigest(values.digest_channel, values.console, telling)
        self.notices = SlackNotices(
            values.channels, values.default_channel, needs.targets, telling
        )
        self.links = SlackLinks(
            LinkNeeds(
                self._record, self._api, telling, needs.directory, values.team, needs.now_us,
                needs.draw,
            )
        )  # fmt: skip
        self.board = SlackBoard(
            BoardNeeds(
                values, needs.approvals, needs.directory, needs.targets, self._record, self._api,
                self._queue, telling, seal, self._speaking, needs.clock, needs.now_us,
            )
        )  # fmt: skip
        clicks = SlackClicks(
            ClickNeeds(
                needs.approvals, self.board, self.links, self._api, seal, values.team,
                values.console,
            )
        )  # fmt: skip
        self._app = SlackApp(self._api, clicks, self.links, self._working, values.team)
        self._socket = SlackSocket(self._app.bolt, self._api, values.app_token)
        self._check = SignatureCheck(values.signing_secret, needs.now_us)
        needs.approvals.listen(self.board.heard)
        channels = frozenset({*values.channels.values(), values.default_channel}) - {""}
        needs.approvals.listen_glass(
            lambda grant, reason: telling.glass(grant, reason, channels)
        )

    def http_app(self) -> web.Application:
        """What the HTTP door serves for Slack, under a path of its own; only with `mode` http."""
        return slack_http(self._app.bolt, self._check)

    async def start(self) -> None:
        """Take up what is open, and begin to listen to Slack; never waits for it."""
        await self.board.resume()
        self._speaking.spawn(self.board.count_down(), name="count-down")
        if self._values.mode == "socket":
            self._speaking.spawn(self._socket.run(), name="socket")

    @property
    def status(self) -> SlackStatus:
        """How it stands at this moment."""
        connected = self._socket.connected or self._values.mode == "http"
        return SlackStatus(connected, len(self._queue), self._queue.dropped)

    async def close(self) -> None:
        """Let votes and links that are under way come to their end, and messages for a moment.

        What is not said by then is made good at the next start.
        """
        await self._working.close(grace=2.0)
        await self._queue.said(_LAST_WORDS_S)
        self.board.closed = True
        await self._speaking.close()
        await self._keeping.close(grace=5.0)
        await self._api.close()
