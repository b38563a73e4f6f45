"""Evidence: what the loop gathers from a journal's events, told as small days of work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.loop_events import (
    DAY_US,
    SHOP,
    T0_US,
    WEB,
    Ask,
    InMemory,
    LoopStory,
    command,
    machine,
    person,
    statement,
)

from gatekeep.domain.approvals import Approval, RequestState
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.events import EventKind, StoredEvent
from gatekeep.feedback.deeds import Answer, Evidence
from gatekeep.feedback.evidence import Collector
from gatekeep.feedback.flood import PASSED_A_DAY
from gatekeep.gate.approval_desk import _RESTARTED
from gatekeep.gate.approval_ports import Departure

ALICE, BOB = person("alice"), person("bob")
NGINX = command("systemctl restart nginx")
READ = statement("select * from orders where id = 7")
WRITE = statement("update orders set state = 'open' where id = 7")
OLD = 'permit (principal, action, resource);\n@id("ask-first") permit (principal, action, resource);'


@pytest.fixture
def told() -> InMemory:
    """Where the events go."""
    return InMemory()


@pytest.fixture
def story(told: InMemory) -> LoopStory:
    """A day of work."""
    return LoopStory(told)


def gathered(told: InMemory, after_days: int = 60) -> Evidence:
    """The evidence of all that was told."""
    collector = Collector()
    for event in told.events:
        collector.feed(event)
    return collector.evidence(T0_US + after_days * DAY_US, verified=True)


def test_an_approved_command_is_one_deed(told: InMemory, story: LoopStory) -> None:
    """Question, votes, decision and release are one deed, judged as it was when it was asked."""
    n = story.asks(ALICE, WEB, NGINX, Ask("AB23", ("carol",), 90, risk="low"))
    (deed,) = gathered(told).deeds
    assert (deed.n, deed.verdict, deed.answer) == (n, Verdict.ASK, Answer.APPROVED)
    assert (deed.approvers, deed.request_id, deed.risk) == (("carol",), "AB23", "low")
    assert deed.rules == ("ask-first",)
    assert 89e6 < deed.answered_us - deed.asked_us < 91e6
    assert (deed.where.person, deed.where.target, deed.where.environment) == ("alice", "web-1", "prod")
    assert deed.where.labels == {"role=web"}
    assert (deed.action, deed.verb, deed.text) == ("ssh.exec", "systemctl", NGINX.text)
    assert deed.surely
    assert deed.likeness is not None
    assert "approval" not in deed.request
    assert deed.request["target"]["name"] == "web-1"


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (RequestState.DENIED, Answer.DENIED),
        (RequestState.EXPIRED, Answer.EXPIRED),
        (RequestState.WITHDRAWN, Answer.WITHDRAWN),
    ],
)
def test_what_was_not_approved(
    told: InMemory, story: LoopStory, state: RequestState, answer: Answer
) -> None:
    """Denied, expired and withdrawn questions are deeds with these answers; a no keeps its reason."""
    story.asks(ALICE, SHOP, WRITE, Ask("AB23", state=state))
    (deed,) = gathered(told).deeds
    assert (deed.answer, deed.cause) == (answer, "approval")
    assert deed.refused_by_people == (answer is Answer.DENIED)
    if answer is Answer.DENIED:
        assert (deed.reason, deed.approvers) == ("not in the afternoon", ("carol",))


def test_a_short_id_may_come_again(told: InMemory, story: LoopStory) -> None:
    """The same id of another day is another question."""
    story.asks(ALICE, WEB, NGINX, Ask("AB23", state=RequestState.DENIED))
    story.now_us += 3 * DAY_US
    story.asks(BOB, SHOP, WRITE, Ask("AB23"))
    assert [(one.where.person, one.answer) for one in gathered(told).deeds] == [
        ("alice", Answer.DENIED),
        ("bob", Answer.APPROVED),
    ]


def test_a_question_that_waits_is_there_too(told: InMemory, story: LoopStory) -> None:
    """It is a deed without an answer, at the index of its question."""
    story.requested(ALICE, WEB, NGINX, Ask("AB23"))
    (deed,) = gathered(told).deeds
    assert (deed.n, deed.answer, deed.answered_us) == (0, Answer.NONE, 0)


def test_a_session_that_ends_leaves_its_question_unreleased(
    told: InMemory, story: LoopStory
) -> None:
    """Where its action got no event of its own, the deed stands at the question."""
    session = story.opened(ALICE, WEB)
    ask = Ask("AB23", state=RequestState.WITHDRAWN)
    request = story.requested(ALICE, WEB, NGINX, ask, session=session)
    story.closed(session, WEB)
    story.answered(request, ask)
    (deed,) = gathered(told).deeds
    assert (deed.n, deed.answer) == (1, Answer.WITHDRAWN)


def test_events_that_are_told_twice_count_once(told: InMemory, story: LoopStory) -> None:
    """After a crash an event of a request may be in the journal again."""
    ask = Ask("AB23", ("carol",), 30)
    request = story.requested(ALICE, WEB, NGINX, ask)
    story.answered(request, ask)
    story.answered(request, replace(ask, voters=("dave",)))
    (deed,) = gathered(told).deeds
    assert deed.approvers == ("carol",)


@pytest.mark.parametrize(
    ("kind", "answer", "adopted", "excluded"),
    [
        ("grant", Answer.GRANTED, "", "grant"),
        ("access", Answer.GRANTED, "", "grant"),
        ("break_glass", Answer.GRANTED, "", "break_glass"),
        ("adopted", Answer.ADOPTED, "adopted-3f9a12bc", ""),
    ],
)
def test_leave_that_was_given_before(
    told: InMemory, story: LoopStory, kind: str, answer: Answer, adopted: str, excluded: str
) -> None:
    """What a grant covered is no evidence; what an adopted rule let pass names the rule."""
    grant = adopted or "G-1"
    approval = Approval(kind, frozenset({"leads"}), mfa=False, age_s=0, grant=grant)
    story.passes(ALICE, WEB, NGINX, approval=approval)
    (deed,) = gathered(told).deeds
    assert (deed.answer, deed.adopted, deed.excluded) == (answer, adopted, excluded)


def test_an_adopted_rule_that_is_used_all_day_fills_no_memory(
    told: InMemory, story: LoopStory
) -> None:
    """So many alike are kept of one person's day; another person's first one always is."""
    leave = Approval("adopted", frozenset({"leads"}), mfa=False, age_s=0, grant="adopted-1")
    for _ in range(PASSED_A_DAY + 20):
        story.passes(ALICE, WEB, NGINX, approval=leave)
    story.passes(BOB, WEB, NGINX, approval=leave)
    people = [one.where.person for one in gathered(told).deeds]
    assert people == ["alice"] * PASSED_A_DAY + ["bob"]


def test_a_held_sample_names_its_rule(told: InMemory, story: LoopStory) -> None:
    """People answered it, and it is known whose sample it is; a withdrawal is no evidence."""
    story.asks(ALICE, WEB, NGINX, Ask("AB23", sample="adopted-3f9a12bc"))
    gone = Ask("AB24", state=RequestState.WITHDRAWN, sample="adopted-3f9a12bc")
    story.asks(BOB, WEB, NGINX, gone)
    approved, withdrawn = gathered(told).deeds
    assert (approved.answer, approved.adopted) == (Answer.APPROVED, "adopted-3f9a12bc")
    assert (withdrawn.adopted, withdrawn.excluded) == ("adopted-3f9a12bc", "withdrawn_sample")


@pytest.mark.parametrize(
    ("why", "answer"),
    [
        (Departure.DRAINING.value, Answer.EXPIRED), (_RESTARTED, Answer.EXPIRED),
        (Departure.CLIENT_LEFT.value, Answer.WITHDRAWN), ("", Answer.WITHDRAWN),
    ],
)  # fmt: skip
def test_a_gateway_that_stops_is_nobody_s_step_back(
    told: InMemory, story: LoopStory, why: str, answer: Answer
) -> None:
    """Two restarts while samples wait are not two persons who took them back; to leave is one."""
    gone = Ask("AB24", state=RequestState.WITHDRAWN, sample="adopted-3f9a12bc", why=why)
    story.asks(BOB, WEB, NGINX, gone)
    (deed,) = gathered(told).deeds
    assert deed.answer is answer


def test_a_sample_that_was_wrong_is_an_incident(told: InMemory, story: LoopStory) -> None:
    """Somebody said so afterwards; who said that one was right changes nothing."""
    leave = Approval("adopted", frozenset({"leads"}), mfa=False, age_s=0, grant="adopted-3f9a12bc")
    wrong = story.passes(ALICE, WEB, NGINX, approval=leave)
    story.now_us += DAY_US
    right = story.passes(ALICE, WEB, NGINX, approval=leave)
    story.said_wrong(wrong)
    story.said_wrong(right, "right")
    bad, good = gathered(told).deeds
    assert (bad.incident, bad.excluded, bad.refused_by_people) == ("no ticket", "reported", True)
    assert (good.incident, good.excluded) == ("", "")


def test_break_glass_and_what_its_review_found(told: InMemory, story: LoopStory) -> None:
    """Taken leave is listed by person; a finding that is not calm is an incident of its deeds."""
    for number, finding in enumerate(("OK, the outage of Monday", "He read the payroll.")):
        grant = f"G-{number}"
        story.broke_glass("alice", "web-1", grant)
        leave = Approval("break_glass", frozenset({"leads"}), mfa=True, age_s=0, grant=grant)
        story.passes(ALICE, WEB, NGINX, approval=leave)
        story.reviewed(grant, finding)
    evidence = gathered(told)
    assert [one.incident for one in evidence.deeds] == ["", "He read the payroll."]
    assert [(who, where) for _, who, where in evidence.break_glass] == [("alice", "web-1")] * 2


@pytest.mark.parametrize(
    "finding", ["Fine, but he dropped a table", "needed, though not all of it", "Right person, wrong table"]
)
def test_a_finding_that_only_begins_calm(told: InMemory, story: LoopStory, finding: str) -> None:
    """What comes after the first word counts as well."""
    story.broke_glass("alice", "web-1", "G-1")
    leave = Approval("break_glass", frozenset({"leads"}), mfa=True, age_s=0, grant="G-1")
    story.passes(ALICE, WEB, NGINX, approval=leave)
    story.reviewed("G-1", finding)
    (deed,) = gathered(told).deeds
    assert deed.incident == finding


def test_denials_by_policy_are_deeds(told: InMemory, story: LoopStory) -> None:
    """With their cause; what was only skipped behind another refusal is none."""
    story.denied(ALICE, SHOP, WRITE)
    story.denied(ALICE, SHOP, READ, cause=b"skipped", verdict=Verdict.ALLOW)
    (deed,) = gathered(told).deeds
    assert (deed.verdict, deed.answer, deed.cause) == (Verdict.DENY, Answer.NONE, "policy")


def test_nobody_fills_the_memory_with_denials(told: InMemory, story: LoopStory) -> None:
    """Of the same denial of one person twenty a day are kept; how many were left out is said."""
    for _ in range(50):
        story.denied(ALICE, SHOP, WRITE)
    story.denied(BOB, SHOP, WRITE)
    evidence = gathered(told)
    assert len(evidence.deeds) == 21
    assert evidence.left_out == 30
    assert evidence.rules["never"].count == 51


def test_what_passed_unasked_is_counted(told: InMemory, story: LoopStory) -> None:
    """By rule, template and person, with how often the target failed it, and a few indices."""
    first = [story.passes(ALICE, SHOP, READ, failed=at == 1) for at in range(7)]
    story.passes(ALICE, SHOP, statement("select * from orders where id = 8"))
    story.lost(story.passes(BOB, WEB, NGINX), WEB)
    evidence = gathered(told)
    assert not evidence.deeds
    by = {(key.person, key.verb): passed for key, passed in evidence.passed.items()}
    mine = by["alice", "select"]
    assert (mine.count, mine.failed) == (8, 1)
    assert mine.events == sorted(mine.events)
    assert len(mine.events) == 5
    assert mine.events[-1] > first[-1]
    assert (by["bob", "systemctl"].count, by["bob", "systemctl"].failed) == (1, 0)
    key = next(one for one in evidence.passed if one.verb == "select")
    assert (key.rule, key.action, key.environment) == ("may-read", "sql.read", "prod")
    assert key.groups == {"sre"}
    assert evidence.rules["may-read"].count == 9


def test_a_machine_counts_for_who_answers_for_it(told: InMemory, story: LoopStory) -> None:
    """Its deeds and passes are its owner's."""
    robot = machine("deploy-bot", "carol")
    story.asks(robot, WEB, NGINX, Ask("AB23", ("dave",)))
    story.passes(robot, SHOP, READ)
    evidence = gathered(told)
    assert [one.where.person for one in evidence.deeds] == ["carol"]
    assert evidence.deeds[0].where.principal == "deploy-bot"
    assert [key.person for key in evidence.passed] == ["carol"]


