"""The pipeline: judged, recorded, durable, then and only then permitted."""

from __future__ import annotations

import asyncio

import pytest
from support import builders
from support.fake_journal import FakeJournal
from support.gate_story import ScriptedPolicy, Story, by_text

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, TransactionVerb
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.outcomes import Outcome, OutcomeKind
from gatekeep.errors import JournalUnavailable
from gatekeep.gate.permit import Permit, Refusal
from gatekeep.gate.ports import Judgement


async def test_an_allowed_action_is_released_with_its_own_receipt() -> None:
    """The permit carries the receipt of the event that holds the whole policy request."""
    story = Story()
    (answer,) = await story.clear(builders.action("SELECT 1"))
    assert isinstance(answer, Permit)
    assert answer.receipt.n == 0
    (event,) = story.journal.events
    assert event.kind == "action.released"
    assert event.payload["text"] == "SELECT 1"
    assert event.payload["request"] == {"action": "sql.read"}
    assert event.payload["class"] == "read"
    assert event.decision == {"decision": "allow", "rule": "rule-allow"}


async def test_no_permit_before_the_event_is_durable() -> None:
    """While the journal has not synced, nothing is answered."""
    story = Story(journal=FakeJournal(auto=False))
    waiting = asyncio.ensure_future(story.clear(builders.action()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert story.journal.kinds() == ["action.released"]
    story.journal.synced.set()
    assert isinstance((await waiting)[0], Permit)


async def test_denied_is_recorded_and_explained() -> None:
    """A denial is an event, and the words name rule, target and what was not done."""
    story = Story(by_text(drop=Verdict.DENY))
    drop = builders.action("DROP TABLE t", builders.facts(SqlClass.DDL, "DROP TABLE"))
    (answer,) = await story.clear(drop)
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert answer.message.sqlstate == "42501"
    assert answer.message.primary == "gatekeep: policy does not allow DROP TABLE on orders"
    assert "rule-deny" in answer.message.detail
    assert "policy abcdef0" in answer.message.context
    (event,) = story.journal.events
    assert (event.kind, event.payload["cause"]) == ("action.refused", "policy")


async def test_the_statement_that_was_refused_is_named_among_several() -> None:
    """Of one message with three statements the words name the second, and say none was run."""
    story = Story(
        ScriptedPolicy(
            lambda action: builders.judgement(
                Verdict.DENY if any(f.verb == "DROP TABLE" for f in action.facts) else Verdict.ALLOW
            )
        )
    )
    drop = builders.facts(SqlClass.DDL, "DROP TABLE")
    (answer,) = await story.clear(
        builders.action("SELECT 1; DROP TABLE t; SELECT 2", builders.facts(), drop, builders.facts())
    )
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert "does not allow DROP TABLE on orders" in answer.message.primary
    assert "Statement 2 of 3; none of the 3 was run." in answer.message.detail


async def test_asking_is_refused_while_nobody_can_be_asked() -> None:
    """Until approvals exist, ask is a refusal that says so."""
    story = Story(by_text(delete=Verdict.ASK))
    (answer,) = await story.clear(builders.action("DELETE FROM t"))
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert "approvals are not set up here" in answer.message.primary
    assert story.journal.kinds() == ["action.refused"]


async def test_after_a_refusal_the_rest_of_the_pipeline_is_refused_too() -> None:
    """The first runs, the second is refused, the third never reaches the target; all are events."""
    story = Story(by_text(drop=Verdict.DENY))
    answers = await story.clear(
        builders.action("SELECT 1"), builders.action("DROP x"), builders.action("SELECT 2")
    )
    assert [type(answer).__name__ for answer in answers] == ["Permit", "Refusal", "Refusal"]
    assert story.journal.kinds() == ["action.released", "action.refused", "action.refused"]
    assert story.journal.events[2].payload["cause"] == "skipped"
    assert isinstance(answers[1], Refusal)
    assert answers[1].message is not None
    assert "Statement 2 of 3" in answers[1].message.detail


async def test_what_follows_code_that_may_change_its_reading_is_not_judged_yet() -> None:
    """12-threats C2: in one segment nothing is forwarded, or recorded, under a stale reading."""
    story = Story()
    flip = builders.action(
        "SELECT flip()", builders.facts(SqlClass.PROCEDURAL, vector_safe=False)
    )
    (only,) = await story.clear(flip, builders.action("SELECT 'a'"))
    assert isinstance(only, Permit)
    assert not only.vector_safe
    assert len(story.journal.events) == story.live.statements == 1


async def test_behind_a_refusal_everything_is_recorded_as_skipped_code_or_not() -> None:
    """It never runs, so nothing has to be read anew, and each has its event."""
    story = Story(by_text(drop=Verdict.DENY))
    flip = builders.action(
        "SELECT flip()", builders.facts(SqlClass.PROCEDURAL, vector_safe=False)
    )
    answers = await story.clear(
        builders.action("drop table t"), flip, builders.action("SELECT 'a'")
    )
    assert [type(answer) for answer in answers] == [Refusal] * 3
    assert len(story.journal.events) == 3


async def test_a_refusal_in_the_rest_of_a_pipeline_counts_from_its_beginning() -> None:
    """The person who reads it sent one pipeline, and knows nothing of where it was cut."""
    story = Story(by_text(drop=Verdict.DENY))
    (answer,) = await story.gate.clear(
        story.live, b"{}", [builders.action("drop table t")], around=(2, 1)
    )
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert "Statement 3 of 4" in answer.message.detail


async def test_in_a_failed_transaction_with_unknown_vector_only_an_ending_passes() -> None:
    """Only what ends it under either string syntax is forwarded, and an empty text."""
    story = Story()
    opaque = builders.facts(SqlClass.OPAQUE, "PREPARE", vector_safe=False)
    for text, facts in (("PREPARE TRANSACTION 'one-1';", (opaque,)), (" ;\n", ())):
        whole = builders.action(text)._replace(facts=facts)
        (answer,) = await story.clear(whole, vector_known=False)
        assert isinstance(answer, Permit), text
    (unclear,) = await story.clear(
        builders.action("PREPARE TRANSACTION 'one\\'", opaque), vector_known=False
    )
    rollback = builders.facts(
        SqlClass.SESSION, "ROLLBACK", transaction=TransactionVerb.ROLLBACK, vector_safe=False
    )
    (ending,) = await story.clear(builders.action("ROLLBACK;", rollback), vector_known=False)
    (hidden,) = await story.clear(
        builders.action("ROLLBACK -- '\\", rollback), vector_known=False
    )
    (other,) = await story.clear(builders.action("SELECT 1"), vector_known=False)
    assert isinstance(ending, Permit)
    for refused in (hidden, other, unclear):
        assert isinstance(refused, Refusal)
        assert refused.message is None


async def test_rollback_is_never_refused() -> None:
    """A person can always give up a transaction, whatever the policy says."""
    story = Story(by_text(rollback=Verdict.DENY))
    rollback = builders.facts(SqlClass.SESSION, "ROLLBACK", transaction=TransactionVerb.ROLLBACK)
    (answer,) = await story.clear(builders.action("ROLLBACK", rollback))
    assert isinstance(answer, Permit)


@pytest.mark.parametrize("where", ["stdin", "stdout", "file /tmp/x", "program gzip"])
async def test_copies_are_the_policys_to_decide(where: str) -> None:
    """COPY either way, and what the target reads or writes itself, is judged as `sql.copy`."""
    facts = builders.facts(SqlClass.COPY, "COPY TO", copy_target=where)
    (answer,) = await Story().clear(builders.action("COPY t TO …", facts))
    assert isinstance(answer, Permit)
    (answer,) = await Story(by_text(copy=Verdict.DENY)).clear(builders.action("COPY t TO …", facts))
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert answer.message.sqlstate == "42501"


async def test_another_session_user_is_not_offered() -> None:
    """SET SESSION AUTHORIZATION would change what "$user" means without our seeing it."""
    story = Story()
    known = builders.facts(
        SqlClass.SESSION, "SET SESSION AUTHORIZATION",
        settings=frozenset({"session_authorization"}),
    )  # fmt: skip
    (answer,) = await story.clear(builders.action("SET SESSION AUTHORIZATION bob", known))
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert answer.message.sqlstate == "0A000"


@pytest.mark.parametrize(
    "known",
    [
        builders.facts(SqlClass.PROCEDURAL),
        builders.facts(SqlClass.WRITE, "INSERT"),
        builders.facts(
            SqlClass.SESSION, "SET", settings=frozenset({"default_transaction_read_only"})
        ),
    ],
    ids=["unproven", "write", "switch"],
)
async def test_a_session_that_may_only_read_keeps_its_second_wall(known: SqlFacts) -> None:
    """In a read-only session neither unproven code nor a switch of the wall passes the gate."""
    story = Story()
    story.live.session = builders.session(read_only=True)
    (answer,) = await story.clear(builders.action("anything", known))
    assert isinstance(answer, Refusal)
    assert story.journal.events[0].payload["cause"] == "read_only"
    assert isinstance((await story.clear(builders.action("SELECT 1")))[0], Permit)


async def test_what_was_too_large_to_judge_is_refused_and_recorded() -> None:
    """A message whose text was not kept is refused with a hint to use COPY, whatever policy says."""
    story = Story()
    large = builders.action("big", builders.facts(SqlClass.OPAQUE))._replace(
        tags=frozenset({"too_large"})
    )
    (answer,) = await story.clear(large)
    assert isinstance(answer, Refusal)
    assert answer.message is not None
    assert (answer.message.sqlstate, answer.message.hint) == ("54000", "Load data with COPY.")
    assert story.journal.events[0].payload["cause"] == "too_large"


@pytest.mark.parametrize("broken", ["append", "sync", "policy"])
async def test_any_failure_on_the_way_is_a_refusal_with_an_incident(broken: str) -> None:
    """Whatever breaks, nothing is permitted, the client gets 58030 and operators an incident."""
    journal = FakeJournal()
    policy = by_text()
    if broken == "append":
        journal.break_append_at = 1
    elif broken == "sync":
        journal.broken_sync = JournalUnavailable("the journal cannot write")
    else:
        def explode(action: SqlAction) -> Judgement:
            raise ValueError(action.text)

        policy = ScriptedPolicy(explode)
    story = Story(policy, journal)
    answers = await story.clear(builders.action("SELECT 1"), builders.action("SELECT 2"))
    assert len(answers) == 2
    for answer in answers:
        assert isinstance(answer, Refusal)
        assert answer.message is not None
        assert answer.message.sqlstate == "58030"
        assert story.incidents[0] in answer.message.detail


async def test_what_was_recorded_and_not_forwarded_is_closed_as_skipped() -> None:
    """A release that no permit followed does not stay open in the log."""
    story = Story(journal=FakeJournal(broken_sync=JournalUnavailable("late")))
    await story.clear(builders.action("SELECT 1"))
    assert story.journal.kinds() == ["action.released", "action.finished"]
    assert story.journal.events[1].payload["outcome"] == "skipped"
    assert story.journal.events[1].counters == {"of": 0, "outcome": "skipped"}


async def test_only_what_was_released_is_closed_as_skipped() -> None:
    """When the journal fails behind a refusal, the refused one gets no outcome: it never had a release."""
    story = Story(by_text(drop=Verdict.DENY), FakeJournal(broken_sync=JournalUnavailable("late")))
    await story.clear(builders.action("SELECT 1"), builders.action("DROP x"))
    assert story.journal.kinds() == ["action.released", "action.refused", "action.finished"]
    assert story.journal.events[2].counters["of"] == 0


async def test_a_client_that_leaves_while_waiting_leaves_nothing_open() -> None:
    """Cancelled before the permit: the release is closed as skipped, since it never ran."""
    story = Story(journal=FakeJournal(auto=False))
    waiting = asyncio.ensure_future(story.clear(builders.action("SELECT 1")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert story.journal.kinds() == ["action.released", "action.finished"]


async def test_an_outcome_names_the_event_it_ends() -> None:
    """`action.finished` points at the released event in envelope and payload."""
    story = Story()
    (permit,) = await story.clear(builders.action())
    assert isinstance(permit, Permit)
    story.gate.settle(
        story.live, permit, Outcome(OutcomeKind.FAILED, sqlstate="22012", message="division")
    )
    event = story.journal.events[-1]
    assert event.kind == "action.finished"
    assert (event.counters, event.payload["of"]) == ({"of": 0, "outcome": "failed"}, 0)
    assert (event.payload["sqlstate"], event.payload["outcome"]) == ("22012", "failed")
