"""Waiting for a change: nothing is missed, nobody waits for ever, and not everybody may wait."""

from __future__ import annotations

import asyncio

import pytest
from support.approval_world import ApprovalWorld

from gatekeep.web import waiting
from gatekeep.web.waiting import Waits


async def never() -> int:
    """What is looked at and does not change."""
    return 0


async def test_the_time_ends(asking: ApprovalWorld) -> None:
    """Without a change the answer is what it is, when the time is over."""
    waits = Waits(asking.desk)
    assert await waits.until("K3F9", never, lambda seen: seen > 0, 0.01) == 0
    assert waits._waiting == {}


async def test_a_change_between_two_looks_is_not_missed(asking: ApprovalWorld) -> None:
    """It is waited for from before the first look."""
    held = await asking.held()
    waits = Waits(asking.desk)
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        if looks == 1:
            await asking.parts.desk.outcome(held.id, "released")
        return looks

    async with asyncio.timeout(10):
        assert await waits.until(held.id, look, lambda seen: seen > 1, 60) == 2


async def test_not_more_than_some_wait(
    asking: ApprovalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are answered at once."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 0)
    async with asyncio.timeout(10):
        assert await Waits(asking.desk).until("K3F9", never, lambda seen: seen > 0, 60) == 0


async def test_at_the_end_nobody_waits(asking: ApprovalWorld) -> None:
    """Who waits is answered, who comes later too."""
    waits = Waits(asking.desk)
    waiter = asking.parts.owner.spawn(
        waits.until("K3F9", never, lambda seen: seen > 0, 60), name="waiter"
    )
    while not waits._count:
        await asyncio.sleep(0)
    waits.end()
    async with asyncio.timeout(10):
        assert await waiter == 0
        assert await waits.until("K3F9", never, lambda seen: seen > 0, 60) == 0
