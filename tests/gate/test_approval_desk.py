"""One verdict for each request, ever, by those who may: the desk over its real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.approval_world import (
    ALICE,
    ALICE_DBA,
    BOB,
    BOT,
    CAROL,
    DAN,
    ERIN,
    OWNER,
    SAM,
    START_US,
    ApprovalWorld,
)

from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.domain.events import EventKind
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ballot, StandIn
from gatekeep.gate.approval_values import CastVote, Limits, NotAsked

US = 1_000_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


async def vote(
    world: ApprovalWorld, request: ApprovalRequest, who: Principal, *, deny: str = "", **more: object
) -> CastVote:
    """A ballot of this principal."""
    verdict = VoteVerdict.DENY if deny else VoteVerdict.APPROVE
    ballot = Ballot(verdict, request.digest, "cli", reason=deny)
    return await world.desk.cast(request.id, who, replace(ballot, **more))  # type: ignore[arg-type,return-value]  # fields by name


def kinds(world: ApprovalWorld) -> list[EventKind]:
    """What the journal was told, in order."""
    return [event.kind for event in world.journal.events]


async def test_one_vote_of_the_group_decides_and_all_of_it_is_an_event(world: ApprovalWorld) -> None:
    """Requested, voted, decided: each durable, and whoever waits hears of the end."""
    request = await world.held()
    ended = world.parts.desk.ended(request.id, lambda *_: None)
    assert (await vote(world, request, BOB)).counted
    decided = await ended
    assert decided.state is RequestState.APPROVED
    assert decided.settled
    assert (decided.decided_by, decided.votes[0].person) == ("bob", "p-bob")
    assert kinds(world) == [
        EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_VOTED, EventKind.APPROVAL_DECIDED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asker", "voter", "refusal"),
    [
        (ALICE, ALICE, "own"),
        (ALICE, ALICE_DBA, "own"),  # her second account
        (BOT, BOB, "owner"),  # he answers for the machine that asks
        (ALICE, BOT, "machine"),
        (ALICE, DAN, "outsider"),
        (ALICE, SAM, "outsider"),
        (ALICE, OWNER, "outsider"),  # administrators are nobody special
        (BOB, BOB, "own"),
    ],
)
@pytest.mark.parametrize("via", ["slack", "web", "cli", "api", "webhook"])
async def test_nobody_decides_over_himself_at_any_door(
    world: ApprovalWorld, asker: Principal, voter: Principal, refusal: str, via: str
) -> None:
    """12-threats §4.4: person by person, door by door; the request stays open, and says for whom."""
    request = await world.held(by=asker)
    cast = await vote(world, request, voter, via=via)
    if via == "webhook" and refusal == "outsider":
        refusal = "machine"  # whoever holds its secret, no person came by there
    assert (cast.counted, cast.refusal) == (False, refusal)
    assert cast.words
    found = await world.desk.request(request.id)
    assert found is not None
    assert (found.state, found.votes) == (RequestState.PENDING, ())


async def test_delegate_and_delegator_never_decide_for_each_other(world: ApprovalWorld) -> None:
    """Bob lets dan vote for him: dan's word counts for others, never for bob's own requests."""
    until_us = START_US + 3600 * US
    await world.parts.voters.people.delegate(BOB, StandIn("dan", until_us))
    request = await world.held()
    cast = await vote(world, request, DAN)
    assert cast.counted
    assert cast.request.votes[0].delegator == "p-bob"
    of_bob = await world.held("DELETE FROM a;", by=BOB)
    assert (await vote(world, of_bob, DAN)).refusal == "delegate"
    of_dan = await world.held("DELETE FROM b;", by=DAN)
    assert (await vote(world, of_dan, BOB)).refusal == "delegate"


async def test_a_new_member_does_not_decide_over_who_let_him_in(world: ApprovalWorld) -> None:
    """Whom the requester put into the group a moment ago counts for others, not for him."""
    world.parts.voters.people.added_by = lambda person: {"dba": "p-alice"} if person == "p-bob" else {}  # type: ignore[method-assign]  # a fake that has all that is used
    assert (await vote(world, await world.held(), BOB)).refusal == "added"
    assert (await vote(world, await world.held("DELETE FROM a;", by=DAN), BOB)).counted


async def test_two_votes_are_two_persons(world: ApprovalWorld) -> None:
    """`dba:2` takes two of them; nobody votes twice, and what is missing is said."""
    request = await world.held(approvers=(("dba:2",),))
    first = await vote(world, request, BOB)
    assert first.counted
    assert "2 of dba" in first.words
    assert (await vote(world, request, BOB)).refusal == "voted"
    assert first.request.state is RequestState.PENDING
    assert (await vote(world, request, CAROL)).request.state is RequestState.APPROVED


async def test_one_person_in_two_groups_sits_on_one_seat(world: ApprovalWorld) -> None:
    """A set of two groups is two people, even where one is in both."""
    both = Principal("bob", "p-bob", frozenset({"dba", "security"}))
    world.people.principals = lambda: [ALICE, both, SAM]  # type: ignore[method-assign]  # a fake that has all that is used
    world.people.principal = {"alice": ALICE, "bob": both, "sam": SAM}.get  # type: ignore[method-assign,assignment]  # a fake that has all that is used
    request = await world.held(approvers=(("dba", "security"),))
    assert (await vote(world, request, both)).request.state is RequestState.PENDING
    assert (await vote(world, request, SAM)).request.state is RequestState.APPROVED


async def test_what_was_not_shown_cannot_be_decided(world: ApprovalWorld) -> None:
    """Another digest, or too little of it, changes nothing."""
    request = await world.held()
    for digest in ("", request.digest[:11], "0" * 64, request.digest[:-1] + "g"):
        assert (await vote(world, request, BOB, digest=digest)).refusal == "digest"


async def test_high_risk_takes_a_second_factor_and_a_denial_a_reason(world: ApprovalWorld) -> None:
    """What is missing is said, and nothing has changed meanwhile."""
    request = await world.held(risk="high")
    assert (await vote(world, request, BOB)).refusal == "mfa"
    bare = Ballot(VoteVerdict.DENY, request.digest, "cli", reason="  ")
    assert (await world.desk.cast(request.id, BOB, bare)).refusal == "reason"
    assert (await vote(world, request, BOB, mfa=True)).counted


async def test_late_ones_are_told_who_decided(world: ApprovalWorld) -> None:
    """Five ballots of three people in one moment: one verdict, and polite answers."""
    request = await world.held()
    answers = await asyncio.gather(
        vote(world, request, BOB), vote(world, request, CAROL, deny="no"),
        vote(world, request, ERIN), vote(world, request, BOB, deny="no"),
        vote(world, request, CAROL),
    )  # fmt: skip
    assert [one.counted for one in answers].count(True) == 1
    late = [one for one in answers if not one.counted]
    assert {one.refusal for one in late} == {"late"}
    assert all("already" in one.words and "Nothing changed." in one.words for one in late)
    assert kinds(world).count(EventKind.APPROVAL_DECIDED) == 1


async def test_time_closes_what_nobody_answered(world: ApprovalWorld) -> None:
    """At its deadline it expires, by itself or by the vote that comes too late."""
    first, second = await world.held(), await world.held("DELETE FROM b;")
    world.clock.pass_s(901)
    assert (await vote(world, first, BOB)).refusal == "late"
    await world.parts.tick()
    found = await world.desk.request(second.id)
    assert found is not None
    assert found.state is RequestState.EXPIRED
    assert kinds(world).count(EventKind.APPROVAL_EXPIRED) == 2


async def test_only_the_requester_withdraws(world: ApprovalWorld) -> None:
    """Others cannot; then nobody can decide it any more."""
    request = await world.held()
    assert not (await world.desk.withdraw(request.id, DAN, "")).counted
    assert (await world.desk.withdraw(request.id, ALICE_DBA, "changed my mind")).counted
    assert (await vote(world, request, BOB)).refusal == "late"


async def test_others_are_asked_when_nobody_answers(world: ApprovalWorld) -> None:
    """After a while the next group is asked too: an event, and whoever waits hears of it."""
    world.parts.voters.people.escalation = lambda group: (300, "security") if group == "dba" else None  # type: ignore[method-assign]  # a fake that has all that is used
    request = await world.held(approvers=(("dba",), ("security",)))
    assert "p-sam" not in world.desk.asked_now(request)
    heard: list[list[str]] = []
    world.parts.desk.ended(request.id, _into(heard))
    world.clock.pass_s(301)
    await world.parts.tick()
    await world.parts.tick()
    assert heard == [["security"]]
    found = await world.desk.request(request.id)
    assert found is not None
    assert "p-sam" in world.desk.asked_now(found)
    assert EventKind.APPROVAL_ESCALATED in kinds(world)


async def test_a_person_asks_so_much_at_a_time_and_no_more(world: ApprovalWorld) -> None:
    """Also where all of it is asked in one moment; and nobody asks again right after a no."""
    world.parts.desk.limits = Limits(max_open=3)
    made = await asyncio.gather(
        *(world.parts.desk.ask(world.wish(f"DROP {n};"), lambda _a: True, world.grant_for)
          for n in range(6))
    )  # fmt: skip
    asked = [one for one in made if isinstance(one, ApprovalRequest)]
    assert len(asked) == 3
    assert {one.cause for one in made if isinstance(one, NotAsked)} == {"too_many"}


async def test_after_a_denial_the_same_waits_and_then_takes_more(world: ApprovalWorld) -> None:
    """15 minutes long it is not asked; then who denied must agree, or one person more."""
    request = await world.held()
    await vote(world, request, BOB, deny="not now")
    again = await world.parts.desk.ask(world.wish(), lambda _a: True, world.grant_for)
    assert isinstance(again, NotAsked)
    assert (again.cause, again.denier, again.wait_s) == ("denied_lately", "p-bob", 900)
    world.clock.pass_s(901)
    second = await world.held()
    assert (second.why.extra, second.why.denier) == (1, "p-bob")
    assert (await vote(world, second, CAROL)).request.state is RequestState.PENDING
    assert (await vote(world, second, ERIN)).request.state is RequestState.APPROVED


async def test_a_vote_that_cannot_be_recorded_was_not_cast(world: ApprovalWorld) -> None:
    """The journal is gone: nothing is approved, and who waits goes on waiting."""
    request = await world.held()
    ended = world.parts.desk.ended(request.id, lambda *_: None)
    world.break_journal()
    with pytest.raises(JournalUnavailable):
        await vote(world, request, BOB)
    assert not ended.done()


async def test_an_approval_that_policy_no_longer_agrees_to_is_none(world: ApprovalWorld) -> None:
    """Policy has the last word at the last vote: then the request is closed, and nothing runs."""
    asked = await world.parts.desk.ask(world.wish(), lambda _approval: False, world.grant_for)
    assert isinstance(asked, ApprovalRequest)
    world.parts.desk.announce(asked.id)
    cast = await vote(world, asked, BOB)
    assert (cast.counted, cast.refusal) == (False, "void")
    assert cast.request.state is RequestState.WITHDRAWN


async def test_after_a_restart_what_was_held_is_withdrawn(
    world: ApprovalWorld, tmp_path: Path
) -> None:
    """Whoever waited is gone: nobody can approve it any more, and nothing counts without its event."""
    request = await world.held()
    again = ApprovalWorld(tmp_path)
    await again.parts.recover()
    found = await again.desk.request(request.id)
    assert found is not None
    assert (found.state, found.decision_reason) == (RequestState.WITHDRAWN, "the gateway restarted")
    assert (await vote(again, request, BOB)).refusal == "late"
    await again.close()


async def test_an_id_that_is_drawn_twice_takes_nobodys_place(
    world: ApprovalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four digits are drawn again by chance: the request that has them waits on, and the other too."""
    drawn = [b"\0\0\0\1", b"\0\0\0\1", b"\0\0\0\2"]
    monkeypatch.setattr(world.parts.desk, "_draw", lambda _count: drawn.pop(0))
    first, second = await world.held(), await world.held("DROP 2;")
    assert first.id != second.id
    for request in (first, second):
        ended = world.parts.desk.ended(request.id, lambda *_: None)
        assert (await vote(world, request, BOB)).counted
        assert (await ended).id == request.id


