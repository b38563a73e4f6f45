"""A workspace for each test, with accounts that are linked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from support.approval_world import ALICE, BOB, CAROL, DAN
from support.slack_world import SlackWorld


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[SlackWorld]:
    """Over Socket Mode."""
    made = SlackWorld(tmp_path)
    await made.start()
    await made.link(ALICE, BOB, CAROL, DAN)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def over_http(tmp_path: Path) -> AsyncIterator[SlackWorld]:
    """Over HTTP."""
    made = SlackWorld(tmp_path, mode="http")
    await made.start()
    await made.link(ALICE, BOB, CAROL, DAN)
    yield made
    await made.close()
