"""What policy asks about in a segment is one question; what comes of it is each action's own event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support import builders
from support.desk_world import DeskWorld, person
from support.held_statement import HeldStatement

from gatekeep.domain.actions import SqlAction, SqlClass, WhereClause
from gatekeep.domain.approvals import ApprovalRequest, RequestState, Scope
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.gate.clearance import Answer, Clearance
from gatekeep.gate.permit import CommandRefusal, Permit, Refusal
from gatekeep.gate.supervision import LiveSession

ALICE, BOB, SAM = person("alice", "engineers"), person("bob", "dba"), person("sam", "security")
CLASSES = {"SELECT": SqlClass.READ, "DROP": SqlClass.DDL}


def statement(text: str, *, vector_safe: bool = True) -> SqlAction:
    """One statement, by its first word."""
    verb = text.split(maxsplit=1)[0]
    known = builders.facts(
        CLASSES.get(verb, SqlClass.WRITE), verb, redacted=text, template=f"{verb} $1",
        where=WhereClause.PRESENT, vector_safe=vector_safe,
    )  # fmt: skip
    return builders.action(text, known)


class Story:
    """A gate over the real rooms of approvals, with one live session."""

    def __init__(self) -> None:
        self.world = DeskWorld(ALICE, BOB, SAM)
        self.world.rules.verdicts = {"SELECT": Verdict.ALLOW, "DROP": Verdict.DENY}
        self.incidents: list[str] = []
        self.gate = Clearance(
            self.world.journal, self.world.rules,  # type: ignore[arg-type]  # asked about actions only
            on_unrecordable=lambda incident, _error: self.incidents.append(incident),
            holding=self.world.holding,
        )  # fmt: skip
        session = builders.session(principal=ALICE)
        stream = self.world.journal.open_stream(session_id=session.id, subject="alice", target="orders")
        self.live = LiveSession(session, stream, 0, lambda _reason: None)
        self.hold = HeldStatement()

    def send(self, *actions: SqlAction) -> asyncio.Task[list[Answer]]:
        """One segment."""
        return self.world.owner.spawn(
            self.gate.clear(self.live, b"{}", actions, hold=self._offered), name="clear"
        )

    def _offered(self) -> HeldStatement:
        self.hold = HeldStatement()
        return self.hold

    async def asked(self) -> ApprovalRequest:
        """The request, once the client knows that it waits."""
        for _ in range(1000):
            if self.hold.told:
                (request,) = self.world.books.requests(state=RequestState.PENDING)
                return request
            await asyncio.sleep(0)
        raise AssertionError

    def kinds(self) -> list[str]:
        """Events of the session, without those of the request."""
        return [one for one in self.world.journal.kinds() if one.startswith("action.")]

    def events(self, kind: str) -> list[tuple[str, str]]:
        """Text and request of these."""
        return [(one["text"], one.get("approval", "")) for one in self.world.told(kind)]


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    """Reads are allowed, drops denied, all else is asked about."""
    made = Story()
    yield made
    await made.world.close()


async def test_only_what_policy_asks_about_is_asked(story: Story) -> None:
    """Its event is durable before anybody is told; then all of the segment goes out, in order."""
    clearing = story.send(statement("SELECT 1"), statement("DELETE 1"), statement("SELECT 2"))
    request = await story.asked()
    assert (request.subject.text, request.subject.statements) == ("DELETE 1", 1)
    assert story.events("action.requested") == [("DELETE 1", request.id)]
    assert story.kinds() == ["action.requested"]
    await story.world.vote(request, BOB)
    answers = await clearing
    assert all(isinstance(one, Permit) for one in answers)
    assert [text for text, _request in story.events("action.released")] == [
        "SELECT 1", "DELETE 1", "SELECT 2",
    ]  # fmt: skip


async def test_the_request_learns_how_its_own_action_ended(story: Story) -> None:
    """Not how what stood beside it did; and nothing of it stays in memory."""
    clearing = story.send(statement("SELECT 1"), statement("DELETE 1"), statement("SELECT 2"))
    request = await story.asked()
    await story.world.vote(request, BOB)
    answers = await clearing
    tags = ("SELECT 1", "DELETE 7", "SELECT 3")
    for permit, tag in zip(answers, tags, strict=True):
        assert isinstance(permit, Permit)
        story.gate.settle(story.live, permit, Outcome(OutcomeKind.DONE, tag), 1_240_000)
    await story.world.owner.close(grace=1.0)
    assert (await story.world.now(request)).outcome == "DELETE 7 in 1.2 s"
    assert not story.gate._asker._approved


async def test_what_was_denied_has_no_outcome(story: Story) -> None:
    """What was allowed before it runs, and says nothing about the request that came to nothing."""
    clearing = story.send(statement("SELECT 1"), statement("DELETE 1"))
    request = await story.asked()
    await story.world.vote(request, BOB, deny="not today")
    first, second = await clearing
    assert isinstance(first, Permit)
    assert isinstance(second, Refusal)
    assert second.message is not None
    assert "bob denied request" in second.message.primary
    assert "not today" in second.message.detail
    story.gate.settle(story.live, first, Outcome(OutcomeKind.DONE, "SELECT 1"), 5)
    await story.world.owner.close(grace=1.0)
    found = await story.world.now(request)
    assert (found.state, found.outcome) == (RequestState.DENIED, "")
    assert not story.gate._asker._approved


async def test_several_are_one_question(story: Story) -> None:
    """Whoever may release all of them at once: the groups of each, two persons."""
    story.world.rules.approvers["UPDATE"] = (("security",),)
    clearing = story.send(statement("DELETE 1"), statement("SELECT 1"), statement("UPDATE 2"))
    request = await story.asked()
    assert request.subject.text == "DELETE 1\nUPDATE 2"
    assert (request.subject.statements, request.why.approvers) == (2, (("dba", "security"),))
    assert [text for text, _request in story.events("action.requested")] == ["DELETE 1", "UPDATE 2"]
    await story.world.vote(request, BOB)
    assert not clearing.done()
    await story.world.vote(request, SAM)
    assert [isinstance(one, Permit) for one in await clearing] == [True, True, True]


async def test_nobody_is_asked_about_what_is_refused_anyway(story: Story) -> None:
    """Up to it: what stands behind would be skipped, and is skipped."""
    clearing = story.send(statement("DELETE 1"), statement("DROP x"), statement("DELETE 2"))
    request = await story.asked()
    assert request.subject.text == "DELETE 1"
    await story.world.vote(request, BOB)
    answers = await clearing
    assert [isinstance(one, Permit) for one in answers] == [True, False, False]
    causes = [one.payload["cause"] for one in story.world.journal.events if "cause" in one.payload]
    assert causes == ["policy", "skipped"]


async def test_nothing_is_asked_behind_what_is_refused(story: Story) -> None:
    """The first refusal ends the segment: nobody has to look at the rest."""
    clearing = story.send(statement("DROP x"), statement("DELETE 1"))
    assert [isinstance(one, Refusal) for one in await clearing] == [True, True]
    assert story.world.books.requests() == []


async def test_nobody_is_asked_about_what_cannot_be_read_yet(story: Story) -> None:
    """Behind what may change how the rest is read: that is asked about when it has run."""
    clearing = story.send(statement("DELETE 1", vector_safe=False), statement("DELETE 2"))
    request = await story.asked()
    assert request.subject.text == "DELETE 1"
    await story.world.vote(request, BOB)
    assert [isinstance(one, Permit) for one in await clearing] == [True]


async def test_by_leave_nobody_waits(story: Story) -> None:
    """No request, no word to the client; the event says by whose leave, and so does the request."""
    clearing = story.send(statement("DELETE 1"))
    request = await story.asked()
    await story.world.vote(request, BOB, scope=Scope.SESSION)
    await clearing
    (permit,) = await story.send(statement("DELETE 2"))
    assert isinstance(permit, Permit)
    assert story.events("action.released")[-1] == ("DELETE 2", request.id)
    assert len(story.world.books.requests()) == 1
    assert len(story.world.told("grant.spent")) == 1
    assert story.hold.told == []


@pytest.mark.parametrize("alone", [False, True], ids=["behind another", "in one text"])
async def test_leave_for_a_session_reaches_no_other_rule(story: Story, *, alone: bool) -> None:
    """Not behind what it covers either: what another rule asks about is asked about."""
    payroll = "UPDATE t; UPDATE payroll" if alone else "UPDATE payroll"
    story.world.rules.named[payroll] = ("rule", "payroll") if alone else ("payroll",)
    clearing = story.send(statement("UPDATE t"))
    await story.world.vote(await story.asked(), BOB, scope=Scope.SESSION)
    await clearing
    story.hold = HeldStatement()
    clearing = story.send(*([] if alone else [statement("UPDATE t")]), statement(payroll))
    request = await story.asked()
    await story.world.vote(request, BOB, deny="not payroll")
    assert not any(isinstance(one, Permit) for one in await clearing)
    (permit,) = await story.send(statement("UPDATE t"))
    assert isinstance(permit, Permit)


async def test_a_yes_is_for_what_was_shown_alone(story: Story) -> None:
    """What was free when it was asked, and is not any more, does not go out by a yes to the rest."""
    clearing = story.send(statement("SELECT secret"), statement("DELETE 1"))
    request = await story.asked()
    assert request.subject.text == "DELETE 1"
    story.world.rules.verdicts = {}
    await story.world.vote(request, BOB)
    answers = await clearing
    assert not any(isinstance(one, Permit) for one in answers)
    assert isinstance(answers[0], Refusal)
    assert answers[0].message is not None
    assert "SELECT secret" not in [text for text, _request in story.events("action.released")]
    await story.world.owner.close(grace=1.0)
    assert (await story.world.now(request)).outcome == "void: policy"


async def test_what_cannot_be_recorded_is_not_asked_of_anybody(story: Story) -> None:
    """`action.requested` fails: refused, nobody was told, and the request is closed."""
    story.world.journal.break_append_at = 1
    (answer,) = await story.send(statement("DELETE 1"))
    assert isinstance(answer, Refusal)
    assert story.incidents
    assert story.hold.told == ["over"]
    await story.world.owner.close(grace=1.0)
    story.world.journal.mend()
    await story.world.desk.tick()
    assert [one.state for one in story.world.books.requests()] == [RequestState.WITHDRAWN]
    assert not story.world.desk._open
    assert [what for what, _request in story.world.heard] == ["withdrawn"]


async def test_without_anybody_to_ask_it_is_refused() -> None:
    """Where no rooms of approvals stand behind the gate."""
    story = Story()
    gate = Clearance(
        story.world.journal, story.world.rules,  # type: ignore[arg-type]  # asked about actions only
        on_unrecordable=lambda *_about: None,
    )  # fmt: skip
    (answer,) = await gate.clear(story.live, b"{}", [statement("DELETE 1")], hold=HeldStatement)
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert "approvals are not set up here" in answer.message.primary
    await story.world.close()


def command(text: str) -> SshAction:
    """A command over SSH."""
    return SshAction("exec", text, (CommandFacts("ssh.exec", text.split(maxsplit=1)[0]),), text, "9c41" * 16)


async def test_a_command_waits_alike(story: Story) -> None:
    """Asked, approved, recorded, run; and its end is told."""
    clearing = story.world.owner.spawn(
        story.gate.clear_command(story.live, b"{}", command("reboot now"), story._offered), name="clear"
    )
    request = await story.asked()
    assert (request.subject.verb, request.subject.text) == ("reboot", "reboot now")
    await story.world.vote(request, BOB)
    permit = await clearing
    assert isinstance(permit, Permit)
    assert story.kinds() == ["action.requested", "action.released"]
    story.gate.settle(story.live, permit, Outcome(OutcomeKind.DONE, status="exit 0"), 5)
    await story.world.owner.close(grace=1.0)
    assert (await story.world.now(request)).outcome == "exit 0 in 0.0 s"


async def test_a_command_that_nobody_wants_any_more(story: Story) -> None:
    """Denied in words for its client, with the cause in the event."""
    clearing = story.world.owner.spawn(
        story.gate.clear_command(story.live, b"{}", command("reboot now"), story._offered), name="clear"
    )
    request = await story.asked()
    await story.world.vote(request, BOB, deny="no")
    refusal = await clearing
    assert isinstance(refusal, CommandRefusal)
    assert refusal.cause == "approval"
    assert "bob denied request" in refusal.lines[0]
    assert [one["cause"] for one in story.world.told("action.refused")] == ["approval"]
    assert not story.gate._asker._approved
