"""The rooms of approvals, put together: they recover, look at the clock, and leave nothing running."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from support.approval_world import ALICE, BOB, ApprovalWorld

from gatekeep.approval_assembly import ApprovalHalf, _limits
from gatekeep.domain.approvals import RequestKind, RequestState, Scope, VoteVerdict
from gatekeep.gate.approval_ports import Ahead, Ballot
from gatekeep.settings import Settings


def test_limits_are_those_of_the_settings() -> None:
    """Each by its own name."""
    given = {"open_s": 60, "in_transaction_s": 30, "grant_s": 90, "max_open": 2, "after_denial_s": 45}
    limits = _limits(Settings.model_validate({"approvals": given}))
    assert (limits.open_s, limits.in_transaction_s, limits.grant_s) == (60, 30, 90)
    assert (limits.max_open, limits.after_denial_s) == (2, 45)


async def test_a_start_takes_up_what_there_is(tmp_path: Path) -> None:
    """What was held is withdrawn, what was granted counts, what was asked ahead waits on."""
    before = ApprovalWorld(tmp_path)
    (target,) = before.book.targets()
    held = await before.held()
    granted = await before.held("DELETE FROM a;")
    ballot = Ballot(VoteVerdict.APPROVE, granted.digest, "cli", scope=Scope.SESSION)
    assert (await before.desk.cast(granted.id, BOB, ballot)).counted
    ahead = await before.desk.ask_ahead(ALICE, Ahead(RequestKind.STATEMENT, target.name, "app", "UPDATE a"))
    await before.close()
    world = ApprovalWorld(tmp_path)
    half: ApprovalHalf = world.parts
    await half.recover()
    states = {one.id: one.state for one in await world.desk.requests()}
    assert (states[held.id], states[ahead.id]) == (RequestState.WITHDRAWN, RequestState.PENDING)
    assert len(half.grants._live["alice"]) == 1
    yes = Ballot(VoteVerdict.APPROVE, ahead.digest, "cli")
    assert (await world.desk.cast(ahead.id, BOB, yes)).request.state is RequestState.APPROVED
    await world.close()


async def test_time_ends_requests_and_grants(tmp_path: Path) -> None:
    """One call looks at both."""
    world = ApprovalWorld(tmp_path)
    request = await world.held()
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "cli", scope=Scope.TEMPLATE, for_s=60)
    await world.desk.cast(request.id, BOB, ballot)
    other = await world.held("DELETE FROM a;")
    world.clock.pass_s(901)
    await world.parts.tick()
    found = await world.desk.request(other.id)
    assert found is not None
    assert found.state is RequestState.EXPIRED
    assert not world.parts.grants._live
    await world.close()


async def test_nothing_runs_on_after_the_end(tmp_path: Path) -> None:
    """No thread of theirs, no task; what was under way came to its end."""
    threads = threading.active_count()
    world = ApprovalWorld(tmp_path)
    request = await world.held()
    voting = world.parts.owner.spawn(
        world.desk.cast(request.id, BOB, Ballot(VoteVerdict.APPROVE, request.digest, "cli")),
        name="vote",
    )
    await asyncio.sleep(0)
    await world.close()
    assert voting.result().counted
    assert threading.active_count() == threads
    assert asyncio.all_tasks() == {asyncio.current_task()}
