"""Adopted rules at the gate: what they let pass goes out unasked, but for the samples among it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from support import builders
from support.desk_world import DeskWorld, person
from support.held_statement import HeldStatement

from gatekeep.domain.actions import SqlAction, SqlClass, WhereClause
from gatekeep.domain.approvals import Approval, ApprovalRequest, RequestState
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.domain.sessions import Session
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.approval_ports import Departure
from gatekeep.gate.clearance import Answer, Clearance
from gatekeep.gate.permit import CommandRefusal, EarlyPermit, Permit, Refusal
from gatekeep.gate.ports import Leave
from gatekeep.gate.sampling import FIRST, Sampler
from gatekeep.gate.sampling_ports import Draw, DrawKind
from gatekeep.gate.supervision import LiveSession

ALICE, BOB, CAROL = person("alice", "engineers"), person("bob", "dba"), person("carol", "dba")
RULE = "adopted-3f9a12bc"
ADOPTED = Approval("adopted", frozenset({"dba"}), mfa=False, age_s=0, grant=RULE)
LIKE = Likeness("delete from t where id = $1:int", (LikeSlot("int", "1"),))


class Book:
    """Draws what a test says, and notes what it is told."""

    def __init__(self) -> None:
        self.kinds: list[DrawKind] = []
        self.said: list[tuple[object, ...]] = []

    def draw(self, rules: tuple[str, ...], principal: str, likeness: Likeness, now_us: int) -> Draw:
        """The next of these; PASS where none is left."""
        kind = self.kinds.pop(0) if self.kinds else DrawKind.PASS
        self.said.append(("drawn", *rules, principal, kind.value))
        return Draw(kind, rules[0], b"deed")

    def passed(self, draw: Draw, n: int, session: Session, text: str) -> None:
        """It goes out."""
        self.said.append(("passed", draw.kind.value, n, session.principal.name, text))

    def answered(self, draw: Draw) -> None:
        """A person said yes."""
        self.said.append(("answered", draw.kind.value))

    def unanswered(self, draw: Draw) -> None:
        """Nobody did."""
        self.said.append(("unanswered", draw.kind.value))


class Story:
    """A gate over the real rooms of approvals, with a standing rule for what begins with DELETE."""

    def __init__(self) -> None:
        self.world = DeskWorld(ALICE, BOB, CAROL)
        self.rules = self.world.rules
        self.rules.verdicts = {"SELECT": Verdict.ALLOW, "DROP": Verdict.DENY}
        self.rules.leaves = {"DELETE": Leave((RULE,), ADOPTED), "systemctl": Leave((RULE,), ADOPTED)}
        self.book = Book()
        self.world.holding._adopted._samples = self.book  # type: ignore[assignment]  # a fake that has all
        self.gate = Clearance(
            self.world.journal, self.rules,  # type: ignore[arg-type]  # asked about actions only
            on_unrecordable=lambda _incident, _error: None, holding=self.world.holding,
        )  # fmt: skip
        session = builders.session(principal=ALICE)
        stream = self.world.journal.open_stream(session_id=session.id, subject="alice", target="orders")
        self.live = LiveSession(session, stream, 0, lambda _reason: None)
        self.hold = HeldStatement()
        self.likeness: Likeness | None = LIKE

    def _offered(self) -> HeldStatement:
        self.hold = HeldStatement()
        self.hold.likeness = self.likeness
        return self.hold

    def send(self, *texts: str, overlap: bool = False) -> asyncio.Task[list[Answer]]:
        """One segment."""
        clearing = self.gate.clear(
            self.live, b"{}", [statement(one) for one in texts], hold=self._offered, overlap=overlap
        )
        return self.world.owner.spawn(clearing, name="clear")

    async def asked(self) -> ApprovalRequest:
        """The request, once the client knows that it waits."""
        for _ in range(1000):
            if self.hold.told:
                (request,) = self.world.books.requests(state=RequestState.PENDING)
                return request
            await asyncio.sleep(0)
        raise AssertionError

    def kinds(self) -> list[str]:
        """All events."""
        return [one for one in self.world.journal.kinds() if one != "session.opened"]


def statement(text: str) -> SqlAction:
    """One statement, by its first word."""
    verb = text.split(maxsplit=1)[0]
    sql_class = SqlClass.READ if verb in ("SELECT", "TABLE") else SqlClass.WRITE
    known = builders.facts(
        sql_class, verb, redacted=text, template=f"{verb} $1", where=WhereClause.PRESENT
    )
    return builders.action(text, known)


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    """All but reads is asked about."""
    made = Story()
    yield made
    await made.world.close()


async def test_what_a_rule_lets_pass_goes_out_unasked(story: Story) -> None:
    """No request, no word to the client; it is recorded like any other, and outcomes are nobody's."""
    (answer,) = await story.send("DELETE 1")
    assert isinstance(answer, Permit)
    assert story.kinds() == ["action.released"]
    assert not story.hold.told
    assert not story.world.books.requests()
    (told,) = story.world.told("action.released")
    assert not {"approval", "sample"} & set(told)
    assert story.book.said == [
        ("drawn", RULE, "alice", "pass"), ("passed", "pass", answer.n, "alice", "DELETE 1"),
    ]  # fmt: skip
    story.gate.settle(story.live, answer, Outcome(OutcomeKind.DONE, "DELETE 1"), 5)
    assert not story.gate._asker._approved


