"""Grants at work: found before anybody is asked, used once or again, over at once when revoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support import builders
from support.desk_world import DeskWorld, person
from support.fake_journal import FakeStream

from gatekeep.domain.approvals import Scope
from gatekeep.domain.grants import Grant, Situation
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.supervision import LiveSession

ALICE = person("alice", "engineers")
BOB, CAROL = person("bob", "dba"), person("carol", "dba")
ORDERS = builders.session(principal=ALICE, target=builders.target("orders"), account="app")


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


def situation(grant: Grant, world: DeskWorld, **changes: object) -> Situation:
    """What this grant was made for."""
    request = world.books.request(grant.request)
    assert request is not None
    return world.situation(request, **changes)


def live(world: DeskWorld, session_id: str) -> list[str]:
    """A session that is open; why it was ended, if it was."""
    reasons: list[str] = []
    session = replace(ORDERS, id=session_id)
    world.supervision.register(LiveSession(session, FakeStream(session_id), 0, reasons.append))
    return reasons


async def once(world: DeskWorld) -> Grant:
    """Leave ahead of time for exactly one thing."""
    request = await world.ask(ALICE, session="", grant_s=600)
    await world.vote(request, BOB)
    return (await world.grants.grants())[0]


async def test_once_is_used_once_however_many_try(world: DeskWorld) -> None:
    """Twenty sessions in one moment: one of them, with one event; then it covers nothing."""
    grant = await once(world)
    now = situation(grant, world)
    assert world.grants.covering(now) == [grant]
    used = await asyncio.gather(*(world.grants.spend(grant, f"s{n}") for n in range(20)))
    assert used.count(True) == 1
    assert len(world.told("grant.spent")) == 1
    assert world.grants.covering(now) == []
    await world.restart()
    assert world.grants.covering(now) == []


async def test_a_use_that_cannot_be_recorded_is_none(world: DeskWorld) -> None:
    """It raises, nothing goes out, and what was good for once is gone rather than used twice."""
    grant = await once(world)
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.grants.spend(grant, "s1")
    world.journal.mend()
    assert not await world.grants.spend(grant, "s1")


async def test_it_counts_in_its_time(world: DeskWorld) -> None:
    """From its start on, whenever it was given; to its end, and a stepped clock lengthens nothing."""
    start_us = world.now_us() + 3_600_000_000
    request = await world.ask(
        ALICE, session="", starts_us=start_us, grant_s=600, scope=Scope.ACCESS
    )
    await world.vote(request, BOB)
    now = world.situation(request)
    assert world.grants.covering(now) == []
    world.clock.pass_s(3600)
    (grant,) = world.grants.covering(now)
    assert (grant.starts_us, grant.ends_us) == (start_us, start_us + 600_000_000)
    world.clock.pass_s(599)
    world.clock.step_s(-86_400)
    assert world.grants.covering(now)
    world.clock.pass_s(1)
    assert world.grants.covering(now) == []
    assert not await world.grants.spend(grant, "s1")


async def test_a_clock_set_forward_ends_it(world: DeskWorld) -> None:
    """It may end early by a wrong clock, never late."""
    grant = await world.granted(ALICE, BOB, for_s=600)
    world.clock.step_s(601)
    assert world.grants.covering(situation(grant, world)) == []


async def test_leave_that_was_given_ahead_of_the_time_ends_in_its_time(world: DeskWorld) -> None:
    """The clock was an hour ahead, and is put right: it counts at once, and ten minutes long."""
    world.clock.step_s(3600)
    grant = await world.granted(ALICE, BOB, for_s=600)
    world.clock.step_s(-3600)
    world.clock.pass_s(599)
    assert world.grants.covering(situation(grant, world)) == [grant]
    world.clock.pass_s(1)
    assert world.grants.covering(situation(grant, world)) == []


async def test_nothing_lasts_longer_than_it_may(world: DeskWorld) -> None:
    """Eight hours, whatever the ballot says; a session's twelve; ahead of time what was asked for."""
    long = await world.granted(ALICE, BOB, for_s=10**6)
    assert long.ends_us - long.starts_us == 8 * 3_600_000_000
    session = await world.granted(ALICE, BOB, Scope.SESSION, for_s=10**6)
    assert session.ends_us - session.starts_us == 12 * 3_600_000_000
    ahead = await world.granted(ALICE, BOB, Scope.ACCESS, for_s=10**6)
    assert ahead.ends_us - ahead.starts_us == 600_000_000


async def test_who_gave_it_must_be_in_the_group_still(world: DeskWorld) -> None:
    """He left it: it covers nothing and is spent by nobody; he is back: it counts again."""
    grant = await world.granted(ALICE, BOB)
    now = situation(grant, world)
    world.directory.regroup("bob", "engineers")
    assert world.grants.covering(now) == []
    assert not await world.grants.spend(grant, "s1")
    world.directory.regroup("bob", "dba")
    assert world.grants.covering(now) == [grant]


