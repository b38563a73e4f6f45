"""Settlement: what an outcome says, and that it stays small."""

from __future__ import annotations

from support.postgres_link import Link
from support.postgres_script import BOUND, COLUMNS, IDLE, PARSED, ROW, done, error

from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import Settled
from gatekeep.protocols.postgres.messages import TargetError
from gatekeep.protocols.postgres.settlement import Settlement
from gatekeep.protocols.postgres.turns import Execution


def test_answers_of_one_shape_share_one_outcome() -> None:
    """The hot path makes no frozen object per statement."""
    link = Link()
    for _ in range(3):
        link.client(m.query("select 1"))
        link.target(COLUMNS + ROW + done("SELECT 1") + IDLE)
    first, second, third = (outcome for _, outcome in link.outcomes)
    assert first is second is third


def test_a_thousand_statements_in_one_query_keep_a_hundred_tags() -> None:
    """The tag of a Query is bounded, and says that it was cut."""
    link = Link()
    link.client(m.query("select 1;" * 1_000))
    link.target((COLUMNS + ROW + done("SELECT 1")) * 1_000 + IDLE)
    outcome = link.outcomes[0][1]
    assert outcome.rows == 1_000
    assert outcome.tag.endswith("SELECT 1; …")
    assert outcome.tag.count(";") == 100


def test_a_targets_words_are_cut() -> None:
    """Neither a tag nor a message can fill an event."""
    settlement = Settlement()
    told = settlement.end(Execution("simple", "x", 1), "T" * 10_000, 5)
    assert len(settlement.outcome(told, "I").tag) == 128
    told.failure = TargetError("ERROR", "XX000", "m" * 100_000)
    assert len(settlement.outcome(told, "I").message) == 2_000


def test_an_explicit_commit_in_a_pipeline_is_not_undone_by_what_fails_later() -> None:
    """Only what came after it belongs to the implicit transaction that failed."""
    link = Link()
    one = m.parse("", "x") + m.bind("", "") + m.execute("")
    link.client(one * 4 + m.SYNC)
    answers = [done(tag) for tag in ("INSERT 0 1", "COMMIT", "INSERT 0 2")]
    link.target(b"".join(PARSED + BOUND + answer for answer in answers) + error("22012", "zero"))
    link.target(IDLE)
    assert [(o.tag, o.kind) for _, o in link.outcomes] == [
        ("INSERT 0 1", OutcomeKind.DONE), ("COMMIT", OutcomeKind.DONE),
        ("INSERT 0 2", OutcomeKind.FAILED), ("", OutcomeKind.FAILED),
    ]  # fmt: skip


def test_a_parse_that_fails_is_the_failure_of_what_it_was_for() -> None:
    """The execution is FAILED with the target's SQLSTATE; another one behind it is SKIPPED."""
    link = Link()
    one = m.parse("", "x") + m.bind("", "") + m.execute("")
    link.client(one * 2 + m.SYNC)
    link.target(error("42601", "syntax error") + IDLE)
    assert [(o.kind.value, o.sqlstate) for _, o in link.outcomes] == [
        ("failed", "42601"), ("skipped", ""),
    ]  # fmt: skip


def test_in_a_flushed_segment_outcomes_come_at_once() -> None:
    """No ReadyForQuery is near there; the transaction status is not known yet."""
    link = Link()
    link.client(m.parse("", "x") + m.bind("", "") + m.execute("") + m.FLUSH)
    link.target(PARSED + BOUND + done("SELECT 0"))
    settled = [turn for turn in link.turns if isinstance(turn, Settled)]
    assert [(one.outcome.tag, one.outcome.status) for one in settled] == [("SELECT 0", "")]
