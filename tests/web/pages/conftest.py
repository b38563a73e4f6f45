"""A world with pages, opened and closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.page_world import PageWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PageWorld]:
    """A gateway's pages, with alice who asks and bob, carol and dave who may decide."""
    opened = await PageWorld.open(tmp_path)
    yield opened
    await opened.close()