async def test_what_was_given_in_anothers_place_ends_with_that(world: DeskWorld) -> None:
    """Bob let carol's place be taken; once that is over, the grant rests on nobody."""
    dan = person("dan", "engineers")
    world.directory.kept["dan"] = dan
    world.standing.lend("carol", "dan", "dba")
    grant = await world.granted(ALICE, dan)
    assert grant.persons == {"dan": frozenset({"dba"})}
    assert world.grants.covering(situation(grant, world))
    world.standing.lent.clear()
    assert world.grants.covering(situation(grant, world)) == []


async def test_revoking_ends_the_sessions_that_live_by_it(world: DeskWorld) -> None:
    """Those that it opened and those that used it; no other, and nothing uses it again."""
    grant = await world.granted(ALICE, BOB, Scope.ACCESS)
    opened, spent, other = live(world, "s1"), live(world, "s2"), live(world, "s3")
    assert world.grants.opened_by(replace(ORDERS, id="s1")) is not None
    assert await world.grants.spend(grant, "s2")
    kept = await world.grants.revoke(grant.id, "bob")
    assert (kept.revoked_by, kept.revoked_us) == ("bob", world.now_us())
    assert opened == spent == ["the grant it lived by was revoked"]
    assert other == []
    assert world.grants.opened_by(ORDERS) is None
    assert not await world.grants.spend(grant, "s3")
    assert [one["by"] for one in world.told("grant.revoked")] == ["bob"]
    with pytest.raises(KeyError):
        await world.grants.revoke("G-0", "bob")


async def test_it_is_revoked_whatever_the_journal_says(world: DeskWorld) -> None:
    """Its event is owed, the right is gone: also for sessions, and after a restart."""
    grant = await world.granted(ALICE, BOB, Scope.ACCESS)
    opened = live(world, "s1")
    world.grants.opened_by(replace(ORDERS, id="s1"))
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.grants.revoke(grant.id, "bob")
    assert opened
    assert world.grants.opened_by(ORDERS) is None
    await world.restart()
    assert world.grants.opened_by(ORDERS) is None
    assert len(world.told("grant.revoked")) == 1


async def test_a_session_that_was_just_let_in_ends_too(world: DeskWorld) -> None:
    """Revoked while its target was dialled: it ends as soon as it is one that can be ended."""
    grant = await world.granted(ALICE, BOB, Scope.ACCESS)
    assert world.grants.opened_by(replace(ORDERS, id="s1")) is not None
    await world.grants.revoke(grant.id, "bob")
    world.grants.tick()
    opened = live(world, "s1")
    world.grants.tick()
    assert opened == ["the grant it lived by was revoked"]
    world.grants.tick()
    assert len(opened) == 1
    assert not world.grants._to_end


async def test_what_never_opened_is_forgotten(world: DeskWorld) -> None:
    """A minute later nothing of it is in memory."""
    grant = await world.granted(ALICE, BOB, Scope.ACCESS)
    world.grants.opened_by(replace(ORDERS, id="s1"))
    await world.grants.revoke(grant.id, "bob")
    world.clock.pass_s(61)
    world.grants.tick()
    assert not world.grants._to_end
    assert not world.grants._used_by


async def test_revoked_in_the_moment_of_its_use(world: DeskWorld) -> None:
    """Whoever is first: either it was used and that session ends, or it was not used."""
    for waits in range(8):
        grant = await world.granted(ALICE, BOB, Scope.ACCESS)
        opened = live(world, "s1")
        using = world.owner.spawn(world.grants.spend(grant, "s1"), name="use")
        for _ in range(waits):
            await asyncio.sleep(0)
        await world.grants.revoke(grant.id, "bob")
        assert not await using or opened


async def test_revoked_in_the_moment_of_its_making(world: DeskWorld) -> None:
    """Before its event is durable it is seen in the store: revoked there, it never counts."""
    request = await world.ask(ALICE, session="", grant_s=600, scope=Scope.ACCESS)
    world.journal.synced.clear()
    voting = world.owner.spawn(world.vote(request, BOB), name="vote")
    while not (made := await world.grants.grants(live=False)):
        await asyncio.sleep(0)
    revoking = world.owner.spawn(world.grants.revoke(made[0].id, "bob"), name="revoke")
    while not world.books.grants()[0].revoked_us:
        await asyncio.sleep(0)
    world.journal.synced.set()
    assert (await voting).counted
    await revoking
    assert world.grants.opening("alice", "orders", "app") == []
    world.clock.pass_s(601)
    world.grants.tick()
    assert not world.grants._revoked


