"""The API on a real Unix socket, and a client of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support.api_world import CAROL, World

from gatekeep.web.server import ApiDoor


@pytest.fixture
def world() -> World:
    """A world in which whoever runs the tests is carol of security."""
    made = World()
    made.people.uids[os.getuid()] = CAROL
    return made


@pytest.fixture
async def door(world: World, tmp_path: Path) -> AsyncIterator[ApiDoor]:
    """The API, listening."""
    opened = ApiDoor(world.needs(), tmp_path / "gatekeep.sock")
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def http(door: ApiDoor) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the socket."""
    connector = aiohttp.UnixConnector(path=str(door.path))
    async with aiohttp.ClientSession("http://gatekeep", connector=connector) as session:
        yield session
