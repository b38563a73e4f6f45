"""The API on a real Unix socket, and a client of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support.api_callers import Callers, over_tcp
from support.api_world import CAROL, World
from support.approval_world import ApprovalWorld

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


@pytest.fixture
async def asking(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """A world in which people are asked; security may read what others did."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def call(asking: ApprovalWorld) -> AsyncIterator[Callers]:
    """Callers of it over TCP, by name."""
    async with over_tcp(asking) as (callers, _):
        yield callers
