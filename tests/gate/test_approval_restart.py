"""Cut off between store, journal and effect: what was not durable was not given, and nothing is lost.

The process is gone in the middle; another one starts over the same state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from support.desk_world import DeskWorld, person

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope
from gatekeep.errors import JournalUnavailable

ALICE = person("alice", "engineers")
BOB, CAROL = person("bob", "dba"), person("carol", "dba")
DOWN = JournalUnavailable("the process is gone")


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


def _before_the_journal(world: DeskWorld) -> None:
    world.journal.break_append_at = len(world.journal.events)


def _before_the_disk(world: DeskWorld) -> None:
    world.journal.broken_sync = DOWN


def _between_the_events(world: DeskWorld) -> None:
    world.journal.break_append_at = len(world.journal.events) + 1


def _before_it_is_settled(world: DeskWorld) -> None:
    """The third look into the store from here is the one that would clear what is owed."""
    left = [2]

    def gone() -> None:
        if not left[0]:
            raise DOWN
        left[0] -= 1

    world.thread.before = gone


CUTS = [_before_the_journal, _between_the_events, _before_the_disk, _before_it_is_settled]


async def _cut_off(world: DeskWorld, cut: Callable[[DeskWorld], None], **ballot: object) -> ApprovalRequest:
    """A yes that comes as far as the cut."""
    session = "" if ballot.get("scope") is Scope.ACCESS else "ab" * 16
    request = await world.ask(ALICE, session=session, grant_s=600, scope=ballot.get("scope", Scope.ONCE))
    ended = world.desk.ended(request.id, lambda *_: None)
    cut(world)
    with pytest.raises(JournalUnavailable):
        await world.vote(request, BOB, **ballot)
    world.thread.before = lambda: None
    assert not ended.done()
    assert [what for what, _request in world.heard] == ["requested"]
    return request


@pytest.mark.parametrize("cut", CUTS)
async def test_a_yes_that_was_cut_off_released_nothing(
    world: DeskWorld, cut: Callable[[DeskWorld], None]
) -> None:
    """Nobody had gone on by it; after a start it is in the journal, and whoever waited is gone."""
    request = await _cut_off(world, cut)
    await world.restart()
    found = await world.now(request)
    assert (found.state, found.settled) == (RequestState.APPROVED, True)
    assert found.outcome == "void: the gateway restarted"
    assert {one["outcome"] for one in world.told("approval.decided")} == {"approved"}
    assert {one["voter"] for one in world.told("approval.voted")} == {"bob"}
    assert world.books.pending() == []
    assert not world.desk._open
    late = await world.vote(request, CAROL, deny="no")
    assert (late.refusal, "bob already approved" in late.words) == ("late", True)


@pytest.mark.parametrize("scope", [Scope.TEMPLATE, Scope.ACCESS])
@pytest.mark.parametrize("cut", CUTS)
async def test_a_grant_counts_when_its_event_is_durable(
    world: DeskWorld, cut: Callable[[DeskWorld], None], scope: Scope
) -> None:
    """Not before the start that tells it; and from then on, in the time that it was given for."""
    request = await _cut_off(world, cut, scope=scope)
    now = world.situation(request)
    assert not world.grants.covering(now)
    assert await world.grants.grants() == []
    await world.restart()
    (grant,) = world.grants.covering(now)
    assert grant.settled
    held_in_place = scope is not Scope.ACCESS
    outcome = (await world.now(request)).outcome
    assert outcome == ("void: the gateway restarted" if held_in_place else "")
    assert {one["grant"] for one in world.told("grant.made")} == {grant.id}
    world.clock.pass_s(1800)
    assert not world.grants.covering(now)


async def test_a_start_that_cannot_tell_serves_nothing(world: DeskWorld) -> None:
    """The journal does not take what it is owed: the start fails, and nothing counts."""
    request = await _cut_off(world, _before_the_disk, scope=Scope.TEMPLATE)
    await world.owner.close()
    world.books.close()
    world.begin()
    with pytest.raises(JournalUnavailable):
        await world.desk.recover()
    found = world.books.request(request.id)
    assert found is not None
    assert not found.settled
    assert await world.grants.grants() == []
    world.journal.mend()
    await world.desk.recover()
    await world.grants.load()
    assert world.grants.covering(world.situation(request))


async def test_what_was_held_is_withdrawn(world: DeskWorld) -> None:
    """With one vote of two, or none: whoever waited is gone, and that is an event for each."""
    one, two = await world.ask(ALICE), await world.ask(ALICE, "DROP x", approvers=(("dba:2",),))
    await world.vote(two, BOB)
    ahead = await world.ask(ALICE, "DROP y", session="")
    await world.restart()
    for request in (one, two):
        found = await world.now(request)
        assert (found.state, found.decision_reason) == (
            RequestState.WITHDRAWN, "the gateway restarted",
        )  # fmt: skip
        assert (await world.vote(request, CAROL)).words.startswith(f"{request.id} was withdrawn by the gateway")
    assert (await world.now(ahead)).state is RequestState.PENDING
    assert len(world.told("approval.withdrawn")) == 2


async def test_what_was_asked_ahead_waits_on_with_its_votes(world: DeskWorld) -> None:
    """One of two has said yes; the other one is enough after the start."""
    ahead = await world.ask(ALICE, session="", approvers=(("dba:2",),), grant_s=600)
    await world.vote(ahead, BOB)
    await world.restart()
    kept = await world.now(ahead)
    await world.desk.adopt(kept, lambda _given: True, world.grant_for)
    assert (await world.vote(ahead, BOB)).refusal == "voted"
    assert (await world.vote(ahead, CAROL)).request.state is RequestState.APPROVED
    assert len(await world.grants.grants()) == 1


async def test_its_deadline_is_the_one_it_had(world: DeskWorld) -> None:
    """A restart lengthens nothing."""
    ahead = await world.ask(ALICE, session="")
    world.clock.pass_s(600)
    await world.restart()
    await world.desk.adopt(await world.now(ahead), lambda _given: True, world.grant_for)
    world.clock.pass_s(300)
    await world.desk.tick()
    assert (await world.now(ahead)).state is RequestState.EXPIRED


async def test_starting_twice_changes_nothing(world: DeskWorld) -> None:
    """What was settled is not told again."""
    await world.granted(ALICE, BOB)
    await world.ask(ALICE, "DROP x")
    await world.restart()
    told = list(world.journal.kinds())
    await world.restart()
    assert world.journal.kinds() == told


async def test_many_are_cut_off_at_once(world: DeskWorld) -> None:
    """Each request has one verdict afterwards, and the journal has each."""
    requests = [await world.ask(ALICE, f"DROP {n}") for n in range(5)]
    world.journal.synced.clear()
    votes = [
        world.owner.spawn(world.vote(one, who, deny=no), name="vote")
        for one in requests for who, no in ((BOB, ""), (CAROL, "no"))
    ]  # fmt: skip
    for _ in range(50):
        await asyncio.sleep(0)
    await world.owner.close()
    await asyncio.gather(*votes, return_exceptions=True)
    world.journal.synced.set()
    await world.restart()
    states = {one.id: (await world.now(one)).state for one in requests}
    assert RequestState.PENDING not in states.values()
    assert not world.desk._open
    told: dict[str, set[str]] = {}
    for kind in ("approval.decided", "approval.withdrawn"):
        for one in world.told(kind):
            told.setdefault(one["request"], set()).add(one["outcome"])
    assert told == {request_id: {state.value} for request_id, state in states.items()}