async def _storm(world: ApprovalWorld, holds: int) -> None:
    """So many are held at once, each decided from two places in the same moment."""
    world.parts.desk.limits = Limits(max_open=holds + 1)
    requests = await asyncio.gather(*(world.held(f"DROP {n};") for n in range(holds)))
    waits = [world.parts.desk.ended(one.id, lambda *_: None) for one in requests]
    votes = [
        ballot
        for one in requests
        for ballot in (vote(world, one, BOB), vote(world, one, CAROL, deny="no"))
    ]
    answers = await asyncio.gather(*votes)
    ended = await asyncio.gather(*waits)
    assert [one.counted for one in answers].count(True) == holds
    assert all("already" in one.words for one in answers if not one.counted)
    assert {one.state for one in ended} <= {RequestState.APPROVED, RequestState.DENIED}
    assert len({one.id for one in ended}) == holds
    assert not world.parts.desk._open
    assert not world.parts.desk._asking
    assert len(world.parts.owner) == 0


async def test_many_holds_decided_twice_at_once_have_one_verdict_each(world: ApprovalWorld) -> None:
    """Twenty in `make test`; nothing is left behind."""
    await _storm(world, 20)


@pytest.mark.soak
async def test_two_hundred_holds_fifty_times(tmp_path: Path) -> None:
    """The whole size of the same."""
    for number in range(50):
        place = tmp_path / str(number)
        place.mkdir()
        world = ApprovalWorld(place)
        await _storm(world, 200)
        await world.close()


def _into(heard: list[list[str]]) -> Callable[[ApprovalRequest, Sequence[str]], None]:
    """Keeps the groups that are asked as well."""

    def told(_request: ApprovalRequest, groups: Sequence[str]) -> None:
        heard.append(list(groups))

    return told
