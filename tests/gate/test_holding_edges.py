"""Holding at its edges: what changes in the last moment, who leaves, what fails, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from support import builders
from support.desk_world import DeskWorld, person
from support.held_statement import FIELDS, SESSION, HeldStatement, Waiting, statement

from gatekeep.domain.approvals import Binding, RequestState, Scope
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.sessions import Session
from gatekeep.errors import JournalUnavailable
from gatekeep.gate import holding
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.holding import Held, Released

ALICE, BOB, CAROL = SESSION.principal, person("bob", "dba"), person("carol", "dba")


class Looking(HeldStatement):
    """A hold that finds out what a test says, when it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Mapping[str, object] = {}
        self.may_look = asyncio.Event()
        self.may_look.set()

    async def look(self) -> Mapping[str, object]:
        """Wait until it may be known."""
        await self.may_look.wait()
        return self.found


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


def _approver_moved(world: DeskWorld) -> None:
    world.directory.regroup("bob", "engineers")


def _requester_moved(world: DeskWorld) -> None:
    world.directory.regroup("alice", "engineers", "oncall")


def _requester_gone(world: DeskWorld) -> None:
    del world.directory.kept["alice"]


def _policy_version(world: DeskWorld) -> None:
    world.rules.version = "0000000"


def _policy_verdict(world: DeskWorld) -> None:
    world.rules.enough = lambda _approval: False


def _late(world: DeskWorld) -> None:
    world.clock.pass_s(61)


def _forward(world: DeskWorld) -> None:
    world.clock.step_s(365 * 86_400)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_approver_moved, "approver's group"), (_requester_moved, "groups"), (_requester_gone, "groups"),
        (_policy_version, "policy"), (_policy_verdict, "policy"), (_late, "time"), (_forward, "time"),
    ],
)  # fmt: skip
async def test_what_changes_after_the_verdict_voids_it(
    world: DeskWorld, change: Callable[[DeskWorld], None], named: str
) -> None:
    """Each by itself, between the vote and the release: it is named, noted, and nothing goes out."""
    waiting = Waiting(world)
    request = await waiting.request()
    world.desk.listen(lambda what, _request: change(world) if what == "decided" else None)
    assert (await world.vote(request, BOB)).counted
    answer = await waiting.answer()
    assert (answer.cause, answer.changed) == ("void", named)
    assert (await world.now(request)).outcome == f"void: {named}"
    assert waiting.hold.told[-1] == "over"
    assert "approved" not in waiting.hold.told


@pytest.mark.parametrize("late", [False, True], ids=["before the yes", "after the yes"])
@pytest.mark.parametrize("step_s", [-86_400 * 365, -3600, -3])
async def test_a_clock_set_back_voids_it_and_lengthens_nothing(
    world: DeskWorld, step_s: float, late: bool
) -> None:
    """Whenever it was set back while it waited; and the deadline is the one that was told."""
    first, second = Waiting(world), Waiting(world, "DELETE FROM orders WHERE id = 2")
    requests = await first.request(), await second.request()
    if late:
        world.desk.listen(
            lambda what, _request: world.clock.step_s(step_s) if what == "decided" else None
        )
    else:
        world.clock.step_s(step_s)
    assert (await world.vote(requests[0], BOB)).counted
    answer = await first.answer()
    assert (answer.cause, answer.changed) == ("void", "time")
    assert (await world.now(requests[0])).outcome == "void: time"
    world.clock.pass_s(900)
    assert (await world.vote(requests[1], BOB)).refusal == "late"
    assert (await second.answer()).cause == "expired"


@pytest.mark.parametrize("step_s", [-1, -0.001, 0, 1])
async def test_a_clock_that_is_only_put_right_is_not_set_back(world: DeskWorld, step_s: float) -> None:
    """What time servers do all day voids nothing."""
    waiting = Waiting(world)
    request = await waiting.request()
    world.clock.step_s(step_s)
    assert (await world.vote(request, BOB)).counted
    assert isinstance(await waiting.task, Released)


async def test_a_clock_that_was_wrong_and_is_right_again_lengthens_nothing(world: DeskWorld) -> None:
    """Asked an hour ahead of the time, and then the clock was put right: open as long as it was said."""
    world.clock.step_s(3600)
    waiting = Waiting(world)
    request = await waiting.request()
    world.clock.step_s(-3600)
    world.clock.pass_s(900)
    assert (await world.vote(request, BOB)).refusal == "late"
    assert (await waiting.answer()).cause == "expired"


