"""A running gateway with every door by which somebody may decide, and people at each of them.

Pages, API, command line, Slack and webhook; they all lead to one desk, over real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from argon2 import PasswordHasher
from support import slack_hands as hands
from support.asking_gateway import Asking, asking_gateway, until
from support.fake_slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, TEAM, FakeSlack, Posted
from support.plain_browser import PlainBrowser
from support.postgres_server import PostgresServer
from support.slack_calls import Signing, call_http, form_of

from gatekeep.domain.approvals import ApprovalRequest
from gatekeep.domain.chat import ChatLink
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Told
from gatekeep.notify.signing import signed_headers
from gatekeep.runtime.clock import SystemClock

PASSWORD = "correct horse battery"  # noqa: S105 - of people who are not
TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
HOOK = "the key of what comes in, as long as that"
CHANNEL = "C0APPROVALS"
_TWO_DAYS_US = 172_800_000_000


@dataclass(frozen=True)
class Answer:
    """What a door said: whether it took the vote, and its words."""

    taken: bool
    said: str


@dataclass
class EveryDoor:
    """The doors, with what people have in their hands there."""

    asking: Asking
    fake: FakeSlack
    place: Path
    browsers: dict[str, PlainBrowser] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """Where the HTTP door is."""
        return f"http://localhost:{self.asking.gateway.http_port}"

    async def browser(self, name: str) -> PlainBrowser:
        """The browser with which this person is signed in."""
        if name not in self.browsers:
            made = self.browsers[name] = PlainBrowser(self.base)
            await made.get("/sign-in")
            await made.press("Sign in", name=name, password=PASSWORD)
            assert made.now.path == "/inbox", made.now.text
        return self.browsers[name]

    async def called(
        self, name: str, method: str, path: str, body: object = None
    ) -> tuple[int, Any]:
        """A call of the API with this principal's token."""
        token = {"Authorization": f"Bearer {self.asking.secrets[name]}"}
        async with aiohttp.ClientSession(self.base, headers=token) as http:
            answer = await http.request(method, f"/api/v1/{path}", json=body)
            return answer.status, await answer.json()

    async def link(self, name: str) -> None:
        """Somebody linked his Slack account two days ago."""
        if name not in {one["name"] for one in self.fake.accounts.values()}:
            self.fake.add_account(f"U1{name.upper().replace('-', ''):0>7}", name)
        slack = self.asking.gateway._parts.slack
        assert slack is not None
        at_us = SystemClock().wall_us() - _TWO_DAYS_US
        linked = ChatLink(name, TEAM, self.fake.account(name), "Acme", name, at_us)
        told = Told(EventKind.DIRECTORY_CHANGED, b'{"what":"slack.linked"}')
        await slack.slack._record.change(lambda store: store.add_link(linked, told))

    async def shown(self, request: ApprovalRequest) -> Posted:
        """The message that shows it in the channel, once it has stood there for a while."""
        await until(lambda: self._posted(request), "it is shown in the channel")
        (message,) = self._posted(request)
        board = self.asking.gateway._parts.slack.slack.board  # type: ignore[union-attr]  # it is on
        await until(lambda: not board.just_changed(request.id, message.channel, message.ts), "calm")
        return message

    def _posted(self, request: ApprovalRequest) -> list[Posted]:
        return [one for one in self.fake.posted(CHANNEL) if request.id in one.text]

    # a yes, by each of the doors

    async def by_web(self, name: str, request: ApprovalRequest) -> Answer:
        """A form as the page would send it, whether or not there is such a button for him."""
        browser = await self.browser(name)
        await browser.get("/sign-out")
        token = browser.now.page.one("input", name="token").attributes["value"]
        shown = await browser.post(
            f"/r/{request.id}",
            [("token", token), ("digest", request.digest), ("do", "approve:once"),
             ("scope", "once"), ("reason", "fine")],
        )  # fmt: skip
        return Answer(shown.status == 200 and not shown.alert, shown.alert or shown.heading)

    async def by_api(self, name: str, request: ApprovalRequest) -> Answer:
        """A call over TCP."""
        vote = {"verdict": "approve", "digest": request.digest, "reason": "fine"}
        status, said = await self.called(name, "POST", f"requests/{request.id}/votes", vote)
        return Answer(status == 200, said["words"] if status == 200 else said["error"]["what"])

    async def by_cli(self, name: str, request: ApprovalRequest) -> Answer:
        """The command, as a process of its own."""
        file = self.place / f"{name}.token"
        if not file.exists():
            file.touch(0o600)
            file.write_text(self.asking.secrets[name] + "\n")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gatekeep.cli.main", "approvals", "approve", request.id, "--yes",
            "--digest", request.digest, "--reason", "fine", "--token-file", str(file),
            "--state", str(self.asking.gateway.socket_path.parent),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if not key.startswith("GATEKEEP")},
        )  # fmt: skip
        _, err = await asyncio.wait_for(child.communicate(), 60)
        return Answer(child.returncode == 0, err.decode())

    async def by_slack(self, name: str, request: ApprovalRequest) -> Answer:
        """A click, signed by Slack; he alone sees what is said to it."""
        message = await self.shown(request)
        before = len(self.fake.whispers)
        signing = Signing(SIGNING_SECRET, SystemClock().wall_us() / 1e6)
        body = form_of(hands.click(self.fake, name, message, "approve"))
        status, _ = await call_http(f"{self.base}/slack/interactions", body, signing)
        assert status == 200
        found = self.asking.approvals.front

        async def answered() -> bool:
            now = await found.request(request.id)
            return len(self.fake.whispers) > before or now.state is not request.state

        await until(answered, "the click is worked off")
        said = [one.text for one in self.fake.whispers[before:]]
        return Answer(not said, " ".join(said))

    async def by_webhook(self, endpoint: str, request: ApprovalRequest) -> Answer:
        """A signed call of a machine."""
        raw = json.dumps(
            {"request": request.id, "verdict": "approve", "digest": request.digest}
        ).encode()
        headers = signed_headers(HOOK, SystemClock().wall_us(), raw)
        async with aiohttp.ClientSession(self.base) as http:
            answer = await http.post(f"/hooks/in/{endpoint}", data=raw, headers=headers)
            return Answer(answer.status == 200, str((await answer.json()).get("words", "")))


