"""A gateway's API on a real socket in another thread, as another process would serve it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support.api_world import DOOR, OWNER, World

from gatekeep.web.server import ApiDoor

Result = TypeVar("Result")


class Gateway:
    """The API, served from its own event loop, as another process would."""

    def __init__(self, state: Path, make: Callable[[Path], World] = lambda _state: World()) -> None:
        self.state = state
        self.world: World
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._down = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="gateway")

    def start(self) -> None:
        """Return once the socket listens."""
        self._thread.start()
        self._up.wait(10)

    def soon(self, what: Callable[[], None]) -> None:
        """Do something on the gateway's own loop."""
        self._loop.call_soon_threadsafe(what)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task; to be called on the gateway's own loop."""
        return self._loop.create_task(coroutine)

    def wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What a coroutine gives that runs on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def stop(self) -> None:
        """End it and its thread; a second call does nothing."""
        if self._thread.is_alive():
            self.soon(self._down.set)
            self._thread.join(10)
            self._loop.close()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        self.world = self._make(self.state)
        self.world.people.uids[os.getuid()] = OWNER
        self.world.door = DOOR
        door = ApiDoor(self.world.needs(), self.state / "gatekeep.sock")
        await door.start()
        try:
            async with self.more():
                self._up.set()
                await self._down.wait()
        finally:
            await door.close()

    @asynccontextmanager
    async def more(self) -> AsyncIterator[None]:
        """What else is served meanwhile; nothing here."""
        yield


@dataclass(frozen=True)
class Told:
    """What one run of the command line gave."""

    code: int
    out: str
    err: str


Gatekeep = Callable[..., Told]
