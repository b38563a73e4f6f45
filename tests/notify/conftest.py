"""A real desk for each test; for those of Slack a workspace, with accounts that are linked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from support.approval_world import ALICE, BOB, CAROL, DAN, ApprovalWorld
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


@pytest_asyncio.fixture
async def asking(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state; nobody is told of anything yet."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()
