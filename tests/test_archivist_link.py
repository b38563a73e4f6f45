"""The archivist's process as the gateway keeps it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gatekeep.archivist_link import ArchivistLink
from gatekeep.runtime.tasks import TaskOwner


async def test_a_link_that_never_started_is_not_alive_and_stops_at_once() -> None:
    """Readiness is false before the start, and stopping nothing is harmless."""
    link = ArchivistLink(["--state", "nowhere", "--keys", "nowhere"])
    assert not link.alive
    assert link.pid == 0
    await link.stop()


async def test_an_archivist_that_cannot_work_is_seen_and_ends(tmp_path: Path) -> None:
    """Without keys it ends by itself; the link says so, and stop leaves nothing behind."""
    link = ArchivistLink(["--state", str(tmp_path), "--keys", str(tmp_path / "none")])
    owner = TaskOwner("test")
    link.start(owner)
    async with asyncio.timeout(30):
        while link.pid == 0 or link.alive:
            await asyncio.sleep(0.01)
    assert not link.alive
    await link.stop()
    await owner.close()