@pytest.mark.parametrize(
    "principal",
    [
        Principal("alice-laptop", "alice", frozenset({"engineers"})),
        Principal("ci", "", frozenset({"engineers"}), owner="alice"),
    ],
)
async def test_a_draw_is_the_person_s_whatever_she_comes_as(
    story: Story, principal: Principal
) -> None:
    """Else whoever has machines has a draw with each of them, until none is a sample."""
    story.live = LiveSession(
        builders.session(principal=principal), story.live.events, 0, lambda _reason: None
    )
    (answer,) = await story.send("DELETE 1")
    assert isinstance(answer, Permit)
    assert story.book.said[0] == ("drawn", RULE, "alice", "pass")


async def test_it_is_judged_again_by_what_the_rule_stands_for(story: Story) -> None:
    """What policy would not release by that approval is asked about, and no sample is drawn."""
    story.rules.enough = lambda approval: approval.kind != "adopted"
    clearing = story.send("DELETE 1")
    request = await story.asked()
    assert "sample" not in request.subject.facts
    assert story.book.said == []
    await story.world.vote(request, BOB)
    (answer,) = await clearing
    assert isinstance(answer, Permit)


@pytest.mark.parametrize("without", ["likeness", "leave", "book", "wanted"])
async def test_without_leave_or_likeness_people_are_asked(story: Story, without: str) -> None:
    """Nothing that is like others, no rule that says yes, no samples, or nobody who wants it."""
    if without == "likeness":
        story.likeness = None
    elif without == "leave":
        story.rules.leaves = {}
    elif without == "book":
        story.world.holding._adopted._samples = None
    else:
        offered = story._offered

        def gone() -> HeldStatement:
            hold = offered()
            hold.departed.set_result(Departure.CLIENT_LEFT)
            return hold

        story._offered = gone  # type: ignore[method-assign]  # one who leaves at once
    clearing = story.send("DELETE 1")
    if without != "wanted":
        request = await story.asked()
        assert "sample" not in request.subject.facts
        await story.world.vote(request, BOB)
    (answer,) = await clearing
    assert isinstance(answer, Refusal if without == "wanted" else Permit)
    assert story.book.said == []


async def test_what_is_looked_at_afterwards_goes_out_and_is_told(story: Story) -> None:
    """With the index of its event, once that is durable."""
    story.book.kinds = [DrawKind.AFTER]
    _first, answer = await story.send("SELECT 1", "DELETE 1")
    assert isinstance(answer, Permit)
    assert story.book.said[-1] == ("passed", "after", answer.n, "alice", "DELETE 1")
    assert story.kinds() == ["action.released", "action.released"]


async def test_a_held_sample_waits_like_anything_else(story: Story) -> None:
    """Approvers see of which rule it is a sample, each event of it says so; its client sees nothing."""
    story.book.kinds = [DrawKind.HELD]
    clearing = story.send("SELECT 1", "DELETE 1")
    request = await story.asked()
    assert request.subject.facts["sample"] == RULE
    assert story.hold.told == ["waiting for bob, carol"]
    await story.world.vote(request, BOB)
    _first, answer = await clearing
    assert isinstance(answer, Permit)
    marked = [
        (one["text"], one.get("sample", ""))
        for kind in ("action.requested", "action.released") for one in story.world.told(kind)
    ]  # fmt: skip
    assert marked == [("DELETE 1", RULE), ("SELECT 1", ""), ("DELETE 1", RULE)]
    assert story.book.said[-1] == ("answered", "held")


@pytest.mark.parametrize("how", ["denied", "withdrawn", "expired", "not asked", "unrecorded"])
async def test_a_held_sample_that_nobody_answers_is_owed(story: Story, how: str) -> None:
    """A no is an answer; whoever takes it back, or could not ask, has not been looked at."""
    story.book.kinds = [DrawKind.HELD]
    if how == "not asked":
        story.rules.approvers["DELETE"] = (("nobody",),)
    if how == "unrecorded":
        story.world.journal.broken_sync = JournalUnavailable("no space")
    clearing = story.send("DELETE 1")
    if how in ("denied", "withdrawn", "expired"):
        request = await story.asked()
        if how == "denied":
            await story.world.vote(request, BOB, deny="not today")
        elif how == "withdrawn":
            story.hold.departed.set_result(Departure.CANCELLED)
        else:
            story.world.clock.pass_s(901)
            await story.world.desk.tick()
    (answer,) = await clearing
    assert isinstance(answer, Refusal)
    owed = [("unanswered", "held")] if how != "denied" else []
    assert story.book.said[1:] == owed
    if how in ("denied", "withdrawn", "expired"):
        (told,) = story.world.told("action.refused")
        assert told["sample"] == RULE


