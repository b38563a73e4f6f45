"""Leave ahead of time: judged as it would be in a session, given with a window, kept over a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.approval_world import ALICE, BOB, DAN, SAM, START_US, ApprovalWorld

from gatekeep.domain.approvals import ApprovalRequest, RequestKind, RequestState, Scope, VoteVerdict
from gatekeep.errors import ClientFault, NotPermitted
from gatekeep.gate.ahead import AheadDesk
from gatekeep.gate.approval_front import ApprovalFront
from gatekeep.gate.approval_ports import Ahead, Ballot

HOUR_US = 3600 * 1_000_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


async def ask(world: ApprovalWorld, kind: RequestKind, text: str = "", **more: Any) -> ApprovalRequest:
    """Alice asks, on a target that she may reach."""
    (target,) = world.book.targets()
    return await world.desk.ask_ahead(ALICE, Ahead(kind, target.name, "app", text, **more))


async def approve(world: ApprovalWorld, request: ApprovalRequest) -> None:
    """Bob agrees, with his second factor; whatever scope he names, he gives what was asked."""
    ballot = Ballot(VoteVerdict.APPROVE, request.digest, "cli", mfa=True, scope=Scope.SESSION)
    cast = await world.desk.cast(request.id, BOB, ballot)
    assert cast.counted, cast.words


async def test_a_statement_gives_leave_for_once_in_its_window(world: ApprovalWorld) -> None:
    """From its start for as long as was asked, and for exactly this text."""
    assert isinstance(world.desk, ApprovalFront)
    assert isinstance(world.parts.ahead, AheadDesk)
    request = await ask(
        world, RequestKind.STATEMENT, "UPDATE a", for_s=600, starts_us=START_US + HOUR_US
    )
    assert (request.place.session, request.scope) == ("", Scope.ONCE)
    await approve(world, request)
    (grant,) = await world.desk.grants(live=False)
    assert (grant.scope, grant.starts_us) == (Scope.ONCE, START_US + HOUR_US)
    assert grant.ends_us - grant.starts_us == 600 * 1_000_000
    assert await world.desk.grants() == []
    world.clock.pass_s(3601)
    assert [one.id for one in await world.desk.grants()] == [grant.id]


async def test_access_is_of_high_risk_and_names_who_may_release(world: ApprovalWorld) -> None:
    """It lets whatever these groups release pass, so it takes a second factor."""
    request = await ask(world, RequestKind.ACCESS, for_s=1200, ticket="OPS-412", reason="migration")
    assert request.high_risk
    assert request.why.approvers == (("dba",),)
    assert (request.reason, request.subject.facts["ticket"]) == ("migration", "OPS-412")
    bare = Ballot(VoteVerdict.APPROVE, request.digest, "cli")
    assert (await world.desk.cast(request.id, BOB, bare)).refusal == "mfa"
    await approve(world, request)
    (grant,) = await world.desk.grants()
    assert (grant.scope, grant.kind, grant.groups) == (Scope.ACCESS, "access", {"dba"})


async def test_one_of_several_accounts_is_named(world: ApprovalWorld) -> None:
    """Without a name it is the only one there; of several the answer lists them."""
    (target,) = world.book.targets()
    with pytest.raises(NotPermitted, match="name one: app, dba"):
        await world.desk.ask_ahead(ALICE, Ahead(RequestKind.ACCESS, target.name, ""))
    world.book.kept[:] = [replace(target, accounts={"app": target.accounts["app"]})]
    asked = await world.desk.ask_ahead(ALICE, Ahead(RequestKind.ACCESS, target.name, ""))
    assert asked.place.account == "app"


async def test_what_cannot_be_asked(world: ApprovalWorld) -> None:
    """No such target, no such account, no such person there, unreadable text, and too long."""
    for target, account in (("nowhere", "app"), ("orders", "root")):
        with pytest.raises(NotPermitted):
            await world.desk.ask_ahead(ALICE, Ahead(RequestKind.ACCESS, target, account))
    with pytest.raises(NotPermitted):
        await world.desk.ask_ahead(SAM, Ahead(RequestKind.ACCESS, "orders", "app"))
    with pytest.raises(ClientFault):
        await ask(world, RequestKind.STATEMENT, "?")
    with pytest.raises(NotPermitted, match="longer"):
        await ask(world, RequestKind.ACCESS, for_s=9 * 3600)


async def test_it_waits_on_over_a_restart(world: ApprovalWorld, tmp_path: Path) -> None:
    """Nobody waits at a database for it, so a restart does not withdraw it."""
    request = await ask(world, RequestKind.STATEMENT, "UPDATE a")
    again = ApprovalWorld(tmp_path)
    await again.parts.recover()
    await approve(again, request)
    found = await again.desk.request(request.id)
    assert found is not None
    assert found.state is RequestState.APPROVED
    assert [one.request for one in await again.desk.grants()] == [request.id]
    await again.close()


async def test_who_may_look_and_who_may_take_back(world: ApprovalWorld) -> None:
    """The requester, who decides, and the auditors see it; holder, giver and policy take it back."""
    request = await ask(world, RequestKind.STATEMENT, "UPDATE a")
    seen = {who.name: world.desk.may_see(request, who) for who in (ALICE, BOB, SAM, DAN)}
    assert seen == {"alice": True, "bob": True, "sam": True, "dan": False}
    await approve(world, request)
    (grant,) = await world.desk.grants()
    with pytest.raises(NotPermitted):
        await world.desk.revoke(grant.id, DAN)
    assert (await world.desk.revoke(grant.id, ALICE)).revoked_by == "alice"
    assert await world.desk.grants() == []
    with pytest.raises(KeyError):
        await world.desk.revoke("G-NONE", ALICE)
