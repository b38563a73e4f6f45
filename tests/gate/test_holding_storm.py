"""Two hundred statements held at once, each decided from two places: one verdict each, nothing left."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from support.desk_world import DeskWorld, person
from support.held_statement import SESSION, Waiting

from gatekeep.domain.approvals import RequestState
from gatekeep.gate.approval_changes import Pending
from gatekeep.gate.approval_values import Limits
from gatekeep.gate.holding import Released

ALICE, BOB, CAROL = SESSION.principal, person("bob", "dba"), person("carol", "dba")


async def _storm(world: DeskWorld, holds: int) -> None:
    """So many statements are held at once, each decided from two places in the same moment."""
    world.desk.limits = Limits(max_open=holds)
    threads = threading.active_count()
    waiting = [Waiting(world, f"DELETE number {n}") for n in range(holds)]
    requests = [await one.request() for one in waiting]
    ballots = [
        world.vote(request, who, deny=no)
        for request in requests
        for who, no in ((BOB, ""), (CAROL, "no"))
    ]
    casts = await asyncio.gather(*ballots)
    answers = await asyncio.gather(*(one.task for one in waiting))
    for number, (request, answer) in enumerate(zip(requests, answers, strict=True)):
        both = casts[2 * number : 2 * number + 2]
        (late,) = [one for one in both if not one.counted]
        found = await world.now(request)
        assert late.refusal == "late"
        assert f"{found.decided_by} already {found.state.value}" in late.words
        assert isinstance(answer, Released) == (found.state is RequestState.APPROVED)
        assert len(found.votes) == 1
    assert len(world.told("approval.decided")) == holds
    assert [what for what, _request in world.heard].count("decided") == holds
    assert not world.desk._open
    assert not world.desk._asking
    assert len(world.owner) == 0
    assert threading.active_count() == threads


def _pending_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, Pending) for one in gc.get_objects())


async def test_two_hundred_holds_decided_twice_at_once() -> None:
    """Exactly one verdict each; the late ones are told whose; no task, thread or memory is left."""
    before = _pending_in_memory()
    world = DeskWorld(ALICE, BOB, CAROL)
    await _storm(world, 200)
    world.heard.clear()
    assert _pending_in_memory() == before
    await world.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.soak
async def test_fifty_times_two_hundred_holds() -> None:
    """The same in whole size."""
    for _ in range(50):
        world = DeskWorld(ALICE, BOB, CAROL)
        await _storm(world, 200)
        await world.close()
