"""Store, journal, memory: what fails or is cut off between them is settled by what the store kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ending
from gatekeep.gate.approval_values import Limits, NotAsked

ALICE = person("alice", "engineers")
BOB = person("bob", "dba")
CAROL = person("carol", "dba")
DOWN = JournalUnavailable("no space")


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


async def turns(count: int = 20) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_verdict_counts_once_its_event_is_durable(world: DeskWorld) -> None:
    """The journal fails behind the store: nobody goes on, and what was kept counts when it works.

    Whoever says no afterwards is not told that it was denied while it runs.
    """
    request = await world.ask(ALICE)
    ended = world.desk.ended(request.id, lambda *_: None)
    world.journal.broken_sync = DOWN
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await world.vote(request, BOB, scope=Scope.TEMPLATE)
        with pytest.raises(JournalUnavailable):
            await world.vote(request, CAROL, deny="no")
    await world.desk.tick()
    assert not ended.done()
    assert await world.grants.grants() == []
    assert not world.told("approval.decided")
    world.journal.mend()
    late = await world.vote(request, CAROL, deny="no")
    assert (late.counted, late.refusal) == (False, "late")
    assert "bob already approved" in late.words
    assert (ended.result().state, ended.result().settled) == (RequestState.APPROVED, True)
    assert [one.request for one in world.grants.covering(world.situation(request))] == [request.id]
    assert {one["outcome"] for one in world.told("approval.decided")} == {"approved"}
    assert not world.desk._open


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_whatever_event_of_it_cannot_be_written(world: DeskWorld, lost: int) -> None:
    """Vote, verdict or grant: those before are told once, the rest when it can be; none counts alone."""
    request = await world.ask(ALICE)
    ended = world.desk.ended(request.id, lambda *_: None)
    world.journal.break_append_at = lost
    with pytest.raises(JournalUnavailable):
        await world.vote(request, BOB, scope=Scope.TEMPLATE)
    assert not ended.done()
    assert await world.grants.grants() == []
    world.journal.mend()
    assert (await world.vote(request, CAROL)).refusal == "late"
    assert len(await world.grants.grants()) == 1
    assert world.journal.kinds() == [
        "approval.requested", "approval.voted", "approval.decided", "grant.made",
    ]  # fmt: skip


async def test_time_settles_what_nobody_comes_back_for(world: DeskWorld) -> None:
    """The next look at all that is open, without anybody's vote."""
    request = await world.ask(ALICE)
    ended = world.desk.ended(request.id, lambda *_: None)
    world.journal.break_append_at = 2
    with pytest.raises(JournalUnavailable):
        await world.vote(request, BOB)
    world.journal.mend()
    await world.desk.tick()
    assert ended.result().state is RequestState.APPROVED
    assert [what for what, _request in world.heard].count("decided") == 1


async def test_a_journal_that_accepts_nothing_is_asked_first(world: DeskWorld) -> None:
    """Then nothing is kept that would give anything: no question, no yes, no use of a grant."""
    grant = await world.granted(ALICE, BOB)
    request = await world.ask(ALICE, "DROP x")
    world.journal.accepting = False
    with pytest.raises(JournalUnavailable):
        await world.ask(ALICE, "DROP y")
    with pytest.raises(JournalUnavailable):
        await world.vote(request, BOB)
    with pytest.raises(JournalUnavailable):
        await world.grants.spend(grant, "ab" * 16)
    await turns()
    assert [one.subject.text for one in world.books.requests(state=RequestState.PENDING)] == ["DROP x"]
    assert world.books.request(request.id) == request
    kept = world.books.grant(grant.id)
    assert kept is not None
    assert kept.used == 0


async def test_what_only_takes_is_kept_all_the_same(world: DeskWorld) -> None:
    """A no, a withdrawal and a revocation need no room in the journal to hold."""
    grant = await world.granted(ALICE, BOB)
    first, second = await world.ask(ALICE, "DROP x"), await world.ask(ALICE, "DROP y")
    world.journal.accepting = False
    assert (await world.vote(first, BOB, deny="no")).request.state is RequestState.DENIED
    assert (await world.desk.withdraw(second.id, ALICE, "a slip")).counted
    await world.grants.revoke(grant.id, "bob")
    assert not await world.grants.grants()