async def test_an_account_that_is_another_persons_now_has_no_leave(world: DeskWorld) -> None:
    """It was given to a person; the name alone is not he."""
    await world.granted(ALICE, BOB, Scope.ACCESS)
    assert world.grants.opening("alice", "orders", "app")
    world.directory.kept["alice"] = person("alice", "engineers", of="bob")
    assert world.grants.opening("alice", "orders", "app") == []
    del world.directory.kept["alice"]
    assert world.grants.opening("alice", "orders", "app") == []


@pytest.mark.parametrize("how", ["it is over", "who gave it is gone"])
async def test_what_ends_in_the_moment_of_its_use_lets_nothing_out(world: DeskWorld, how: str) -> None:
    """While its use is recorded its time comes, or somebody leaves the group: it was not used."""
    grant = await world.granted(ALICE, BOB, for_s=600)

    def ends() -> None:
        world.thread.before = lambda: None
        if how == "it is over":
            world.clock.pass_s(600)
        else:
            world.directory.regroup("bob", "engineers")

    world.thread.before = ends
    assert not await world.grants.spend(grant, "s1")


async def test_when_its_time_is_over_sessions_that_it_opened_end(world: DeskWorld) -> None:
    """Those of a template that they used go on: they were open before."""
    access = await world.granted(ALICE, BOB, Scope.ACCESS)
    template = await world.granted(ALICE, BOB, for_s=300)
    opened, used = live(world, "s1"), live(world, "s2")
    world.grants.opened_by(replace(ORDERS, id="s1"))
    assert await world.grants.spend(template, "s2")
    world.clock.pass_s(300)
    world.grants.tick()
    assert (opened, used) == ([], [])
    world.clock.pass_s(300)
    world.grants.tick()
    assert opened == ["the time it was granted for is over"]
    assert world.books.grant(access.id) is not None
    assert not world.grants._live
    assert not world.grants._used_by


async def test_policy_decides_whether_it_opens_a_session(world: DeskWorld) -> None:
    """And what it is to policy stands in the judgement."""
    await world.granted(ALICE, BOB, Scope.ACCESS)
    world.rules.enough = lambda approval: "security" in approval.groups
    assert world.grants.opened_by(ORDERS) is None
    assert not world.grants._used_by
    world.rules.enough = lambda approval: approval.kind == "access"
    assert world.grants.opened_by(ORDERS) is not None


async def test_only_access_opens_sessions(world: DeskWorld) -> None:
    """Leave for a statement is none for a session."""
    await world.granted(ALICE, BOB, Scope.TEMPLATE)
    await world.granted(ALICE, BOB, Scope.SESSION)
    assert world.grants.opened_by(ORDERS) is None


async def test_the_narrowest_is_used_first(world: DeskWorld) -> None:
    """Once before template, session and access."""
    made = [
        await world.granted(ALICE, BOB, scope)
        for scope in (Scope.ACCESS, Scope.SESSION, Scope.TEMPLATE)
    ]
    made.append(await once(world))
    now = situation(made[2], world)
    assert [one.scope for one in world.grants.covering(now)] == [
        Scope.ONCE, Scope.TEMPLATE, Scope.SESSION, Scope.ACCESS,
    ]  # fmt: skip


async def test_they_count_again_after_a_restart(world: DeskWorld) -> None:
    """Those that are live still; neither what is over, revoked, nor what has no event."""
    kept = await world.granted(ALICE, BOB)
    over = await world.granted(ALICE, BOB, for_s=60)
    gone = await world.granted(ALICE, BOB)
    await world.grants.revoke(gone.id, "bob")
    world.clock.pass_s(61)
    await world.restart()
    assert [one.id for one in world.grants.covering(situation(kept, world))] == [kept.id]
    assert {one.id for one in await world.grants.grants(live=False)} == {kept.id, over.id, gone.id}
    assert [one.id for one in await world.grants.grants(principal="alice")] == [kept.id]
    assert await world.grants.grants(principal="bob") == []


async def test_what_an_approval_in_place_makes(world: DeskWorld) -> None:
    """Nothing for once; else what was said, bound, with who gave it and by which groups."""
    request = await world.ask(ALICE)
    assert (await world.vote(request, BOB)).counted
    assert await world.grants.grants(live=False) == []
    session = await world.granted(ALICE, CAROL, Scope.SESSION)
    assert session.session == "ab" * 16
    assert session.bound == {"rule": "rule", "verb": "DELETE"}
    assert (session.kind, session.groups, session.mfa) == ("grant", frozenset({"dba"}), True)
    access = await world.granted(ALICE, CAROL, Scope.ACCESS, mfa=False)
    assert (access.kind, access.session, access.mfa, access.bound) == ("access", "", False, {})
    assert [one["grant"] for one in world.told("grant.made")] == [session.id, access.id]