async def test_a_clock_that_was_set_back_before_counts_for_nothing(world: DeskWorld) -> None:
    """Only what happens between the question and the release does."""
    world.clock.step_s(-3600)
    waiting = Waiting(world)
    assert (await world.vote(await waiting.request(), BOB)).counted
    assert isinstance(await waiting.task, Released)


async def test_nothing_of_the_session_can_change_unseen(world: DeskWorld) -> None:
    """Every field that the gate itself adds is another for another session, place or person."""
    seen: set[str] = set()
    hold = HeldStatement()
    others = [
        replace(SESSION, id="0" * 32),
        replace(SESSION, account="app_ro"),
        replace(SESSION, database="other"),
        replace(SESSION, protocol="ssh"),
        replace(SESSION, target=builders.target("billing")),
        replace(SESSION, target=builders.target(host="10.9.9.9")),
        replace(SESSION, target=builders.target(port=1)),
        replace(SESSION, principal=BOB),
    ]

    def binding(session: Session) -> Binding:
        action = statement()
        held = Held(session, [action], [world.rules.judge(session, action)], [0])
        return world.holding._binding(held, hold)

    before = binding(SESSION)
    for other in others:
        changed = set(before.changed(binding(other)))
        assert changed
        seen |= changed
    _policy_version(world)
    seen |= set(before.changed(binding(SESSION)))
    assert seen == {name for name, _value in before.fields} - FIELDS.keys()
    assert [name for name, _value in before.fields[-len(FIELDS):]] == list(FIELDS)


async def test_the_digest_that_is_shown_is_that_of_the_binding(world: DeskWorld) -> None:
    """The same thing asked twice has one digest; with any field changed it has another."""
    first, second = Waiting(world), Waiting(world)
    other = HeldStatement()
    other.fields["TimeZone"] = "Asia/Tokyo"
    third = Waiting(world, hold=other)
    digests = [(await one.request()).digest for one in (first, second, third)]
    assert digests[0] == digests[1] != digests[2]
    for one in (first, second, third):
        one.hold.departed.set_result(Departure.CLIENT_LEFT)
        await one.task


@pytest.mark.parametrize("waits", range(6))
async def test_left_in_the_moment_of_the_yes(world: DeskWorld, waits: int) -> None:
    """Whoever is first: it goes out, or it does not and the request says that it was void."""
    waiting = Waiting(world)
    request = await waiting.request()
    voting = world.owner.spawn(world.vote(request, BOB), name="vote")
    for _ in range(waits):
        await asyncio.sleep(0)
    waiting.hold.departed.set_result(Departure.CLIENT_LEFT)
    answer, cast = await waiting.task, await voting
    found = await world.now(request)
    if isinstance(answer, Released):
        assert found.state is RequestState.APPROVED
        return
    assert answer.cause == "departed"
    if cast.counted:
        assert (found.state, found.outcome) == (RequestState.APPROVED, "void: client left")
    else:
        assert (found.state, cast.refusal) == (RequestState.WITHDRAWN, "late")


async def test_left_while_it_is_looked_at_again(world: DeskWorld) -> None:
    """Approved, and nobody is there any more when what it means was found out: nothing goes out."""
    waiting = Waiting(world)
    request = await waiting.request()

    async def leaves() -> None:
        waiting.hold.departed.set_result(Departure.CLIENT_LEFT)

    waiting.hold.meanwhile = leaves
    await world.vote(request, BOB)
    assert (await waiting.answer()).departure is Departure.CLIENT_LEFT
    assert (await world.now(request)).outcome == "void: client left"


async def test_a_session_that_is_torn_down_takes_its_request_along(world: DeskWorld) -> None:
    """Cancelled while it waits: nobody can approve it afterwards."""
    waiting = Waiting(world)
    request = await waiting.request()
    waiting.task.cancel()
    await asyncio.gather(waiting.task, return_exceptions=True)
    await world.owner.close(grace=1.0)
    assert (await world.now(request)).state is RequestState.WITHDRAWN
    assert (await world.vote(request, BOB)).refusal == "late"
    assert waiting.hold.told[-1] == "over"


