"""Holding in place: what was approved goes out only if everything it was bound to is as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import builders
from support.approval_world import ALICE, BOB, POLICY, ApprovalWorld, members
from support.held_statement import FIELDS, HeldStatement

from gatekeep.domain.actions import SqlAction, SqlClass, WhereClause
from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope, VoteVerdict
from gatekeep.domain.grants import Slot
from gatekeep.domain.identity import Principal
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Ballot, Departure
from gatekeep.gate.holding import Held, NotReleased, Released
from gatekeep.policy.loading import load

SESSION = builders.session(principal=ALICE)
@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalWorld]:
    """People, policy and an empty state."""
    made = ApprovalWorld(tmp_path)
    yield made
    await made.close()


def statement(text: str = "DELETE FROM orders WHERE id = 1") -> SqlAction:
    """A write with a WHERE."""
    known = builders.facts(
        SqlClass.WRITE, "DELETE", redacted=text, template="delete from orders where id = $1:int",
        where=WhereClause.PRESENT,
    )  # fmt: skip
    return builders.action(text, known)


class Waiting:
    """One statement that waits."""

    def __init__(self, world: ApprovalWorld, action: SqlAction | None = None) -> None:
        self.world = world
        self.hold = HeldStatement()
        self.action = action or statement()
        judgement = world.policy.judge(SESSION, self.action)
        self.asked: list[str] = []
        held = Held(SESSION, [self.action], [judgement], [0])
        self.task = world.parts.owner.spawn(
            world.parts.holding.released(held, self.hold, self._record), name="hold"
        )

    async def _record(self, request: ApprovalRequest) -> None:
        self.asked.append(request.id)

    async def request(self) -> ApprovalRequest:
        """The request, once the client was told of it."""
        while not self.hold.told:
            await asyncio.sleep(0)
            assert not self.task.done(), self.task.result()
        found = await self.world.desk.request(self.asked[0])
        assert found is not None
        return found

    async def voted(self, who: Principal = BOB, **more: object) -> Released | NotReleased:
        """What comes of it after a yes."""
        request = await self.request()
        ballot = Ballot(VoteVerdict.APPROVE, request.digest, "cli")
        cast = await self.world.desk.cast(request.id, who, replace(ballot, **more))  # type: ignore[arg-type]  # fields by name
        assert cast.counted, cast
        return await self.task  # type: ignore[no-any-return]  # a fake that has all that is used


async def test_a_yes_releases_what_is_as_it_was(world: ApprovalWorld) -> None:
    """The client is told at once for whom it waits, and when it goes out."""
    waiting = Waiting(world)
    answer = await waiting.voted()
    assert isinstance(answer, Released)
    assert answer.approval.groups == {"dba"}
    assert waiting.hold.told == ["waiting for p-bob, p-carol, p-erin", "approved", "over"]


@pytest.mark.parametrize("field", FIELDS)
async def test_whatever_it_is_bound_to_voids_it_when_it_changes(
    world: ApprovalWorld, field: str
) -> None:
    """A test for each field: it is named, and nothing goes out."""
    waiting = Waiting(world)
    await waiting.request()
    waiting.hold.fields[field] += "'"
    answer = await waiting.voted()
    assert isinstance(answer, NotReleased)
    assert (answer.cause, answer.changed) == ("void", field)
    found = await world.desk.request(waiting.asked[0])
    assert found is not None
    assert found.outcome == f"void: {field}"


def _other_policy(world: ApprovalWorld) -> None:
    world.policy.activate(load({"rules.cedar": POLICY + "\n// another version\n"}), members())


def _approver_leaves(world: ApprovalWorld) -> None:
    world.people.gone.add("bob")


def _clock_on(world: ApprovalWorld) -> None:
    world.clock.pass_s(120)


def _clock_back(world: ApprovalWorld) -> None:
    world.clock.step_s(-60)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_other_policy, "policy"), (_approver_leaves, "approver's group"), (_clock_on, "time"),
        (_clock_back, "time"),
    ],
)  # fmt: skip
async def test_policy_people_and_time_void_it_too(
    world: ApprovalWorld, change: Callable[[ApprovalWorld], None], named: str
) -> None:
    """Another policy version, an approver who is in the group no more, a clock that stepped.

    It happens after the verdict, and before what waits has looked whether all is as it was.
    """
    waiting = Waiting(world)
    request = await waiting.request()
    world.desk.listen(lambda what, _request: change(world) if what == "decided" else None)
    cast = await world.desk.cast(
        request.id, BOB, Ballot(VoteVerdict.APPROVE, request.digest, "cli")
    )
    assert cast.counted
    answer = await waiting.task
    assert isinstance(answer, NotReleased)
    assert answer.changed == named


@pytest.mark.parametrize("departure", list(Departure))
async def test_who_leaves_takes_the_request_along(
    world: ApprovalWorld, departure: Departure
) -> None:
    """Cancelled, gone, drained: it is withdrawn, and a late yes changes nothing."""
    waiting = Waiting(world)
    request = await waiting.request()
    waiting.hold.departed.set_result(departure)
    answer = await waiting.task
    assert isinstance(answer, NotReleased)
    assert (answer.cause, answer.departure) == ("departed", departure)
    found = await world.desk.request(request.id)
    assert found is not None
    assert (found.state, found.decision_reason) == (RequestState.WITHDRAWN, departure.value)
    late = await world.desk.cast(request.id, BOB, Ballot(VoteVerdict.APPROVE, request.digest, "cli"))
    assert late.refusal == "late"


async def test_a_no_says_who_and_why(world: ApprovalWorld) -> None:
    """Denied: nothing goes out."""
    waiting = Waiting(world)
    request = await waiting.request()
    await world.desk.cast(
        request.id, BOB, Ballot(VoteVerdict.DENY, request.digest, "cli", reason="not today")
    )
    answer = await waiting.task
    assert isinstance(answer, NotReleased)
    assert answer.cause == "denied"
    assert answer.request is not None
    assert answer.request.decision_reason == "not today"


async def test_nobody_answers(world: ApprovalWorld) -> None:
    """It expires; shorter inside an open transaction, whose locks others wait for."""
    waiting = Waiting(world)
    await waiting.request()
    world.clock.pass_s(901)
    await world.parts.tick()
    answer = await waiting.task
    assert isinstance(answer, NotReleased)
    assert answer.cause == "expired"
    assert set(answer.asked) == {"p-bob", "p-carol", "p-erin"}


async def test_what_cannot_be_recorded_is_not_asked(world: ApprovalWorld) -> None:
    """No event, no question, and nothing stays open."""
    world.break_journal()
    waiting = Waiting(world)
    with pytest.raises(JournalUnavailable):
        await waiting.task
    assert not world.parts.desk._open


async def test_leave_for_a_template_covers_the_same_values_only(world: ApprovalWorld) -> None:
    """The next of the same kind does not wait; another value, another path or a past time does."""
    first = Waiting(world)
    first.hold.values = (Slot(1, "number", "1"),)
    await first.voted(scope=Scope.TEMPLATE, for_s=600)
    same = Waiting(world)
    same.hold.values = first.hold.values
    answer = await same.task
    assert isinstance(answer, Released)
    assert answer.approval.kind == "grant"
    assert same.hold.told == []
    other = Waiting(world, statement("DELETE FROM orders WHERE id = 2"))
    other.hold.values = (Slot(1, "number", "2"),)
    await other.request()
    moved = Waiting(world)
    moved.hold.values = first.hold.values
    moved.hold.fields["search_path"] = "app"
    await moved.request()
    world.clock.pass_s(601)
    late = Waiting(world)
    late.hold.values = first.hold.values
    await late.request()


async def test_a_freed_value_may_differ_and_a_sensitive_one_never(world: ApprovalWorld) -> None:
    """What the approver freed by number is free; a tenant, a role or a price is not, whatever he says."""
    first = Waiting(world)
    first.hold.values = (Slot(1, "number", "1"), Slot(2, "string", "'a'", sensitive=True))
    await first.voted(scope=Scope.TEMPLATE, for_s=600, freed=(1, 2))
    same = Waiting(world, statement("DELETE FROM orders WHERE id = 7"))
    same.hold.values = (Slot(1, "number", "7"), first.hold.values[1])
    assert isinstance(await same.task, Released)
    other = Waiting(world)
    other.hold.values = (Slot(1, "number", "1"), Slot(2, "string", "'b'", sensitive=True))
    await other.request()


async def test_leave_for_a_session_ends_with_its_revocation(world: ApprovalWorld) -> None:
    """What the same rule asks of the same verb runs, until somebody takes it back."""
    await Waiting(world).voted(scope=Scope.SESSION)
    assert isinstance(await Waiting(world, statement("DELETE FROM orders WHERE id = 3")).task, Released)
    (grant,) = await world.desk.grants()
    await world.desk.revoke(grant.id, BOB)
    await Waiting(world).request()
