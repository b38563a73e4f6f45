"""How the fake Slack calls an app: over its socket with a deadline for each answer, or signed over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

DEADLINE_S = 3.0


class Workspace(Protocol):
    """The fake that makes the calls."""

    team: str


@dataclass
class Acked:
    """How an app answered one envelope: with what, and after how long."""

    payload: Any
    after_s: float
    deadline_s: float = DEADLINE_S

    @property
    def late(self) -> bool:
        """Whether Slack would have told the person that it failed."""
        return self.after_s > self.deadline_s


class SlackCalls:
    """The sockets of an app, and what went over them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._numbers = itertools.count(1)
        self._addresses: set[str] = set()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.acks: list[Acked] = []
        self.deadline_s = DEADLINE_S

    def new_address(self, port: int) -> str:
        """An address for one socket, good once."""
        ticket = f"ticket-{next(self._numbers)}"
        self._addresses.add(ticket)
        return f"ws://127.0.0.1:{port}/socket?ticket={ticket}"

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """An app dials in."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._addresses:
            return web.Response(status=408)
        self._addresses.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        await socket.send_json({"type": "hello", "num_connections": 1})
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acked(json.loads(message.data))
        finally:
            self.sockets.remove(socket)
        return socket

    def _acked(self, said: dict[str, Any]) -> None:
        waiting = self._waiting.pop(said.get("envelope_id", ""), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(said.get("payload"))

    async def deliver(self, payload: dict[str, Any], kind: str = "interactive") -> Acked:
        """Send an envelope over the newest socket; how it was answered, late or not."""
        envelope = f"envelope-{next(self._numbers)}"
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope] = answer
        began = time.monotonic()
        await self.sockets[-1].send_json(
            {
                "type": kind, "envelope_id": envelope, "payload": payload,
                "accepts_response_payload": True,
            }
        )  # fmt: skip
        said = await asyncio.wait_for(answer, timeout=DEADLINE_S * 3)
        acked = Acked(said, time.monotonic() - began, self.deadline_s)
        self.acks.append(acked)
        return acked

    async def refresh(self) -> None:
        """Ask the app to dial anew, as Slack does every few hours."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def cut(self) -> None:
        """End every socket without a word."""
        for socket in list(self.sockets):
            await socket.close(code=1011)


@dataclass
class Signing:
    """How a call over HTTP is signed; tests turn the screws.

    `now_s` is Slack's clock. `stamp` and `signature` replace what is right.
    """

    secret: str
    now_s: float
    skew_s: float = 0.0
    stamp: str | None = None
    signature: str | None = None

    def headers(self, body: bytes) -> dict[str, str]:
        """The two headers, made by Slack's published recipe."""
        stamp = self.stamp if self.stamp is not None else str(int(self.now_s + self.skew_s))
        base = b"v0:" + stamp.encode() + b":" + body
        made = "v0=" + hmac.new(self.secret.encode(), base, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": self.signature if self.signature is not None else made,
        }


def form_of(payload: dict[str, Any], kind: str = "interactive") -> bytes:
    """The body of a call over HTTP."""
    if kind == "slash_commands":
        return urlencode(payload).encode()
    return urlencode({"payload": json.dumps(payload)}).encode()


async def call_http(url: str, body: bytes, signing: Signing) -> tuple[int, str]:
    """Call an app as Slack does; status and body of its answer."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        **signing.headers(body),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as response,
    ):
        return response.status, await response.text()