async def test_a_question_that_was_not_recorded_is_closed_again(world: DeskWorld) -> None:
    """It is in no inbox, nobody can decide it, and it does not count among the open ones."""
    world.journal.broken_sync = DOWN
    with pytest.raises(JournalUnavailable):
        await world.try_ask(ALICE)
    await turns()
    world.journal.mend()
    assert not world.desk._open
    (kept,) = world.books.requests()
    assert (kept.state, kept.decision_reason) == (RequestState.WITHDRAWN, "nobody waits for it")
    late = await world.vote(kept, BOB)
    assert (late.refusal, "withdrawn by the gateway" in late.words) == ("late", True)


async def test_one_that_the_store_alone_holds_open_is_closed_by_the_first_vote(
    world: DeskWorld,
) -> None:
    """Whatever led to it: nobody waits for it here, so it is over, and said to be."""
    request = await world.ask(ALICE)
    world.desk._open.clear()
    late = await world.vote(request, BOB)
    assert (late.refusal, "withdrawn" in late.words) == ("late", True)
    await turns()
    assert (await world.now(request)).state is RequestState.WITHDRAWN


async def test_what_no_event_could_hold_is_not_asked(world: DeskWorld) -> None:
    """A text that is no text: whatever it raises, nothing is left open for it."""
    wish = world.wish(ALICE)
    for text in ({"verb": "\udcff"}, {"template": "\udcff"}, {"text": "\udcff"}):
        hostile = replace(wish, subject=replace(wish.subject, **text))
        with pytest.raises((TypeError, ValueError)):
            await world.desk.ask(hostile, lambda _given: True, world.grant_for)
    await turns()
    assert not world.desk._open
    assert not world.desk._asking
    assert world.books.requests() == []


async def test_who_asks_and_leaves_at_once_leaves_nothing_open(world: DeskWorld) -> None:
    """Cancelled while its event was on the way to the disk."""
    world.journal.synced.clear()
    asking = world.owner.spawn(world.try_ask(ALICE), name="ask")
    await turns()
    asking.cancel()
    await turns()
    world.journal.synced.set()
    await turns()
    assert not world.desk._open
    assert [one.state for one in world.books.requests()] == [RequestState.WITHDRAWN]
    assert world.journal.kinds() == ["approval.requested", "approval.withdrawn"]


async def test_a_voter_who_leaves_has_voted(world: DeskWorld) -> None:
    """His client is gone before the disk has answered: the verdict is reached, and told."""
    request = await world.ask(ALICE)
    ended = world.desk.ended(request.id, lambda *_: None)
    world.journal.synced.clear()
    voting = world.owner.spawn(world.vote(request, BOB), name="vote")
    await turns()
    voting.cancel()
    await turns()
    assert not ended.done()
    world.journal.synced.set()
    assert (await ended).state is RequestState.APPROVED
    assert not world.desk._open


async def test_a_vote_before_the_question_is_durable_waits_for_it(world: DeskWorld) -> None:
    """Whoever finds it in the store already decides when it was asked, and the asker hears of it."""
    world.journal.synced.clear()
    asking = world.owner.spawn(world.try_ask(ALICE), name="ask")
    await turns()
    (kept,) = world.books.requests()
    voting = world.owner.spawn(world.vote(kept, BOB), name="vote")
    await turns()
    world.journal.synced.set()
    asked = await asking
    assert isinstance(asked, ApprovalRequest)
    ended = world.desk.ended(asked.id, lambda *_: None)
    assert (await voting).counted
    assert (await ended).state is RequestState.APPROVED
    assert world.journal.kinds() == ["approval.requested", "approval.voted", "approval.decided"]


