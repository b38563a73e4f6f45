"""Waiting for what must come, without sleeping for a time that may be too short or too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LIMIT_S = 20.0


async def until(holds: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Look again and again until it holds; fails where it does not in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not holds():
        assert loop.time() < deadline, f"not in {limit_s} s: {what}"
        await asyncio.sleep(0.002)