def test_rules_know_since_when_their_words_hold(told: InMemory, story: LoopStory) -> None:
    """A version with the same words changes no age; other words begin anew."""
    one, two, other = (
        f'@id("{name}") {effect} (principal, action, resource);'
        for name, effect in (("one", "permit"), ("two", "permit"), ("two", "forbid"))
    )
    story.activated(a=one, b=two)
    story.now_us += 5 * DAY_US
    story.activated(all=f"{one}\n{other}")
    rules = gathered(told).rules
    assert rules["one"].since_us == T0_US
    assert rules["two"].since_us > T0_US + 4 * DAY_US


def test_sealed_payloads_are_counted(told: InMemory, story: LoopStory) -> None:
    """What nobody can open any more may hide something, and is said."""
    story.asks(ALICE, WEB, NGINX, Ask("AB23"))
    told.events = [replace(one, payload=None, state="SEALED") for one in told.events]
    evidence = gathered(told)
    assert not evidence.deeds
    assert evidence.unknown == 5


def test_what_stayed_sealed_is_counted_by_rule_and_day(told: InMemory, story: LoopStory) -> None:
    """The envelope says which rule asked; what nobody was asked about is not counted."""
    story.asks(ALICE, WEB, NGINX, Ask("AB23"), rule="r7")
    told.events = [replace(one, payload=None, state="SEALED") for one in told.events]
    evidence = gathered(told)
    assert evidence.sealed == {("r7", T0_US // DAY_US): 1}  # its yes says that it was allowed


def test_two_actions_of_one_question(told: InMemory, story: LoopStory) -> None:
    """A pipeline asks once; each of its actions is a deed with that answer."""
    ask = Ask("AB23")
    story.requested(ALICE, SHOP, WRITE, ask)
    other = statement("delete from orders where id = 7")
    request = story.requested(ALICE, SHOP, other, ask)
    story.answered(request, ask)
    leave = Approval("vote", frozenset({"leads"}), mfa=False, age_s=0, request="AB23")
    for action in (WRITE, other):
        story.passes(ALICE, SHOP, action, approval=leave, request_id="AB23")
    deeds = gathered(told).deeds
    assert [(one.text, one.answer) for one in deeds] == [
        (WRITE.text, Answer.APPROVED),
        (other.text, Answer.APPROVED),
    ]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["request", "decision", "principal", "approval", "name", "text", "texts", "target",
             "statements", "commands", "rules", "tags", "kind", "grant", "class", "template"]
        ),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(sorted(EventKind)), JUNK, JUNK), max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_a_payload_holds_it_is_read(events: list[tuple[str, object, object]]) -> None:
    """Missing pieces and pieces of a wrong type stop nothing."""
    collector = Collector()
    for n, (kind, payload, other) in enumerate(events):
        envelope = {"n": n, "k": kind, "s": "5" * 32, "t": n, "r": other, "g": other}
        whole = payload if isinstance(payload, dict) else None
        collector.feed(StoredEvent(n, envelope, whole, "OK"))
    assert collector.evidence(T0_US, verified=True).next_n == len(events)


def ordinary_weeks(told: InMemory) -> None:
    """Some of everything."""
    story = LoopStory(told)
    story.activated(main=OLD)
    for day in range(6):
        for number, who in enumerate((ALICE, BOB, person("carol"))):
            session = story.opened(who, SHOP)
            story.passes(who, SHOP, READ, session=session)
            state = RequestState.DENIED if (day, number) == (2, 1) else RequestState.APPROVED
            ask = Ask(f"A{day}{number}Z", ("dave", "erin")[: 1 + day % 2], 40 + day, state)
            story.asks(who, SHOP, WRITE, ask, session=session)
            story.denied(who, SHOP, statement("delete from orders"), session=session)
            story.closed(session, SHOP)
        story.now_us += DAY_US


@given(st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=30, deadline=None)
def test_slices_do_not_matter(stops: list[int]) -> None:
    """Whenever it is asked in between, the evidence in the end is the same."""
    told = InMemory()
    ordinary_weeks(told)
    collector = Collector()
    for event in told.events:
        if event.n in stops:
            collector.evidence(event.envelope["t"], verified=True)
        collector.feed(event)
    assert collector.evidence(T0_US + 60 * DAY_US, verified=True) == gathered(told)