def _secret(place: Path, name: str, text: str) -> str:
    file = place / name
    file.touch(0o600)
    file.write_text(text)
    return f"file:{file}"


def _settings(place: Path, fake: FakeSlack, hooks: Sequence[str]) -> dict[str, Any]:
    secrets = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "signing_secret": SIGNING_SECRET}
    refer = {key: _secret(place, key, secret) for key, secret in secrets.items()}
    key = _secret(place, "hook", HOOK)
    return {
        "slack": {
            "mode": "http", "team": TEAM, "default_channel": CHANNEL, "api_url": fake.api_url, **refer,
        },
        "webhooks": {
            "incoming": [{"name": one, "principal": one, "secret": key} for one in hooks]
        },
    }  # fmt: skip


@contextlib.asynccontextmanager
async def every_door(
    server: PostgresServer,
    place: Path,
    people: Sequence[Mapping[str, Any]],
    hooks: Sequence[str],
    **how: Any,
) -> AsyncIterator[EveryDoor]:
    """Serve these people; machines among them have tokens only, `hooks` vote by webhook as well."""
    line = PasswordHasher(time_cost=5, memory_cost=7168, parallelism=1).hash(PASSWORD)
    password = _secret(place, "password", line)
    crowd = [one if one.get("owner") else {**one, "password": password} for one in people]
    fake = FakeSlack()
    await fake.start()
    settings = _settings(place, fake, hooks)
    try:
        async with asking_gateway(server, people=crowd, settings=settings, **how) as asking:
            opened = EveryDoor(asking, fake, place)
            yield opened
            for browser in opened.browsers.values():
                await browser.close()
    finally:
        await fake.down()
