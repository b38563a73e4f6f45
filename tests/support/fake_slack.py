"""A Slack that behaves: the part of its Web API that we use, over a real socket, with its limits.

How it calls us (Socket Mode, signed HTTP) is `slack_calls`' and `slack_hands`'.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from support.slack_block_kit import faults_of, faults_of_view
from support.slack_calls import SlackCalls

TEAM = "T0GATEKEEP"
BOT_TOKEN = "xoxb-of-the-fake"  # noqa: S105 - of nobody
APP_TOKEN = "xapp-of-the-fake"  # noqa: S105 - of nobody
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # noqa: S105 - of nobody
TRIGGER_S = 3.0
_MOST_TEXT = 40_000
_RESPONSES = 5


@dataclass
class Posted:
    """A message as it stands, and as it stood before: every version with the time of it."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str = ""
    versions: list[tuple[float, str, list[dict[str, Any]]]] = field(default_factory=list)

    def buttons(self) -> dict[str, dict[str, Any]]:
        """The buttons that it has now, by the end of their action_id."""
        return {
            one["action_id"].rsplit("_", 1)[-1]: one
            for block in self.blocks
            if block["type"] == "actions"
            for one in block["elements"]
        }


@dataclass
class Whisper:
    """A message that one account alone sees."""

    channel: str
    account: str
    text: str
    via: str


@dataclass
class OpenedView:
    """A dialogue that was opened for an account."""

    account: str
    view: dict[str, Any]