async def test_what_is_found_out_during_a_vote_is_not_lost(world: DeskWorld) -> None:
    """Both the vote and what was found stand in the request, and so do groups asked meanwhile."""
    world.standing.later = {"dba": (0, "lead")}
    request = await world.ask(ALICE, approvers=(("dba:2",),))
    world.journal.synced.clear()
    voting = world.owner.spawn(world.vote(request, BOB), name="vote")
    await turns()
    seeing = world.owner.spawn(world.desk.see(request.id, {"rows": 5}), name="see")
    await turns()
    world.journal.synced.set()
    await asyncio.gather(voting, seeing)
    world.journal.synced.clear()
    ticking = world.owner.spawn(world.desk.tick(), name="tick")
    await turns()
    await world.desk.see(request.id, {"rows": 6})
    world.journal.synced.set()
    await ticking
    now = await world.now(request)
    assert (now.sight, len(now.votes), now.escalated) == ({"rows": 6}, 1, ("lead",))
    assert now == world.books.request(request.id)


async def test_an_id_in_use_is_not_taken_over(world: DeskWorld) -> None:
    """Two draws alike: the one that waits goes on waiting under its name."""
    first = await world.ask(ALICE)
    world.drawn -= 1
    second = await world.ask(ALICE, "DROP y")
    assert first.id != second.id
    assert (await world.vote(first, BOB)).request.state is RequestState.APPROVED
    world.drawn = 0  # what was decided keeps its name, too
    third = await world.ask(ALICE, "DROP z")
    assert third.id not in {first.id, second.id}


async def test_where_no_id_is_free_nothing_is_asked(world: DeskWorld) -> None:
    """The same draw for ever: refused, and what was open before is all that is open."""
    world.desk.limits = Limits(max_open=20)
    world.desk._draw = bytes
    for number in range(8):
        await world.ask(ALICE, f"DROP {number}")
    with pytest.raises(JournalUnavailable):
        await world.try_ask(ALICE, "DROP z")
    assert len(world.desk._open) == 8


async def test_a_request_that_is_stuck_keeps_no_other_open(world: DeskWorld) -> None:
    """Time goes on for the rest, and for itself once the journal works."""
    stuck, fine = await world.ask(ALICE), await world.ask(ALICE, "DROP y")

    def fails(_request: ApprovalRequest, _groups: object) -> None:
        raise ValueError

    world.standing.later = {"dba": (10, "lead")}
    world.desk.ended(stuck.id, fails)
    world.clock.pass_s(10)
    await world.desk.tick()
    assert (await world.now(fine)).escalated == ("lead",)
    world.clock.pass_s(900)
    world.journal.broken_sync = DOWN
    await world.desk.tick()
    world.journal.mend()
    await world.desk.tick()
    assert {(await world.now(one)).state for one in (stuck, fine)} == {RequestState.EXPIRED}
    assert not world.desk._open


async def test_doors_hear_of_a_request_before_anything_else_of_it(world: DeskWorld) -> None:
    """What is found out at once goes with the question, not before it."""
    asked = await world.try_ask(ALICE)
    assert not isinstance(asked, NotAsked)
    await world.desk.see(asked.id, {"rows": 5})
    world.desk.announce(asked.id, {"rows": 5})
    await world.desk.see(asked.id, {"rows": 6})
    assert [(what, request.sight) for what, request in world.heard] == [
        ("requested", {"rows": 5}), ("seen", {"rows": 6}),
    ]  # fmt: skip


async def test_a_door_that_fails_keeps_no_other_from_hearing(world: DeskWorld) -> None:
    """And nothing from being decided."""

    def fails(_what: str, _request: ApprovalRequest) -> None:
        raise ValueError

    world.desk._listeners.insert(0, fails)
    request = await world.ask(ALICE)
    await world.vote(request, BOB)
    assert [what for what, _request in world.heard] == ["requested", "voted", "decided"]


async def test_another_hand_in_the_store_is_noticed(world: DeskWorld) -> None:
    """Whatever ended it there: a later yes changes nothing, and is told so."""
    request = await world.ask(ALICE)
    world.books.end_request(request.id, Ending(RequestState.DENIED, 5, "carol", "no"), [])
    late = await world.vote(request, BOB)
    assert (late.counted, late.refusal) == (False, "late")
    assert "carol already denied" in late.words
    assert not world.desk._open
