"""A workspace beside a real desk of approvals: people ask at one side and click at the other."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import support.fake_slack as slack_names
from aiohttp import web
from support import slack_hands as hands
from support.api_world import ORDERS
from support.approval_world import ALICE, BOB, ApprovalWorld
from support.fake_slack import FakeSlack, Posted
from support.slack_calls import Acked, Signing, call_http, form_of

from gatekeep.domain.approvals import ApprovalRequest, Place, RequestKind, Subject, Why
from gatekeep.domain.chat import ChatLink
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.gate.approval_ports import Told
from gatekeep.gate.approval_values import NewRequest
from gatekeep.identity.outbox import Telling
from gatekeep.notify.slack import Slack, SlackNeeds
from gatekeep.notify.slack_board import CALM_S
from gatekeep.notify.slack_ports import SlackValues
from gatekeep.runtime.clock import random_bytes
from gatekeep.runtime.offload import Offload
from gatekeep.stores.sqlite.slack_links import SlackBooks
from gatekeep.stores.sqlite.state import StateStore

LIMIT_S = 15.0
CONSOLE = "https://gw.example"
DELETE = "DELETE FROM customers;"
_DAY_S = 86_400


@dataclass
class ShiftedClock:
    """Time that runs, and that tests move on besides."""

    shift_s: float = 0.0

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000 + int(self.shift_s * 1e6)

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back."""
        return time.monotonic_ns() + int(self.shift_s * 1e9)