async def test_several_pass_together_or_wait_together(story: Story) -> None:
    """One of them as a sample holds all that is asked about; one without a rule does, too."""
    answers = await story.send("DELETE 1", "SELECT 1", "DELETE 2")
    assert all(isinstance(one, Permit) for one in answers)
    assert [one[0] for one in story.book.said] == ["drawn", "drawn", "passed", "passed"]
    passed = [(one[2], one[4]) for one in story.book.said if one[0] == "passed"]
    first, _second, third = (one.n for one in answers if isinstance(one, Permit))
    assert passed == [(first, "DELETE 1"), (third, "DELETE 2")]
    story.book.kinds = [DrawKind.AFTER, DrawKind.HELD]
    clearing = story.send("DELETE 1", "DELETE 2")
    request = await story.asked()
    assert (request.subject.text, request.subject.facts["sample"]) == ("DELETE 1\nDELETE 2", RULE)
    await story.world.vote(request, BOB)
    await clearing
    story.book.said.clear()
    story.hold = HeldStatement()
    clearing = story.send("DELETE 1", "UPDATE 2")
    request = await story.asked()
    assert "sample" not in request.subject.facts
    await story.world.vote(request, BOB)
    await clearing
    assert story.book.said == []


async def test_what_is_refused_beside_it_stays_refused(story: Story) -> None:
    """A rule that lets one pass says nothing of what stands behind it."""
    first, second = await story.send("DELETE 1", "DROP t")
    assert isinstance(first, Permit)
    assert isinstance(second, Refusal)


async def test_what_passes_is_durable_before_it_goes_out(story: Story) -> None:
    """Also a read, where reads that nobody asks about may go out earlier; nothing passes unrecorded."""
    story.rules.leaves["TABLE"] = Leave((RULE,), ADOPTED)
    (early,) = await story.send("SELECT 1", overlap=True)
    (asked,) = await story.send("TABLE t", overlap=True)
    assert not isinstance(asked, EarlyPermit)
    assert isinstance(asked, Permit)
    assert isinstance(early, Permit)
    story.book.kinds = [DrawKind.AFTER]
    story.world.journal.broken_sync = JournalUnavailable("no space")
    (refused,) = await story.send("DELETE 1")
    assert isinstance(refused, Refusal)
    assert story.book.said[-1][0] == "drawn"


async def test_policy_that_asks_about_more_meanwhile_voids_it(story: Story) -> None:
    """What is released is what was asked about: a rule for less lets nothing out, and is owed."""
    calls = iter([Verdict.ALLOW, Verdict.ALLOW])
    judge = story.rules.judge

    def changing(session: Session, action: SqlAction | SshAction) -> object:
        """The first is allowed while the question is made, and asked about afterwards."""
        if action.text == "SELECT 1":
            story.rules.verdicts["SELECT"] = next(calls, Verdict.ASK)
        return judge(session, action)

    story.rules.judge = changing  # type: ignore[assignment, method-assign]  # a policy that is replaced
    story.book.kinds = [DrawKind.AFTER]
    answers = await story.send("DELETE 1", "SELECT 1")
    assert all(isinstance(one, Refusal) for one in answers)
    assert story.book.said[1:] == [("unanswered", "after")]


async def test_a_command_passes_and_waits_alike(story: Story) -> None:
    """Over SSH the same: unasked, and marked where it is a sample."""
    text = "systemctl restart nginx"
    fact = CommandFacts("ssh.exec", "systemctl", ("systemctl", "restart", "nginx"))
    action = SshAction("exec", text, (fact,), text, "ab" * 32)

    async def cleared() -> Permit | CommandRefusal:
        return await story.gate.clear_command(story.live, b"{}", action, hold=story._offered)

    story.book.kinds = [DrawKind.AFTER, DrawKind.HELD]
    passed = await cleared()
    assert isinstance(passed, Permit)
    assert story.book.said[-1] == ("passed", "after", passed.n, "alice", text)
    assert not story.world.books.requests()
    clearing = story.world.owner.spawn(cleared(), name="clear")
    request = await story.asked()
    await story.world.vote(request, BOB)
    assert isinstance(await clearing, Permit)
    marked = [one.get("sample", "") for one in story.world.told("action.released")]
    assert marked == ["", RULE]
    assert [one["sample"] for one in story.world.told("action.requested")] == [RULE]


async def test_the_real_book_lets_pass_what_it_knows(story: Story) -> None:
    """Held while the rule is not known; out unasked once it is, and the day has its sample."""
    sampler = Sampler(bytes(range(32)))
    story.world.holding._adopted._samples = sampler
    clearing = story.send("DELETE 1")
    request = await story.asked()
    assert request.subject.facts["sample"] == RULE
    await story.world.vote(request, BOB)
    await clearing
    now = story.world.now_us()
    sampler.adopt(RULE, now, FIRST, now)
    answers = [await asyncio.wait_for(story.send(f"DELETE {one}"), 5) for one in range(3)]
    assert all(isinstance(one, Permit) for (one,) in answers)
