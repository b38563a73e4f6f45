"""The conversation as a whole: playbooks, cuts anywhere, waiting, limits, and whose fault it is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.postgres_link import Link, conversation
from support.postgres_script import (
    BOUND,
    COLUMNS,
    IDLE,
    NO,
    PARSED,
    ROW,
    SCRIPT,
    done,
    error,
    judge,
)
from support.postgres_wire import shape

from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Conversation,
    Notification,
    Ready,
    Relay,
    Released,
    Settled,
    Submit,
    Terminate,
)
from gatekeep.protocols.postgres.frames import JUDGED_LIMIT, SEGMENT_MESSAGES


def play(cuts: random.Random | None, size: int | None = None) -> list[object]:
    """The script, with both sides' bytes cut; what came of it, relays joined."""

    def pieces(data: bytes) -> list[bytes]:
        at, found = 0, []
        while at < len(data):
            step = size or (cuts.randint(1, 40) if cuts else len(data))
            found.append(data[at : at + step])
            at += step
        return found

    link = Link(judge)
    for sent, answered in SCRIPT:
        for piece in pieces(sent):
            link.client(piece)
        for piece in pieces(answered):
            link.target(piece)
    told = [
        (one.mode, one.text, one.values, one.key, one.bytes_in, one.bind_only)
        for one in link.executions
    ]
    assert not link.violations
    return [told, link.outcomes, link.sent, link.relayed, link.ready]


WHOLE = play(None)


def test_the_script_means_what_it_says() -> None:
    """One execution a Query or Execute, with text, values and outcome; refusals in our words."""
    told, outcomes, sent, relayed, ready = WHOLE
    assert [one[1] for one in told] == [
        "select 1", "select $1", "select $1", "select 1; delete from t", "select denied", "",
        "copy t to stdout; select 1", "copy t to stdout",
        "copy t from stdin", "copy t from stdin",
        "begin", "boom", "rollback",
    ]  # fmt: skip
    assert [one[2] for one in told][1:3] == [(b"7",), (b"8",)]
    assert [(o.kind.value, o.tag, o.rows, o.status) for _, o in outcomes] == [
        ("done", "SELECT 1", 1, "I"), ("done", "SELECT 1", 1, "I"), ("done", "SELECT 3", 3, "I"),
        ("done", "SELECT 1; DELETE 4", 1, "I"), ("done", "", 0, "I"), ("done", "COPY 1; SELECT 1", 2, "I"),
        ("done", "COPY 3", 3, "I"), ("done", "COPY 2", 2, "I"), ("done", "COPY 3", 3, ""),
        ("done", "BEGIN", 0, "T"),
        ("failed", "", 0, "E"), ("done", "ROLLBACK", 0, "I"),
    ]  # fmt: skip
    assert ready == ["I"] * 11 + ["T", "E", "I"]
    assert b"denied" not in sent
    assert m.error_response(NO) in relayed
    assert b"Mtarget says: gatekeep says hello" in relayed
    assert b"Mtarget says: gatekeep: no" in relayed


def test_one_byte_at_a_time_gives_the_same_turns() -> None:
    """No meaning hangs on how the bytes were cut."""
    assert play(None, size=1) == WHOLE


@given(st.randoms(use_true_random=False))
def test_random_cuts_give_the_same_turns(cuts: random.Random) -> None:
    """Neither on any other cut."""
    assert play(cuts) == WHOLE


def test_a_chunk_that_needs_no_change_is_relayed_as_the_same_object() -> None:
    """The hot path copies nothing."""
    talk = conversation()
    submit = talk.receive_client(m.query("select 1"))[0]
    assert isinstance(submit, Submit)
    talk.release(submit.segment, [Released()])
    answer = COLUMNS + ROW + done("SELECT 1") + IDLE
    relay = talk.receive_target(answer)[0]
    assert isinstance(relay, Relay)
    assert relay.data is answer


def test_nothing_is_submitted_while_a_reply_is_owed() -> None:
    """What follows a Sync waits for its ReadyForQuery, and the proxy sees how much waits."""
    link = Link()
    first, second = m.query("select 1"), m.query("select 2") + m.query("select 3")
    link.client(first + second)
    assert [one.text for one in link.executions] == ["select 1"]
    assert link.conversation.backlog == len(second)
    link.target(COLUMNS + ROW + done("SELECT 1") + IDLE)
    assert [one.text for one in link.executions] == ["select 1", "select 2"]


def test_nothing_reaches_the_target_before_it_is_released() -> None:
    """Bytes come out of release alone, and only for the segment that is out."""
    talk = conversation()
    turns = talk.receive_client(m.query("select 1") + m.query("select 2"))
    assert [type(turn) for turn in turns] == [Submit]
    assert talk.next_turns() == []
    assert isinstance(turns[0], Submit)
    with pytest.raises(ValueError, match="verdicts"):
        talk.release(turns[0].segment, [])
    assert talk.release(turns[0].segment, [Released()]) == m.query("select 1")
    with pytest.raises(ValueError, match="verdicts"):
        talk.release(turns[0].segment, [Released()])