class SlackWorld:
    """To be made on a running loop; `start` begins to serve, `close` ends everything."""

    def __init__(self, state: Path, **values: Any) -> None:
        self.state = state
        self.fake = FakeSlack()
        self.world = ApprovalWorld(state)
        self.world.book.kept += [
            replace(ORDERS, name="orders-prod"),
            replace(ORDERS, name="hush", slack_detail="redacted"),
        ]
        self.clock = ShiftedClock()
        self.owing = StateStore.open(state / "state.db", bytes(32), self.world.clock)
        self.telling = Telling(self.owing, self.world.journal)
        self._given = values
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.slack: Slack
        self.books: SlackBooks

    @property
    def approvals(self) -> Any:
        """The desk, as doors see it."""
        return self.world.desk

    async def start(self, *, slack_is_up: bool = True) -> SlackWorld:
        """The fake listens, and so does ours."""
        await self.fake.start()
        if not slack_is_up:
            await self.fake.down()
        await self.start_ours()
        if slack_is_up and self._given.get("mode", "socket") == "socket":
            await until(lambda: self.fake.calls.sockets, "the socket is there")
        return self

    async def start_ours(self) -> None:
        """Ours begins, also a second time over the same state."""
        self.books = SlackBooks(
            StateStore.open(self.state / "state.db", bytes(32), self.world.clock)
        )
        self._thread = Offload(threads=1)
        self.slack = Slack(
            SlackNeeds(
                self._values(), self.approvals, self.world.people, self.world.book, self.books,
                self._thread, self.telling.tell, self.clock, self.world.clock.wall_us,
                random_bytes,
            )
        )  # fmt: skip
        await self.slack.start()
        if self._given.get("mode") == "http":
            await self._serve()

    async def stop_ours(self) -> None:
        """Ours ends; the desk and the fake go on."""
        self.world.parts.desk._listeners.clear()
        await self.slack.close()
        self._thread.close()
        self.books.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        """End everything."""
        await self.stop_ours()
        await self.fake.down()
        await self.world.close()
        self.owing.close()

    def _values(self) -> SlackValues:
        given: dict[str, Any] = {
            "mode": "socket", "team": slack_names.TEAM,
            "bot_token": lambda: slack_names.BOT_TOKEN,
            "app_token": lambda: slack_names.APP_TOKEN,
            "signing_secret": lambda: slack_names.SIGNING_SECRET,
            "seal_key": b"k" * 32, "default_channel": "C0APPROVALS",
            "api_url": self.fake.api_url, "console": lambda: CONSOLE, "pace_s": 0.02, "settle_s": 0.02,
        }  # fmt: skip
        return SlackValues(**{**given, **self._given})

    async def _serve(self) -> None:
        outer = web.Application(client_max_size=64 * 1024)
        outer.add_subapp("/slack", self.slack.http_app())
        self._runner = web.AppRunner(outer, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/slack/interactions"

    # time

    def pass_s(self, seconds: float) -> None:
        """Let time pass, for all."""
        self.clock.shift_s += seconds
        self.world.clock.pass_s(seconds)

    def calm(self) -> None:
        """So long that no message has just changed."""
        self.pass_s(CALM_S + 0.1)

    # asking

    async def ask(
        self,
        text: str = DELETE,
        *,
        by: Principal = ALICE,
        target: str = "orders-prod",
        reason: str = "ticket OPS-412",
        risk: str = "moderate",
        approvers: tuple[tuple[str, ...], ...] = (("dba",),),
        sight: Mapping[str, object] | None = None,
        verb: str = "",
        kind: RequestKind = RequestKind.STATEMENT,
        **more: Any,
    ) -> ApprovalRequest:
        """Something waits in place for a person."""
        place = Place(
            by.name, by.person, target, "app_rw", owner=by.owner, database="shop",
            source="10.1.4.7", session="ab" * 16, session_code="S-8QZ4", groups=by.groups,
        )  # fmt: skip
        facts = {"scopes": [], "where": ["absent"]}
        subject = Subject(
            kind, verb or (text.split() or ["?"])[0], text, more.pop("template", f"of {text}"),
            facts=more.pop("facts", facts), unbound=("the rows that it meets when it runs",), **more,
        )  # fmt: skip
        why = Why(
            "prod-writes-need-dba", "writes need a dba", "7f3a9c2", approvers, risk=risk,
            owner="data-platform",
        )  # fmt: skip
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        asked = await self.world.parts.desk.ask(
            NewRequest(place, subject, why, digest, reason=reason),
            lambda _approval: True, lambda *_about: None,
        )  # fmt: skip
        assert isinstance(asked, ApprovalRequest), asked
        self.world.parts.desk.announce(asked.id, sight)
        return asked

    async def shown(self, request: ApprovalRequest, channel: str = "") -> Posted:
        """The message that shows it, once it is there."""
        await until(lambda: self._found(request, channel), f"{request.id} is shown")
        return self._found(request, channel)[0]

    def _found(self, request: ApprovalRequest, channel: str) -> list[Posted]:
        return [one for one in self.fake.posted(channel) if request.id in one.text]

    async def asked(self, text: str = DELETE, **how: Any) -> tuple[ApprovalRequest, Posted]:
        """Something waits, and is shown, and that was a while ago."""
        request = await self.ask(text, **how)
        message = await self.shown(request)
        await self.rest()
        return request, message

    async def rest(self) -> None:
        """All is said, and that was a while ago."""
        await until(lambda: not len(self.slack._queue), "all is said")
        self.calm()

    async def state_of(self, request: ApprovalRequest) -> str:
        """How it stands."""
        found = await self.approvals.request(request.id)
        return str(found.state.value)

    async def is_now(self, request: ApprovalRequest, state: str) -> None:
        """Wait until it stands so."""

        async def so() -> bool:
            return await self.state_of(request) == state

        await until(so, f"{request.id} is {state}")

    # clicking

    async def click(self, name: str, message: Posted, deed: str, **how: Any) -> Acked:
        """An account clicks on a button."""
        return await self.fake.calls.deliver(hands.click(self.fake, name, message, deed, **how))

    async def click_http(
        self, name: str, message: Posted, deed: str, *, signing: Signing | None = None, **how: Any
    ) -> tuple[int, str]:
        """The same over HTTP."""
        body = form_of(hands.click(self.fake, name, message, deed, **how))
        return await call_http(self.url, body, signing or self.signing())

    def signing(self, **how: Any) -> Signing:
        """As Slack signs, unless told otherwise."""
        now_s = self.world.clock.wall_us() / 1e6
        return Signing(how.pop("secret", slack_names.SIGNING_SECRET), now_s, **how)

    async def dialogue(self, count: int = 1) -> Any:
        """The dialogue that was opened last, once so many were."""
        await until(lambda: len(self.fake.views) >= count, f"{count} dialogues")
        return self.fake.views[-1]

    async def submit(self, opened: Any, reason: str | None) -> Acked:
        """A dialogue is sent off."""
        return await self.fake.calls.deliver(hands.submit(self.fake, opened, reason))

    async def whispered(self, count: int = 1) -> list[str]:
        """What was said to single accounts, once it is so much."""
        await until(lambda: len(self.fake.whispers) >= count, f"{count} answers")
        return [one.text for one in self.fake.whispers]

    # linking

    async def link(self, *principals: Principal, ago_s: float = 2 * _DAY_S) -> None:
        """These have linked their accounts, some time ago."""
        for one in principals or (ALICE, BOB):
            at_us = self.world.clock.wall_us() - int(ago_s * 1e6)
            link = ChatLink(
                one.name, slack_names.TEAM, self.fake.account(one.name), "Acme", one.name, at_us
            )
            told = Told(EventKind.DIRECTORY_CHANGED, b'{"what":"slack.linked"}')
            await self.slack._record.change(lambda store, a=link, b=told: store.add_link(a, b))


async def until(holds: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> None:
    """Look again and again until it holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        found = holds()
        if (await found) if asyncio.iscoroutine(found) else found:
            return
        assert loop.time() < deadline, f"not in {limit_s} s: {what}"
        await asyncio.sleep(0.005)
