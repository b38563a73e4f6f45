"""A real HTTP endpoint on loopback that keeps what is posted to it, and fails as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class Caught:
    """One call."""

    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """Its body."""
        return dict(json.loads(self.body))


@dataclass
class HookCatcher:
    """Its address, and what came. `statuses` are the next answers, instead of 200."""

    url: str = ""
    calls: list[Caught] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    """Takes calls and never answers."""
    answer: Answer | None = None
    open: int = 0

    async def called(self, request: web.Request) -> web.StreamResponse:
        """Keep a call, and answer."""
        body = await request.read()
        self.calls.append(Caught(dict(request.headers), body))
        if self.silent:
            self.open += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.open -= 1
        if self.answer is not None:
            return await self.answer(request, body)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers)


@contextlib.asynccontextmanager
async def hook_catcher() -> AsyncIterator[HookCatcher]:
    """One that listens."""
    catcher = HookCatcher()
    app = web.Application()
    app.router.add_post("/{path:.*}", catcher.called)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    catcher.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield catcher
    finally:
        await runner.cleanup()