def test_good_bye_waits_for_what_was_asked_before() -> None:
    """Terminate is given out after the answer, and ends the conversation."""
    talk = conversation()
    submit = talk.receive_client(m.query("select 1") + m.TERMINATE + b"junk")[0]
    assert isinstance(submit, Submit)
    talk.release(submit.segment, [Released()])
    assert talk.next_turns() == []
    talk.receive_target(done("SELECT 1") + IDLE)
    assert talk.next_turns() == [Terminate()]
    assert talk.next_turns() == []


def test_what_was_not_ended_by_a_sync_goes_with_terminate() -> None:
    """Messages of an open segment are never sent once the client says good-bye."""
    talk = conversation()
    assert talk.receive_client(m.parse("", "select 1") + m.TERMINATE) == [Terminate()]


def test_too_large_a_message_is_never_kept() -> None:
    """17 MiB flow through a few KiB; only when all have come is there an execution, refused.

    An answer before that would meet a client that still sends, and libpq would wait for ever.
    """
    talk = conversation()
    text = b"x" * (JUDGED_LIMIT + 1)
    head = b"Q" + (len(text) + 5).to_bytes(4, "big")
    assert talk.receive_client(head + text[:1000]) == []
    for at in range(1000, len(text), 65536):
        assert talk.receive_client(text[at : at + 65536]) == []
        assert talk.held < 70_000
    submit = talk.receive_client(b"\x00")[0]
    assert isinstance(submit, Submit)
    assert submit.segment.executions[0].forced is not None
    sent = talk.release(submit.segment, [Released()])
    assert b"gk_" in sent
    assert len(sent) < 100
    assert talk.held == 0


def test_copy_messages_outside_copy_are_swallowed() -> None:
    """The target would ignore d, c and f: they are not even forwarded, wherever they stand."""
    link = Link()
    stray = m.frame(b"d", b"x" * 100_000) + m.frame(b"c") + m.frame(b"f", b"why\x00")
    data = m.parse("", "select 1") + stray + m.bind("", "") + m.execute("") + m.SYNC
    for at in range(0, len(stray + data), 7001):
        link.client((stray + data)[at : at + 7001])
    assert not link.violations
    assert link.sent == m.parse("", "select 1") + m.bind("", "") + m.execute("") + m.SYNC


def test_a_client_that_never_syncs_cannot_fill_memory() -> None:
    """A segment is cut at 1,000 messages, behind an Execute, and goes on as the next."""
    link = Link()
    one = m.bind("", "s") + m.execute("")
    link.client(m.parse("s", "select 1") + one * 1_200)
    kinds = [turn.segment.kind for turn in link.turns if isinstance(turn, Submit)]
    assert kinds == ["cut", "cut"]
    assert not any(execution.bind_only for execution in link.executions)
    assert SEGMENT_MESSAGES // 2 <= len(link.executions) <= 1_010
    assert link.conversation.held < len(one) * SEGMENT_MESSAGES


def test_after_a_refusal_without_sync_the_rest_is_dropped_undecided() -> None:
    """The target skips up to the Sync, and so do we: no Submit, no bytes, then the Sync."""
    link = Link(judge)
    link.client(m.parse("", "denied") + m.bind("", "") + m.execute("") + m.FLUSH)
    before = link.sent
    assert b"gk_" in before
    link.client(m.bind("", "s") + m.execute("") + m.FLUSH + m.query("select 1"))
    assert link.sent == before
    link.client(m.SYNC)
    assert link.sent == before + m.SYNC
    assert [one.text for one in link.executions] == ["denied"]


def test_what_the_target_skips_is_settled_as_skipped() -> None:
    """After an error nothing up to the Sync ran, in this segment and in those in flight."""
    link = Link()
    for text in ("bad", "two"):
        link.client(m.parse("", text) + m.bind("", "") + m.execute("") + m.FLUSH)
    link.client(m.parse("", "three") + m.bind("", "") + m.execute("") + m.SYNC)
    link.target(PARSED + error("22012", "division by zero"))
    assert [(text, one.kind.value) for text, one in link.outcomes] == [("bad", "failed")]
    link.target(IDLE)
    assert [(text, one.kind.value) for text, one in link.outcomes] == [
        ("bad", "failed"), ("two", "skipped"), ("three", "skipped"),
    ]  # fmt: skip


