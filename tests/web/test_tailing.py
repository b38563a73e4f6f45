"""The tail: durable events as lines, from any point, ended by either side."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from support.api_world import World, finished, released

from gatekeep.web import tailing
from gatekeep.web.server import ApiDoor


async def test_a_tail_starts_where_asked_and_goes_on(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Stored events come first, then new ones as they are added."""
    world.archive.add(released(0))
    world.archive.add(finished(1, 0))
    async with http.get("/v1/audit/tail", params={"from": "1"}) as answer:
        assert answer.content_type == "application/x-ndjson"
        assert json.loads(await answer.content.readline())["n"] == 1
        world.archive.add(released(2))
        assert json.loads(await answer.content.readline())["n"] == 2


async def test_draining_ends_a_tail_cleanly(
    http: aiohttp.ClientSession, world: World, door: ApiDoor
) -> None:
    """The stream ends as complete, not as a cut connection, and its iterator is closed."""
    world.archive.add(released(0))
    async with http.get("/v1/audit/tail", params={"from": "0"}) as answer:
        await answer.content.readline()
        door.drain()
        assert await answer.content.read() == b""
    assert world.archive.tails == 0


async def test_a_peer_that_leaves_ends_its_tail(http: aiohttp.ClientSession, world: World) -> None:
    """The iterator of a tail whose reader went away is closed."""
    world.archive.add(released(0))
    answer = await http.get("/v1/audit/tail", params={"from": "0"})
    await answer.content.readline()
    answer.close()
    async with asyncio.timeout(5):
        await world.archive.no_tails.wait()


async def test_a_quiet_tail_beats(
    http: aiohttp.ClientSession, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing happens an empty line goes out now and then."""
    monkeypatch.setattr(tailing, "BEAT_SECONDS", 0.001)
    async with http.get("/v1/audit/tail") as answer:
        assert await answer.content.readline() == b"\n"
        world.archive.add(released(0))
        line = b"\n"
        while line == b"\n":
            line = await answer.content.readline()
        assert json.loads(line)["n"] == 0
