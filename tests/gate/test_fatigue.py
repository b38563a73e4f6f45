"""Limits against fatigue: so many at a time, a wait after a no, and then the denier or one more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Vote, VoteVerdict
from gatekeep.gate.approval_values import Limits, NotAsked
from gatekeep.gate.fatigue import same_again, too_soon, with_extra

ALICE, DAN = person("alice", "engineers"), person("dan", "engineers")
ALICE_TOO = person("alice-two", "engineers", of="alice")
BOB, CAROL, ERIN = (person(name, "dba") for name in ("bob", "carol", "erin"))


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Two who ask, three who decide."""
    made = DeskWorld(ALICE, ALICE_TOO, DAN, BOB, CAROL, ERIN)
    yield made
    await made.close()


async def test_five_at_a_time_by_whatever_account(world: DeskWorld) -> None:
    """All in one moment; what ends makes room, and other people have room of their own."""
    made = await asyncio.gather(
        *(world.try_ask(ALICE if n % 2 else ALICE_TOO, f"DROP {n}") for n in range(12))
    )
    asked = [one for one in made if isinstance(one, ApprovalRequest)]
    refused = [one for one in made if isinstance(one, NotAsked)]
    assert len(asked) == 5
    assert {(one.cause, one.open) for one in refused} == {("too_many", 5)}
    assert isinstance(await world.try_ask(DAN), ApprovalRequest)
    await world.desk.withdraw(asked[0].id, ALICE, "")
    await world.vote(asked[1], BOB, deny="no")
    again = [await world.try_ask(ALICE, f"DROP again {n}") for n in range(3)]
    assert [isinstance(one, ApprovalRequest) for one in again] == [True, True, False]
    assert not world.desk._asking


async def test_what_waits_for_the_disk_is_counted(world: DeskWorld) -> None:
    """Asked, and not yet durable: it counts from its first moment on."""
    world.journal.synced.clear()
    asking = [world.owner.spawn(world.try_ask(ALICE, f"DROP {n}"), name="ask") for n in range(9)]
    for _ in range(30):
        await asyncio.sleep(0)
    world.journal.synced.set()
    made = await asyncio.gather(*asking)
    assert sum(isinstance(one, ApprovalRequest) for one in made) == 5


async def test_after_a_no_the_same_waits(world: DeskWorld) -> None:
    """By any account of the person; the wait, the denier and the request are told. Others may ask."""
    request = await world.ask(ALICE)
    await world.vote(request, BOB, deny="not now")
    world.clock.pass_s(100.5)
    again = await world.try_ask(ALICE_TOO)
    assert again == NotAsked("denied_lately", denier="bob", wait_s=800, request=request.id)
    assert isinstance(await world.try_ask(ALICE, "DELETE FROM t WHERE id = 2"), ApprovalRequest)
    assert isinstance(await world.try_ask(DAN), ApprovalRequest)
    world.clock.step_s(-7200)
    world.clock.pass_s(799)
    assert isinstance(await world.try_ask(ALICE), NotAsked)
    world.clock.pass_s(1)
    assert isinstance(await world.try_ask(ALICE), ApprovalRequest)


@pytest.mark.parametrize(
    ("voters", "approved"),
    [((BOB,), True), ((CAROL,), False), ((CAROL, ERIN), True), ((CAROL, BOB), True)],
)
async def test_then_it_takes_the_denier_or_one_more(
    world: DeskWorld, voters: tuple[object, ...], approved: bool
) -> None:
    """His own yes is enough; without him it is one person more than usual."""
    await world.vote(await world.ask(ALICE), BOB, deny="not now")
    world.clock.pass_s(900)
    request = await world.ask(ALICE)
    assert (request.why.extra, request.why.denier) == (1, "bob")
    for one in voters:
        cast = await world.vote(request, one)  # type: ignore[arg-type]  # principals
        assert cast.counted
    assert (cast.request.state is RequestState.APPROVED) == approved
    if not approved:
        assert "bob or one vote more" in cast.words


async def test_a_yes_makes_it_as_it_was(world: DeskWorld) -> None:
    """The last verdict counts, and one that was only withdrawn or forgotten is none."""
    await world.vote(await world.ask(ALICE), BOB, deny="not now")
    world.clock.pass_s(900)
    await world.desk.withdraw((await world.ask(ALICE)).id, ALICE, "")
    second = await world.ask(ALICE)
    assert second.why.extra == 1
    world.clock.pass_s(900)
    await world.desk.tick()
    third = await world.ask(ALICE)
    assert third.why.extra == 1
    await world.vote(third, BOB)
    assert (await world.ask(ALICE)).why.extra == 0