class FakeSlack:
    """One workspace. Start it on a running loop."""

    def __init__(self, *, team: str = TEAM) -> None:
        self.team = team
        self.team_name = "Acme"
        self.accounts: dict[str, dict[str, Any]] = {}
        self.channels = {"C0APPROVALS", "C0DBA", "C0SRE"}
        self.messages: list[Posted] = []
        self.whispers: list[Whisper] = []
        self.views: list[OpenedView] = []
        self.called: list[tuple[str, float]] = []
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.refusals: list[tuple[str, Any]] = []
        self.storms: dict[str, list[int]] = defaultdict(list)
        """By method: for so many calls to come, so many seconds to wait."""
        self.errors: dict[str, list[str]] = defaultdict(list)
        """By method: what the next calls are answered with; `http 500` is a status."""
        self.delay_s = 0.0
        self.calls = SlackCalls(self)
        self.triggers: dict[str, tuple[str, float]] = {}
        self.responses: dict[str, tuple[str, str, int]] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._port = 0
        for number, name in enumerate(("alice", "bob", "carol", "dan", "erin"), 1):
            self.add_account(f"U{number:09d}", name)

    def add_account(self, account: str, name: str, **more: Any) -> str:
        """Somebody in the workspace."""
        self.accounts[account] = {
            "id": account, "team_id": self.team, "name": name, "real_name": name.title(),
            "deleted": False, "is_bot": False, "profile": {"display_name": name}, **more,
        }  # fmt: skip
        return account

    def account(self, name: str) -> str:
        """The id of the account of this name."""
        return next(key for key, one in self.accounts.items() if one["name"] == name)

    # its life

    async def start(self) -> None:
        """Listen; at the same port as before, after a time of being down."""
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/respond/{id}", self._respond)
        app.router.add_get("/socket", self.calls.socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def down(self) -> None:
        """Be gone: every connection ends, nobody listens."""
        await self.calls.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self._port}/api/"

    # what tests look at

    def posted(self, channel: str = "") -> list[Posted]:
        """The messages outside threads, oldest first."""
        return [
            one for one in self.messages
            if not one.thread_ts and channel in ("", one.channel)
        ]  # fmt: skip

    def direct(self, name: str) -> list[Posted]:
        """The direct messages to this account."""
        return self.posted(f"D{self.account(name)}")

    def thread(self, message: Posted) -> list[Posted]:
        """What was said in the thread of a message."""
        return [one for one in self.messages if one.thread_ts == message.ts]

    def methods(self, method: str) -> list[float]:
        """When a method was called."""
        return [at for name, at in self.called if name == method]

    # its API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        now = time.monotonic()
        self.called.append((method, now))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.storms[method]:
            wait_s = self.storms[method].pop(0)
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429,
                headers={"Retry-After": str(wait_s)},
            )  # fmt: skip
        if self.errors[method]:
            said = self.errors[method].pop(0)
            if said.startswith("http "):
                return web.Response(status=int(said[5:]), text="<html>no</html>")
            return web.json_response({"ok": False, "error": said})
        body = await _body(request)
        self.bodies.append((method, body))
        answer = await self._answered(method, request, body)
        if not answer.get("ok"):
            self.refusals.append((method, answer))
        return web.json_response(answer)

    async def _answered(
        self, method: str, request: web.Request, body: dict[str, Any]
    ) -> dict[str, Any]:
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            return {"ok": False, "error": "invalid_auth"}
        known: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "auth.test": self._auth_test,
            "apps.connections.open": self._connections_open,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._whisper,
            "views.open": self._view,
            "conversations.open": self._conversation,
            "users.info": self._account_info,
        }
        if method not in known:
            return {"ok": False, "error": "unknown_method"}
        return await known[method](body)

    async def _auth_test(self, _body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "ok": True, "team": self.team_name, "team_id": self.team, "user_id": "U0BOT",
            "bot_id": "B0BOT",
        }  # fmt: skip

    async def _connections_open(self, _body: Mapping[str, Any]) -> dict[str, Any]:
        return {"ok": True, "url": self.calls.new_address(self._port)}

    async def _post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        fault = self._wrong(body)
        if fault:
            return fault
        channel = body["channel"]
        channel = f"D{channel}" if channel in self.accounts else channel
        ts = f"1700000000.{next(self._numbers):06d}"
        made = Posted(channel, ts, body.get("text", ""), body.get("blocks", []), body.get("thread_ts", ""))
        made.versions.append((time.monotonic(), made.text, made.blocks))
        self.messages.append(made)
        return {"ok": True, "channel": channel, "ts": ts}

    async def _update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found = next(
            (one for one in self.messages if (one.channel, one.ts) == (body["channel"], body["ts"])),
            None,
        )
        if found is None:
            return {"ok": False, "error": "message_not_found"}
        fault = self._wrong(body)
        if fault:
            return fault
        found.text, found.blocks = body.get("text", ""), body.get("blocks", [])
        found.versions.append((time.monotonic(), found.text, found.blocks))
        return {"ok": True, "channel": found.channel, "ts": found.ts}

    async def _whisper(self, body: Mapping[str, Any]) -> dict[str, Any]:
        fault = self._wrong(body)
        if fault:
            return fault
        self.whispers.append(Whisper(body["channel"], body["user"], body["text"], "postEphemeral"))
        return {"ok": True, "message_ts": f"1700000000.{next(self._numbers):06d}"}

    async def _view(self, body: Mapping[str, Any]) -> dict[str, Any]:
        account, at = self.triggers.pop(body.get("trigger_id", ""), ("", 0.0))
        if not account:
            return {"ok": False, "error": "invalid_trigger_id"}
        if time.monotonic() - at > TRIGGER_S:
            return {"ok": False, "error": "expired_trigger_id"}
        faults = faults_of_view(body.get("view"))
        if faults:
            return {"ok": False, "error": "invalid_arguments", "faults": faults}
        self.views.append(OpenedView(account, body["view"]))
        return {"ok": True, "view": body["view"]}

    async def _conversation(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("users") not in self.accounts:
            return {"ok": False, "error": "user_not_found"}
        return {"ok": True, "channel": {"id": f"D{body['users']}"}}

    async def _account_info(self, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self.accounts.get(body.get("user", ""))
        return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}

    def _wrong(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Why a message cannot be sent; empty if it can."""
        channel = body.get("channel", "")
        direct = channel.startswith("D") and channel[1:] in self.accounts
        if channel not in self.channels and channel not in self.accounts and not direct:
            return {"ok": False, "error": "channel_not_found"}
        if not body.get("text") and not body.get("blocks"):
            return {"ok": False, "error": "no_text"}
        if len(body.get("text", "")) > _MOST_TEXT:
            return {"ok": False, "error": "msg_too_long"}
        faults = faults_of(body.get("blocks", []))
        return {"ok": False, "error": "invalid_blocks", "faults": faults} if faults else {}

    # where clicks are answered

    def response_url(self, channel: str, account: str) -> str:
        """An address for answers to one click, good for five."""
        number = str(next(self._numbers))
        self.responses[number] = (channel, account, _RESPONSES)
        return f"http://127.0.0.1:{self._port}/respond/{number}"

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["id"]
        channel, account, left = self.responses.get(number, ("", "", 0))
        body = await _body(request)
        if not left or body.get("response_type") != "ephemeral":
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        self.responses[number] = (channel, account, left - 1)
        self.whispers.append(Whisper(channel, account, body["text"], "response_url"))
        return web.Response(text="ok")


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        found: dict[str, Any] = json.loads(await request.text() or "{}")
        return found
    return {**dict(request.query), **{str(k): str(v) for k, v in (await request.post()).items()}}
