"""Callers of the API by name: each with his own token, over the Unix socket or over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from support.approval_world import ApprovalWorld
from support.gateway_thread import Gateway

from gatekeep.web.answering import MAX_BODY, mount_api
from gatekeep.web.callers import caller_by_token
from gatekeep.web.hosts import guard_hosts


@dataclass(frozen=True)
class Answer:
    """Status, headers and JSON of an answer."""

    status: int
    body: Any
    headers: Any

    @property
    def what(self) -> str:
        """What an error says."""
        return str(self.body["error"]["what"])


@dataclass(frozen=True)
class Callers:
    """Calls as whoever is named."""

    world: ApprovalWorld
    session: aiohttp.ClientSession

    async def __call__(
        self, name: str, method: str, path: str, body: Any = None, **query: Any
    ) -> Answer:
        """One call to `/api/v1/…`."""
        token = self.world.token(name)
        return await self.sent(method, path, body, {"Authorization": f"Bearer {token}"}, **query)

    async def sent(
        self, method: str, path: str, body: Any, headers: dict[str, str], **query: Any
    ) -> Answer:
        """One call with these headers."""
        answer = await self.session.request(
            method, f"/api/v1/{path}", json=body, params=query, headers=headers
        )
        return Answer(answer.status, await answer.json(), answer.headers)


@asynccontextmanager
async def over_tcp(world: ApprovalWorld) -> AsyncIterator[tuple[Callers, str]]:
    """Callers of the API on a TCP port of its own, and its address."""
    app = web.Application(middlewares=[guard_hosts()], client_max_size=MAX_BODY)
    mount_api(app, world.needs(), caller_by_token(world.bearers))
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(address) as session:
        yield Callers(world, session), address
    await runner.cleanup()


@asynccontextmanager
async def over_socket(world: ApprovalWorld, path: Path) -> AsyncIterator[Callers]:
    """Callers of the API on the Unix socket at `path`, which listens."""
    connector = aiohttp.UnixConnector(path=str(path))
    async with aiohttp.ClientSession("http://gatekeep", connector=connector) as session:
        yield Callers(world, session)


class AskingGateway(Gateway):
    """A gateway in a thread where people are asked; also over TCP, at `url`.

    `token_file(name)` is a file with a token of that principal.
    """

    world: ApprovalWorld
    url: str

    def __init__(self, state: Path) -> None:
        super().__init__(state, ApprovalWorld)

    @asynccontextmanager
    async def more(self) -> AsyncIterator[None]:
        """The API over TCP; whatever is approved runs at once."""
        self.world.runs = "DELETE 38112 in 12 ms"
        async with over_tcp(self.world) as (_, self.url):
            yield
        await self.world.close()

    def token_file(self, name: str) -> Path:
        """A file that holds a token of this principal, readable by its owner alone."""
        file = self.state / f"{name}.token"
        if not file.exists():
            file.touch(0o600)
            file.write_text(self.wait(self._token(name)) + "\n")
        return file

    async def _token(self, name: str) -> str:
        return self.world.token(name)
