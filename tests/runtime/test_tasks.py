"""Owned tasks: named, ended together, and never lost."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gatekeep.runtime.tasks import TaskOwner


async def _fail() -> None:
    raise ValueError("broken")


async def test_a_task_has_its_owners_name() -> None:
    """Diagnostics can tell whose a task is."""
    owner = TaskOwner("door")
    task = owner.spawn(asyncio.sleep(0), name="accept")
    assert task.get_name() == "door/accept"
    await task
    await owner.close()
    assert len(owner) == 0


async def test_a_failure_reaches_its_owner() -> None:
    """Whoever asked for it is told which task failed, and with what."""
    seen: list[tuple[str, BaseException]] = []
    owner = TaskOwner("door", on_failure=lambda name, error: seen.append((name, error)))
    task = owner.spawn(_fail(), name="accept")
    await asyncio.wait({task})
    await owner.close()
    ((name, error),) = seen
    assert name == "door/accept"
    assert isinstance(error, ValueError)


async def test_a_failure_that_nobody_asked_for_is_written_down() -> None:
    """Without a listener it goes to diagnostics, never nowhere."""
    owner = TaskOwner("door")
    with capture_logs() as lines:
        await asyncio.wait({owner.spawn(_fail(), name="accept")})
    assert lines[0]["task"] == "door/accept"


async def test_closing_cancels_what_does_not_end() -> None:
    """After closing no task of the owner runs."""
    owner = TaskOwner("door")
    for_ever = owner.spawn(asyncio.Event().wait(), name="wait")
    await owner.close()
    assert for_ever.cancelled()
    assert len(owner) == 0


async def test_closing_lets_a_task_finish_within_its_grace() -> None:
    """What can end by itself in time is not cut."""
    owner = TaskOwner("door")
    go = asyncio.Event()
    task = owner.spawn(go.wait(), name="wait")
    go.set()
    await owner.close(grace=10)
    assert task.result() is True