async def test_what_is_found_out_at_once_goes_with_the_question(world: DeskWorld) -> None:
    """Doors hear of the request with it; what comes later is told when it comes."""
    quick, slow = Looking(), Looking()
    quick.found = slow.found = {"rows_estimate": 5}
    slow.may_look.clear()
    first = Waiting(world, hold=quick)
    assert (await first.request()).sight == {"rows_estimate": 5}
    second = Waiting(world, "DELETE FROM orders WHERE id = 2", hold=slow)
    request = await second.request()
    assert request.sight == {}
    slow.may_look.set()
    while "seen" not in [what for what, _request in world.heard]:
        await asyncio.sleep(0)
    assert (await world.now(request)).sight == {"rows_estimate": 5}
    assert [what for what, _request in world.heard] == ["requested", "requested", "seen"]
    for one in (first, second):
        one.hold.departed.set_result(Departure.CLIENT_LEFT)
        await one.task


async def test_the_client_is_told_again_and_again(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each minute, until it is decided."""
    monkeypatch.setattr(holding, "_REMIND_S", 0.001)
    waiting = Waiting(world)
    request = await waiting.request()
    while waiting.hold.told.count("still waiting") < 3:
        await asyncio.sleep(0.001)
    await world.vote(request, BOB)
    assert isinstance(await waiting.task, Released)


async def test_it_waits_less_long_where_it_holds_locks(world: DeskWorld) -> None:
    """Two minutes inside an open transaction, as the settings have it."""
    hold = HeldStatement()
    hold.in_transaction = True
    waiting = Waiting(world, hold=hold)
    request = await waiting.request()
    assert request.open_until_us - request.created_us == 120_000_000
    world.clock.pass_s(120)
    await world.desk.tick()
    assert (await waiting.answer()).cause == "expired"


async def test_void_by_policy_at_the_vote(world: DeskWorld) -> None:
    """Policy would not release it any more when the last vote came: closed, and said to be."""
    waiting = Waiting(world)
    request = await waiting.request()
    _policy_verdict(world)
    assert (await world.vote(request, BOB)).refusal == "void"
    answer = await waiting.answer()
    assert (answer.cause, answer.changed) == ("void", "policy would not release it now")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome(OutcomeKind.DONE, "DELETE 7"), "DELETE 7 in 1.5 s"),
        (Outcome(OutcomeKind.FAILED, sqlstate="23503"), "failed with 23503 in 1.5 s"),
        (Outcome(OutcomeKind.DONE, status="exit 3"), "exit 3 in 1.5 s"),
        (Outcome(OutcomeKind.UNKNOWN), "unknown in 1.5 s"),
    ],
)
async def test_how_it_ended_is_told(world: DeskWorld, outcome: Outcome, said: str) -> None:
    """The target's own word, and how long it took."""
    waiting = Waiting(world)
    request = await waiting.request()
    await world.vote(request, BOB)
    await waiting.task
    world.holding.settled(request.id, outcome, 1_500_000)
    await world.owner.close(grace=1.0)
    assert (await world.now(request)).outcome == said
    assert world.heard[-1][0] == "outcome"


@pytest.mark.parametrize(
    "elsewhere",
    [{"database": "other"}, {"target": builders.target(host="10.9.9.9")}, {"account": "app_ro"}],
    ids=["database", "address", "account"],
)
async def test_leave_is_for_where_it_was_given(world: DeskWorld, elsewhere: dict[str, Any]) -> None:
    """A template is bound to database, address and account; the same alias elsewhere is asked about."""
    first = Waiting(world)
    await world.vote(await first.request(), BOB, scope=Scope.TEMPLATE)
    await first.task
    assert isinstance(await Waiting(world, session=replace(SESSION, id="1" * 32)).task, Released)
    other = Waiting(world, session=replace(SESSION, **elsewhere))
    assert (await other.request()).state is RequestState.PENDING
    other.hold.departed.set_result(Departure.CLIENT_LEFT)
    await other.task


async def test_a_grant_that_policy_no_longer_agrees_to_is_asked_about(world: DeskWorld) -> None:
    """It covers, and policy has the last word: then people have it."""
    first = Waiting(world)
    await world.vote(await first.request(), BOB, scope=Scope.TEMPLATE)
    await first.task
    world.rules.enough = lambda approval: approval.kind == "vote"
    second = Waiting(world)
    await world.vote(await second.request(), CAROL)
    answer = await second.task
    assert isinstance(answer, Released)
    assert answer.approval.kind == "vote"


async def test_a_use_that_cannot_be_recorded_lets_nothing_out(world: DeskWorld) -> None:
    """A grant without its event is none."""
    first = Waiting(world)
    await world.vote(await first.request(), BOB, scope=Scope.TEMPLATE)
    await first.task
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await Waiting(world).task