def test_a_segment_released_after_the_error_is_not_sent() -> None:
    """The gate was still judging when the target failed: the bytes stay here."""
    talk = conversation()
    flushed = m.parse("", "bad") + m.bind("", "") + m.execute("") + m.FLUSH
    first = talk.receive_client(flushed)[0]
    assert isinstance(first, Submit)
    talk.release(first.segment, [Released()])
    second = talk.receive_client(m.bind("", "s") + m.execute("") + m.SYNC)[0]
    assert isinstance(second, Submit)
    talk.receive_target(error("42601", "syntax error"))
    assert talk.release(second.segment, [Released()]) == m.SYNC
    turns = talk.receive_target(IDLE)
    settled = [turn.outcome.kind for turn in turns if isinstance(turn, Settled)]
    assert settled == [OutcomeKind.SKIPPED]
    assert isinstance(turns[-1], Ready)


def test_a_failed_commit_at_sync_undoes_what_was_done() -> None:
    """A deferred constraint fails at the Sync: the outcome of the INSERT says so."""
    link = Link()
    link.client(m.parse("", "insert") + m.bind("", "") + m.execute("") + m.SYNC)
    link.target(PARSED + BOUND + done("INSERT 0 1") + error("23503", "missing") + IDLE)
    outcome = link.outcomes[0][1]
    assert (outcome.kind.value, outcome.tag, outcome.sqlstate) == ("failed", "INSERT 0 1", "23503")
    assert outcome.message == "rolled back with its pipeline: missing"


def test_our_notices_never_cut_a_message() -> None:
    """A notice waits for the end of a row that is half sent, and goes at once otherwise."""
    link = Link()
    link.client(m.query("select 1"))
    note = m.notice_response(NO)
    assert link.conversation.inject_notice(NO) == [Relay(note)]
    answer = COLUMNS + ROW * 2 + done("SELECT 2") + IDLE
    half = len(COLUMNS) + len(ROW) + 8
    link.target(answer[:half])
    assert link.conversation.inject_notice(NO) == []
    link.target(answer[half : half + 1])
    link.target(answer[half + 1 :])
    cut = len(COLUMNS) + 2 * len(ROW)
    assert link.relayed == answer[:cut] + note + answer[cut:]


def test_a_notification_is_told_and_relayed() -> None:
    """Of its payload length and hash are kept: it is a channel between sessions."""
    talk = conversation()
    data = m.frame(b"A", b"\x00\x00\x00\x07jobs\x00hello\x00")
    relay, told = talk.receive_target(data)
    assert relay == Relay(data)
    assert isinstance(told, Notification)
    assert (told.channel, told.length, told.sha256[:8]) == ("jobs", 5, "2cf24dba")


def test_the_end_of_a_target_is_relayed_and_leaves_the_rest_unsettled() -> None:
    """FATAL may come at any time; what was running is known to have failed, the rest is not."""
    link = Link()
    link.client(
        m.parse("", "one") + m.bind("", "") + m.execute("")
        + m.parse("", "two") + m.bind("", "") + m.execute("") + m.SYNC
    )  # fmt: skip
    link.target(PARSED + BOUND + done("SELECT 0") + PARSED + BOUND)
    link.target(error("57P01", "terminating connection", "FATAL") + b"junk")
    assert shape(link.relayed)[-1] == "E 57P01"
    assert [(text, one.kind.value) for text, one in link.outcomes] == [("two", "failed")]
    assert [one.text for one in link.conversation.unsettled()] == ["one"]
    assert not link.violations


def test_a_fatal_error_while_nothing_runs() -> None:
    """An idle connection that the target ends is no fault."""
    talk = conversation()
    turns = talk.receive_target(error("25P03", "idle too long", "FATAL"))
    assert [type(turn) for turn in turns] == [Relay]


def test_a_cancelled_statement_is_not_a_failed_one() -> None:
    """57014 is CANCELLED."""
    link = Link()
    link.client(m.query("select pg_sleep(60)"))
    link.target(error("57014", "canceling statement due to user request") + IDLE)
    assert link.outcomes[0][1].kind is OutcomeKind.CANCELLED


def test_text_that_is_not_utf8_is_opaque() -> None:
    """What cannot be read as the target reads it is flagged, in either protocol."""
    link = Link()
    link.client(b"Q\x00\x00\x00\x07\xff\xfe\x00")
    link.target(error("22021", "invalid byte sequence") + IDLE)
    link.client(
        m.frame(b"P", b"\x00\xff\xfe\x00\x00\x00") + m.bind("", "") + m.execute("") + m.SYNC
    )
    assert [one.unknown_source for one in link.executions] == [True, True]


def test_constructed_without_a_vector_it_waits_for_the_proxy() -> None:
    """A conversation may begin before the session vector is known."""
    talk = Conversation(draw_nonce=lambda: "0", target="shop", vector=None)
    assert talk.vector is None
    assert talk.transaction_status == "I"
