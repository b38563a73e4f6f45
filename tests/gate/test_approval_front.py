"""What doors see: one object, whose every answer comes from the rooms behind it, and who may look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.approval_world import (
    ALICE,
    ALICE_DBA,
    BOB,
    BOT,
    CAROL,
    DAN,
    OWNER,
    SAM,
    START_US,
    ApprovalWorld,
)

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.errors import NotPermitted
from gatekeep.gate.approval_front import ApprovalFront
from gatekeep.gate.approval_ports import Approvals, Ballot, Emergency, StandIn

HOUR_US = 3600 * 1_000_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


async def yes(world: ApprovalWorld, request: ApprovalRequest, who: Principal, scope: Scope = Scope.ONCE) -> None:
    """A vote that counts."""
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "web", mfa=True, scope=scope)
    cast = await world.desk.cast(request.id, who, ballot)
    assert cast.counted, cast.words


def test_it_is_what_doors_are_written_against() -> None:
    """All of the port, and doors need nothing else."""
    missing = {name for name in vars(Approvals) if not name.startswith("_")} - set(dir(ApprovalFront))
    assert not missing


@pytest.mark.parametrize(
    ("who", "may"),
    [
        (ALICE, True), (ALICE_DBA, True), (BOB, True), (SAM, True), (OWNER, True), (DAN, False),
        (BOT, False),
    ],
)  # fmt: skip
async def test_who_may_see_a_request(world: ApprovalWorld, who: Principal, *, may: bool) -> None:
    """Who asked, by any account; who may decide; who may read all of them; nobody else."""
    assert world.desk.may_see(await world.held(), who) is may


async def test_who_has_voted_may_see_it_still(world: ApprovalWorld) -> None:
    """Also when he could not vote on it any more."""
    request = await world.held(approvers=(("dba:2",),))
    await yes(world, request, BOB)
    world.people.gone.add("bob")
    found = await world.desk.request(request.id)
    assert found is not None
    assert world.desk.may_see(found, BOB)
    assert not world.desk.may_see(request, BOB)


async def test_requests_are_found_by_what_is_known_of_them(world: ApprovalWorld) -> None:
    """Id in any case, state, principal, target, words; page by page."""
    first, second = await world.held(), await world.held("DROP x;", by=DAN)
    found = await world.desk.request(f" {first.id.lower()} ")
    assert found is not None
    assert found.id == first.id
    assert await world.desk.request("0000") is None
    assert [one.id for one in await world.desk.requests()] == [second.id, first.id]
    assert [one.id for one in await world.desk.requests(limit=1, before=second.id)] == [first.id]
    assert [one.id for one in await world.desk.requests(principal="dan")] == [second.id]
    assert [one.id for one in await world.desk.requests(text="drop")] == [second.id]
    await world.desk.withdraw(second.id, DAN, "a slip")
    assert [one.id for one in await world.desk.requests(state=RequestState.PENDING)] == [first.id]
    assert await world.desk.requests(target="other") == []


@pytest.mark.parametrize(
    ("who", "may"),
    [(ALICE, True), (ALICE_DBA, True), (BOB, True), (SAM, True), (CAROL, False), (DAN, False)],
)
async def test_who_may_revoke_a_grant(world: ApprovalWorld, who: Principal, *, may: bool) -> None:
    """Who holds it, who gave it, and whoever policy lets; it is over at once."""
    await yes(world, await world.held(), BOB, Scope.SESSION)
    (grant,) = await world.desk.grants()
    if not may:
        with pytest.raises(NotPermitted):
            await world.desk.revoke(grant.id, who)
        assert await world.desk.grants()
        return
    assert (await world.desk.revoke(grant.id, who)).revoked_by == who.name
    assert await world.desk.grants() == []
    assert [one.id for one in await world.desk.grants(live=False, principal="alice")] == [grant.id]


async def test_what_is_not_there_cannot_be_revoked_voted_on_or_withdrawn(world: ApprovalWorld) -> None:
    """A KeyError, at whatever door."""
    with pytest.raises(KeyError):
        await world.desk.revoke("G-0", OWNER)
    with pytest.raises(KeyError):
        await world.desk.cast("0000", BOB, Ballot(VoteVerdict.APPROVE, "0" * 64, "web"))
    with pytest.raises(KeyError):
        await world.desk.withdraw("0000", ALICE, "")


async def test_only_who_asked_takes_it_back(world: ApprovalWorld) -> None:
    """Others are told so, and nothing changes."""
    request = await world.held()
    cast = await world.desk.withdraw(request.id, BOB, "")
    assert (cast.counted, cast.refusal) == (False, "outsider")
    assert cast.words == f"Only whoever asked for {request.id} can take it back. Nothing changed."
    assert (await world.desk.withdraw(request.id, ALICE_DBA, "a slip")).counted
    again = await world.desk.withdraw(request.id, ALICE, "")
    assert (again.refusal, "withdrawn by alice-dba" in again.words) == ("late", True)


async def test_delegations_are_seen_by_both_and_by_who_may_read_all(world: ApprovalWorld) -> None:
    """Neither by others; either of the two ends one, or whoever policy lets."""
    made = await world.desk.delegate(BOB, StandIn("dan", START_US + HOUR_US))
    for who, may in ((BOB, True), (DAN, True), (SAM, True), (CAROL, False)):
        assert ([one.id for one in await world.desk.delegations(who)] == [made.id]) is may
    with pytest.raises(KeyError):
        await world.desk.end_delegation(made.id, CAROL)
    await world.desk.end_delegation(made.id, SAM)
    assert await world.desk.delegations(BOB) == []
    assert [one.id for one in await world.desk.delegations(BOB, live=False)] == [made.id]


async def test_the_rota_is_told(world: ApprovalWorld) -> None:
    """Whom each group asks now, and of a request who may decide and whom to tell."""
    assert {one.group for one in world.desk.on_call()} == {"dba"}
    request = await world.held()
    told, may = set(world.desk.asked_now(request)), set(world.desk.deciders(request))
    assert told < may
    assert may == {"p-bob", "p-carol", "p-erin"}


async def test_listeners_hear_of_requests_and_of_broken_glass(world: ApprovalWorld) -> None:
    """Each of his own."""
    heard: list[str] = []
    world.desk.listen(lambda what, _request: heard.append(what))
    world.desk.listen_glass(lambda _grant, reason: heard.append(reason))
    await yes(world, await world.held(), BOB)
    (target,) = world.book.targets()
    await world.desk.break_glass(ALICE, Emergency(target.name, "app", "it burns", mfa=True))
    assert heard == ["requested", "voted", "decided", "it burns"]
    (review,) = await world.desk.reviews(SAM)
    closed = await world.desk.close_review(review.id, SAM, "as agreed")
    assert closed.finding == "as agreed"