async def test_asking_often_does_not_bury_a_no(world: DeskWorld) -> None:
    """A hundred and more requests for the same, by her and by others, and it is still known."""
    await world.vote(await world.ask(ALICE), BOB, deny="not now")
    world.clock.pass_s(900)
    for number in range(130):
        who = ALICE if number % 2 else DAN
        request = await world.ask(who)
        if who is DAN:
            await world.vote(request, CAROL)
        else:
            await world.desk.withdraw(request.id, ALICE, "")
    assert (await world.ask(ALICE)).why.denier == "bob"


async def test_the_verdict_given_last_counts_not_the_question_asked_last(world: DeskWorld) -> None:
    """Two for the same: the later one was approved, and then the earlier one denied."""
    first, second = await world.ask(ALICE), await world.ask(ALICE)
    assert (await world.vote(second, CAROL)).counted
    world.clock.pass_s(1)
    await world.vote(first, BOB, deny="no")
    again = await world.try_ask(ALICE)
    assert isinstance(again, NotAsked)
    assert again.denier == "bob"


async def test_a_no_reaches_what_is_open_for_the_same(world: DeskWorld) -> None:
    """Asked twice at once to find somebody who agrees: a no to one makes the other take more."""
    first, second = await world.ask(ALICE), await world.ask(ALICE)
    other, of_dan = await world.ask(ALICE, "DROP x"), await world.ask(DAN)
    await world.vote(first, BOB, deny="no")
    shown = await world.now(second)
    assert (shown.why.extra, shown.why.denier) == (1, "bob")
    assert (await world.vote(second, CAROL)).request.state is RequestState.PENDING
    assert (await world.vote(second, ERIN)).request.state is RequestState.APPROVED
    assert (await world.vote(other, CAROL)).request.state is RequestState.APPROVED
    assert (await world.vote(of_dan, CAROL)).request.state is RequestState.APPROVED


async def test_a_no_in_the_moment_of_asking_counts(world: DeskWorld) -> None:
    """However the two cross: what is asked then takes more, or was not asked."""
    for waits in range(12):
        text = f"DROP {waits}"
        first = await world.ask(ALICE, text)
        denying = world.owner.spawn(world.vote(first, BOB, deny="no"), name="deny")
        for _ in range(waits):
            await asyncio.sleep(0)
        asked = await world.try_ask(ALICE, text)
        await denying
        if isinstance(asked, ApprovalRequest):
            assert (await world.now(asked)).why.extra == 1
            await world.desk.withdraw(asked.id, ALICE, "")


async def test_a_no_is_remembered_over_a_restart(world: DeskWorld) -> None:
    """Also for what was asked ahead of time and waits on."""
    ahead = await world.ask(ALICE, session="")
    held = await world.ask(ALICE)
    await world.vote(held, BOB, deny="no")
    await world.restart()
    kept = world.books.request(ahead.id)
    assert kept is not None
    await world.desk.adopt(kept, lambda _given: True, world.grant_for)
    assert (await world.now(ahead)).why.denier == "bob"
    assert isinstance(await world.try_ask(ALICE), NotAsked)
    world.clock.pass_s(900)
    assert (await world.ask(ALICE)).why.extra == 1


async def test_what_nobody_could_decide_is_not_asked(world: DeskWorld) -> None:
    """Who asks is the only one of the group, or it has nobody."""
    assert await world.try_ask(ALICE, approvers=(("nobody",),)) == NotAsked("nobody")
    world.directory.regroup("alice", "leads")
    assert await world.try_ask(ALICE, approvers=(("leads",),)) == NotAsked("nobody")


async def test_the_rules_by_themselves() -> None:
    """Pure: what was approved last bars nothing; extra is one, whoever denied how often."""
    world = DeskWorld(ALICE, BOB)
    request = await world.ask(ALICE)
    await world.close()
    no = Vote("bob", "bob", VoteVerdict.DENY, "cli", 7)
    denied = replace(request, state=RequestState.DENIED, votes=(no,), decided_us=request.created_us)
    limits = Limits()
    assert too_soon(None, 5, 0, limits) == NotAsked("too_many", open=5)
    assert too_soon(None, 4, 0, limits) is None
    assert too_soon(replace(denied, state=RequestState.APPROVED), 0, 0, limits) is None
    assert too_soon(denied, 0, denied.decided_us + 900_000_000, limits) is None
    left = too_soon(denied, 0, denied.decided_us + 899_999_999, limits)
    assert left is not None
    assert left.wait_s == 1
    once = with_extra(request.why, denied)
    assert with_extra(once, denied) == once
    assert with_extra(request.why, None) is request.why
    assert same_again(request, replace(request, id="AAAA"))
    assert not same_again(request, replace(request, place=replace(request.place, target="other")))
