"""What changed between the question and the release voids an approval over SSH: a test for each field.

First with the real hold before the real rooms of approvals, then through the whole door.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from support import builders
from support.desk_world import DeskWorld, person
from support.ssh_asking import Asking, ssh_asking

from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope
from gatekeep.domain.commands import EXEC, Assurance, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.sessions import Session
from gatekeep.gate.holding import Held as Held_
from gatekeep.gate.holding import NotReleased, Released
from gatekeep.proxies.ssh.bindings import Around, bound
from gatekeep.proxies.ssh.holding import Held, OnStderr

ALICE, BOB, CAROL = person("alice", "engineers"), person("bob", "dba"), person("carol", "dba")
SESSION = builders.session(principal=ALICE, protocol="ssh", database="")
FACT = CommandFacts(EXEC, "cat", ("cat", "a"), paths=frozenset({"a"}))
TUNNEL = TunnelFacts("tunnel.open", "db", 5432, "10.0.0.5")
ACTION = SshAction("exec", "cat a", (FACT, TUNNEL), redacted="cat a", digest="d1")
AROUND = Around("exec", "xterm", {53: 1}, {b"LANG": b"C.UTF-8"})


class Waiting:
    """One command that is held; what it is, and where, may change under it."""

    def __init__(self, world: DeskWorld, action: SshAction = ACTION) -> None:
        self.world = world
        self.action, self.around, self.key = action, AROUND, "SHA256:known"
        self.said: list[str] = []
        self.asked: list[str] = []
        self.hold = Held(
            action, lambda: bound(self.action, self.around, self.key), OnStderr(self.said.extend)
        )
        held = Held_(SESSION, [action], [world.rules.judge_command(SESSION, action)], [0])
        self.task = world.owner.spawn(
            world.holding.released(held, self.hold, self._recorded), name="hold"
        )

    async def _recorded(self, request: ApprovalRequest) -> None:
        self.asked.append(request.id)

    async def request(self) -> ApprovalRequest:
        """The request, once the client was told of it."""
        while not self.said:
            await asyncio.sleep(0)
            assert not self.task.done(), self.task.result()
        found = await self.world.desk.request(self.asked[0])
        assert found is not None
        return found

    async def voided(self, request: ApprovalRequest) -> str:
        """Bob says yes, and it does not go out: what is said to have changed."""
        cast = await self.world.vote(request, BOB)
        assert cast.counted, cast
        answer = await self.task
        assert isinstance(answer, NotReleased)
        assert answer.cause == "void"
        assert (await self.world.now(request)).outcome == f"void: {answer.changed}"
        assert "approved" not in "".join(self.said)
        return answer.changed


@pytest.fixture
async def world() -> AsyncIterator[DeskWorld]:
    """Somebody who asks, and two who decide."""
    made = DeskWorld(ALICE, BOB, CAROL)
    yield made
    await made.close()


Change = Callable[[Waiting], None]


def acting(**changes: Any) -> Change:
    """It is another action."""

    def change(waiting: Waiting) -> None:
        waiting.action = replace(waiting.action, **changes)

    return change


def amid(**changes: Any) -> Change:
    """Its channel is another one."""

    def change(waiting: Waiting) -> None:
        waiting.around = replace(waiting.around, **changes)

    return change


def another_key(waiting: Waiting) -> None:
    """The target shows another key."""
    waiting.key = "SHA256:other"


FIELDS: list[tuple[str, Change]] = [
    ("command", acting(digest="d2")),
    ("mode", acting(mode="script")),
    ("assurance", acting(assurance=Assurance.OPAQUE)),
    ("script", acting(details={"script_sha256": "00"})),
    ("script", acting(details={"pinned": {"path": "a", "sha256": "00"}})),
    ("operation", acting(details={"operation": "open"})),
    ("paths", acting(facts=(replace(FACT, paths=frozenset({"b"})), TUNNEL))),
    ("destination", acting(facts=(FACT, replace(TUNNEL, port=5433)))),
    ("destination_address", acting(facts=(FACT, replace(TUNNEL, address="10.0.0.6")))),
    ("channel", amid(kind="shell")),
    ("terminal", amid(terminal="")),
    ("terminal", amid(modes={53: 0})),
    ("environment", amid(environment={b"LANG": b"C", b"LD_PRELOAD": b"x"})),
    ("subsystem", amid(subsystem="netconf")),
    ("agent", amid(agent=True)),
    ("host_key", another_key),
]


def test_no_field_is_left_out() -> None:
    """Whatever a binding gains has its proof here."""
    assert {name for name, _value in bound(ACTION, AROUND, "")} == {name for name, _ in FIELDS}


@pytest.mark.parametrize(("field", "change"), FIELDS)
async def test_what_it_is_and_where_voids_it(world: DeskWorld, field: str, change: Change) -> None:
    """Each by itself, while it waits."""
    waiting = Waiting(world)
    request = await waiting.request()
    change(waiting)
    assert await waiting.voided(request) == field


def _policy_version(world: DeskWorld) -> None:
    world.rules.version = "0000000"


def _policy_verdict(world: DeskWorld) -> None:
    world.rules.enough = lambda _approval: False


def _approver_moved(world: DeskWorld) -> None:
    world.directory.regroup("bob", "engineers")


def _requester_moved(world: DeskWorld) -> None:
    world.directory.regroup("alice", "engineers", "oncall")


def _past_expiry(world: DeskWorld) -> None:
    world.clock.pass_s(901)


def _set_back(world: DeskWorld) -> None:
    world.clock.step_s(-3600)


def _set_forward(world: DeskWorld) -> None:
    world.clock.step_s(3600)


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("policy", _policy_version), ("policy", _policy_verdict),
        ("approver's group", _approver_moved), ("groups", _requester_moved),
        ("time", _past_expiry), ("time", _set_back), ("time", _set_forward),
    ],
)  # fmt: skip
async def test_policy_people_and_time_void_it(
    world: DeskWorld, named: str, change: Callable[[DeskWorld], None]
) -> None:
    """After the verdict, and before what waits has looked whether all is as it was."""
    waiting = Waiting(world)
    request = await waiting.request()
    world.desk.listen(lambda what, _request: change(world) if what == "decided" else None)
    assert await waiting.voided(request) == named


async def test_leave_that_was_revoked_is_asked_about(world: DeskWorld) -> None:
    """For a session, and then taken back: what it let out waits again."""
    rule = replace(ACTION, facts=(FACT,))
    first = Waiting(world, rule)
    assert (await world.vote(await first.request(), BOB, scope=Scope.SESSION)).counted
    assert isinstance(await first.task, Released)
    again = Waiting(world, rule)
    assert isinstance(await again.task, Released)
    assert again.said == []
    (grant,) = await world.grants.grants()
    await world.grants.revoke(grant.id, "bob")
    assert (await Waiting(world, rule).request()).state is RequestState.PENDING


async def test_another_session_has_another_binding(world: DeskWorld) -> None:
    """Session, account, target, address and requester are the gate's own fields, for SSH as well."""
    hold = Waiting(world).hold

    def binding(session: Session) -> Any:
        judged = world.rules.judge_command(session, ACTION)
        return world.holding._binding(Held_(session, [ACTION], [judged], [0]), hold)

    before = binding(SESSION)
    others = {
        "session": replace(SESSION, id="0" * 32),
        "account": replace(SESSION, account="root"),
        "target": replace(SESSION, target=builders.target("web-2")),
        "address": replace(SESSION, target=builders.target(host="10.9.9.9")),
        "protocol": replace(SESSION, protocol="postgres"),
        "requester": replace(SESSION, principal=BOB),
    }
    for name, other in others.items():
        assert name in set(before.changed(binding(other)))


