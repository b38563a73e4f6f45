"""A world with a real desk, whose people are told of requests elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.approval_world import ApprovalWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()
