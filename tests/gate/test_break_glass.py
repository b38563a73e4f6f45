"""Leave that somebody takes at once: loud, short, and looked at by somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.approval_world import ALICE, ALICE_DBA, BOB, BOT, DAN, POLICY, SAM, ApprovalWorld
from support.asking_gateway import until

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.gate.approval_ports import Emergency
from gatekeep.gate.break_glass import MOST_S, BreakGlass
from gatekeep.policy.loading import load


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


def emergency(world: ApprovalWorld, **more: object) -> Emergency:
    """An outage."""
    (target,) = world.book.targets()
    values: dict[str, object] = {"reason": "outage", "mfa": True, "via": "cli", **more}
    return Emergency(target.name, "app", **values)  # type: ignore[arg-type]  # fields by name


async def test_all_of_it_is_told_in_one_change(world: ApprovalWorld) -> None:
    """Opened, granted, to be reviewed: three events, a live grant, and everybody hears."""
    assert BreakGlass is not None
    heard: list[tuple[str, str]] = []
    world.desk.listen_glass(lambda grant, reason: heard.append((grant.kind, reason)))
    grant = await world.desk.break_glass(ALICE, emergency(world))
    assert [event.kind for event in world.journal.events] == [
        EventKind.BREAKGLASS_OPENED, EventKind.GRANT_MADE, EventKind.REVIEW_OPENED,
    ]  # fmt: skip
    assert heard == [("break_glass", "outage")]
    assert [one.id for one in await world.desk.grants()] == [grant.id]
    world.clock.pass_s(1801)
    assert await world.desk.grants() == []


async def test_what_it_takes(world: ApprovalWorld) -> None:
    """Leave of policy, a second factor, a reason, and no longer than two hours."""
    with pytest.raises(NotPermitted, match="does not allow"):
        await world.desk.break_glass(BOB, emergency(world))
    for lacking in ({"mfa": False}, {"reason": " "}, {"for_s": MOST_S + 1}):
        with pytest.raises(NotPermitted):
            await world.desk.break_glass(ALICE, emergency(world, **lacking))
    assert await world.desk.grants(live=False) == []


async def test_without_a_record_there_is_no_leave(world: ApprovalWorld) -> None:
    """The journal is gone: nothing was taken."""
    world.break_journal()
    with pytest.raises(JournalUnavailable):
        await world.desk.break_glass(ALICE, emergency(world))
    assert await world.desk.grants() == []


async def test_what_could_not_be_told_in_time_gives_no_leave(world: ApprovalWorld) -> None:
    """It was kept, and its events come later: revoked by then, so that no start finds it live."""
    heard: list[str] = []
    world.desk.listen_glass(lambda grant, _reason: heard.append(grant.id))
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.desk.break_glass(ALICE, emergency(world))
    world.journal.mend()
    await world.parts.tick()
    await world.parts.recover()
    assert heard == []
    assert await world.desk.grants() == []
    (target,) = world.book.targets()
    assert world.parts.grants.opening("alice", target.name, "app") == []
    assert EventKind.GRANT_REVOKED in [event.kind for event in world.journal.events]


async def test_who_takes_it_and_is_gone_has_taken_it(world: ApprovalWorld) -> None:
    """A caller that leaves meanwhile: the leave counts, and everybody hears of it all the same."""
    heard: list[str] = []
    world.desk.listen_glass(lambda _grant, reason: heard.append(reason))
    world.journal.synced.clear()
    taking = world.parts.owner.spawn(world.desk.break_glass(ALICE, emergency(world)), name="take")
    await until(lambda: world.journal.events, "its event is on the way")
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    world.journal.synced.set()
    await until(lambda: heard, "everybody hears")
    (grant,) = await world.desk.grants()
    assert world.parts.grants.opening("alice", grant.target, "app")


async def test_what_a_machine_took_its_owner_does_not_close(world: ApprovalWorld) -> None:
    """Who answers for the machine looks at nothing of it; neither does the machine."""
    await world.desk.break_glass(BOT, emergency(world))
    (review,) = await world.desk.reviews(SAM)
    world.policy.activate(load({"rules.cedar": POLICY.replace('"security"', '"dba"')}))
    for who in (BOB, BOT):
        with pytest.raises(NotPermitted):
            await world.desk.close_review(review.id, who, "fine")


async def test_a_review_is_closed_by_somebody_else(world: ApprovalWorld) -> None:
    """Not by the same person under another name, not by who may not, and once."""
    await world.desk.break_glass(ALICE, emergency(world))
    (review,) = await world.desk.reviews(SAM)
    for who in (ALICE, ALICE_DBA):
        with pytest.raises(NotPermitted):
            await world.desk.close_review(review.id, who, "fine")
    with pytest.raises(KeyError):
        await world.desk.close_review(review.id, DAN, "fine")
    with pytest.raises(NotPermitted):
        await world.desk.close_review(review.id, SAM, " ")
    closed = await world.desk.close_review(review.id, SAM, "an outage, as said")
    assert (closed.closed_by, closed.finding) == ("sam", "an outage, as said")
    again = await world.desk.close_review(review.id, SAM, "something else")
    assert again.finding == "an outage, as said"
    assert await world.desk.reviews(SAM) == []