# through the door


def new_policy(asking: Asking) -> None:
    """Another version rules."""
    asking.story.policy.version = "0123456789ab"  # type: ignore[misc]  # of this one alone


def approver_gone(asking: Asking) -> None:
    """Carol is in the group no more."""
    asking.people.regroup("carol", "engineers")


def set_back(asking: Asking) -> None:
    """By an hour."""
    asking.clock.step_s(-3600)


@pytest.mark.parametrize(
    ("change", "named"),
    [(new_policy, "policy"), (approver_gone, "approver's group"), (set_back, "time")],
)
async def test_the_client_reads_what_changed_and_the_target_hears_nothing(
    change: Callable[[Asking], None], named: str
) -> None:
    """Exit status 126, its standard output empty, nothing dialled, and the log says why."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process = await client.create_process("echo restart it", encoding=None)
        request = await asking.asked()
        asking.approvals.front.listen(
            lambda what, _request: change(asking) if what == "decided" else None
        )
        assert (await asking.vote(request)).counted
        done = await asyncio.wait_for(process.wait(), 10)
        assert (done.exit_status, done.stdout) == (126, b"")
        assert bytes(done.stderr or b"").decode().splitlines()[-3:] == [
            f"gatekeep: the approval of request {request.id} no longer fits",
            f"gatekeep: {named} changed after the question was asked",
            "gatekeep: nothing was run; run it again to ask anew",
        ]
        assert asking.story.targets == []
        assert [event.payload["cause"] for event in asking.events("action.refused")] == ["approval"]
        assert (await asking.ended(request)).outcome == f"void: {named}"


async def test_a_clock_past_its_time_ends_the_question_at_the_door() -> None:
    """Set forward beyond the deadline: a yes is late, and nothing runs."""
    async with ssh_asking("restart") as asking, await asking.story.client() as client:
        process = await client.create_process("echo restart it", encoding=None)
        request = await asking.asked()
        asking.clock.step_s(901)
        assert (await asking.vote(request)).refusal == "late"
        done = await asyncio.wait_for(process.wait(), 10)
        assert done.exit_status == 126
        assert f"nobody answered request {request.id}" in bytes(done.stderr or b"").decode()
        assert asking.story.targets == []
