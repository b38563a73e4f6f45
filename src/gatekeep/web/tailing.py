"""Durable events as a stream of JSON lines, ended cleanly when the gateway drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

from aiohttp import web

from gatekeep.gate.ports import StoredEvent
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.web.shapes import Shape, event_shape, json_bytes

BEAT_SECONDS: Final = 15.0
"""After so long without an event an empty line is sent, so that a dead peer is noticed."""


STILL: Final = web.RequestKey[Callable[[], bool]]("still")
"""Whether who called may go on: a token that was revoked ends what streams at the next line."""


def _always() -> bool:
    return True


class Tails:
    """Every tail that is open; `end` closes them all."""

    def __init__(self) -> None:
        self._draining = asyncio.Event()
        self._tasks = TaskOwner("tails")

    def end(self) -> None:
        """Let every tail finish its line and end; new ones end at once."""
        self._draining.set()

    async def close(self) -> None:
        """End them and wait for the last."""
        self.end()
        await self._tasks.close()

    async def serve(
        self, request: web.Request, events: AsyncIterator[StoredEvent]
    ) -> web.StreamResponse:
        """Write events until the peer leaves, the events end, or the gateway drains."""
        return await self.lines(request, _shaped(events))

    async def lines(
        self, request: web.Request, values: AsyncGenerator[Shape, None]
    ) -> web.StreamResponse:
        """Write values as JSON lines until the peer leaves, they end, or the gateway drains."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        draining = self._tasks.spawn(self._draining.wait(), name="draining")
        try:
            await self._write(response, values, draining, request.get(STILL, _always))
        finally:
            draining.cancel()
            await values.aclose()
        await response.write_eof()
        return response

    async def _write(
        self,
        response: web.StreamResponse,
        values: AsyncIterator[Shape],
        draining: asyncio.Task[object],
        still: Callable[[], bool],
    ) -> None:
        coming = self._tasks.spawn(_following(values), name="next")
        try:
            while True:
                await asyncio.wait(
                    {coming, draining}, timeout=BEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not still():
                    return
                if coming.done():
                    value = coming.result()
                    if value is None:
                        return
                    await response.write(json_bytes(value) + b"\n")
                    coming = self._tasks.spawn(_following(values), name="next")
                elif draining.done():
                    return
                else:
                    await response.write(b"\n")
        finally:
            await _let_go(coming)


async def _shaped(events: AsyncIterator[StoredEvent]) -> AsyncGenerator[Shape, None]:
    try:
        async for event in events:
            yield event_shape(event)
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _following(values: AsyncIterator[Shape]) -> Shape | None:
    return await anext(values, None)


async def _let_go(task: asyncio.Task[Shape | None]) -> None:
    """End the waiting read, so that its iterator may be closed. Its own failure passed before."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


TAILS: Final = web.AppKey("tails", Tails)
