"""A target is kept awake while a segment is judged: when a Sync may go, and whose its answer is.

That a client cannot tell is proven against a real server in test_interleavings and
test_cut_pipelines.
"""

from __future__ import annotations

import pytest
from support.postgres_link import Link, conversation, run
from support.postgres_script import BOUND, IDLE, NO, PARSED, TAKING, done, error

from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Conversation,
    Notification,
    Onward,
    Ready,
    Refused,
    Relay,
    Released,
    Segment,
    Settled,
    Submit,
    ToTarget,
)

ANSWERED = {status: m.ready_for_query(status) for status in "ITE"}


def submitted(talk: Conversation, data: bytes) -> Segment:
    """The one segment that these bytes of the client make."""
    (turn,) = talk.receive_client(data)
    assert isinstance(turn, Submit)
    return turn.segment


def standing(status: str) -> Conversation:
    """A conversation at a ReadyForQuery with this status."""
    talk = conversation()
    begin = submitted(talk, m.query("begin"))
    talk.release(begin, [Released()])
    talk.receive_target(done("BEGIN") + ANSWERED[status])
    return talk


@pytest.mark.parametrize("status", "ITE")
def test_a_target_at_rest_is_spoken_to(status: str) -> None:
    """One Sync at a time; the client hears nothing of it, and the state is as it was."""
    talk = standing(status)
    segment = submitted(talk, m.query("delete from t"))
    for _ in range(3):
        assert talk.keep_awake() == m.SYNC
        assert talk.keep_awake() == b""
        assert talk.receive_target(ANSWERED[status]) == [Onward()]
        assert talk.transaction_status == status
    assert talk.release(segment, [Released()]) == m.query("delete from t")
    (relay, settled, ready) = talk.receive_target(done("DELETE 1") + ANSWERED[status])
    assert relay == Relay(done("DELETE 1") + ANSWERED[status])
    assert isinstance(settled, Settled)
    assert settled.outcome.bytes_out == len(done("DELETE 1") + ANSWERED[status])
    assert ready == Ready(status)


def test_nothing_is_said_where_nothing_waits() -> None:
    """Without a segment that is judged there is nobody to be kept awake for."""
    talk = standing("I")
    assert talk.keep_awake() == b""
    segment = submitted(talk, m.query("select 1"))
    talk.release(segment, [Released()])
    assert talk.keep_awake() == b""


def test_nothing_is_said_where_it_would_commit() -> None:
    """Messages that no Sync has ended, answered or not; a Query among them does not end them."""
    talk = standing("I")
    first = submitted(talk, run("insert into t values (1)") + m.FLUSH)
    talk.release(first, [Released()])
    waiting = submitted(talk, run("delete from t") + m.FLUSH)
    assert talk.keep_awake() == b""
    talk.receive_target(PARSED + BOUND + done("INSERT 0 1"))
    assert talk.in_transaction
    assert talk.keep_awake() == b""
    talk.release(waiting, [Released()])
    talk.receive_target(PARSED + BOUND + done("DELETE 1"))
    query = submitted(talk, m.query("select 1"))
    talk.release(query, [Released()])
    talk.receive_target(done("SELECT 1") + IDLE)
    submitted(talk, m.query("delete from t"))
    assert talk.in_transaction
    assert talk.keep_awake() == b""


def test_a_transaction_is_open_from_its_begin_on() -> None:
    """As the target says, failed or not."""
    assert [standing(status).in_transaction for status in "ITE"] == [False, True, True]


def test_what_the_target_says_meanwhile_passes_on() -> None:
    """Notices, notifications and reports reach the client, before and behind the answer to ours."""
    talk = standing("T")
    submitted(talk, m.query("delete from t"))
    talk.keep_awake()
    notice = m.notice_response(WireMessage("00000", "vacuuming", severity="NOTICE"))
    told = m.frame(b"A", b"\0\0\0\1news\0x\0")
    report = m.parameter_status("TimeZone", "UTC")
    turns = talk.receive_target(notice + told + report + ANSWERED["T"] + notice)
    assert turns[0] == Relay(notice + told + report + notice)
    assert [type(turn) for turn in turns[1:]] == [Notification, Onward]
    assert talk.reported == {"TimeZone": "UTC"}


def test_the_last_words_of_a_target_pass_on() -> None:
    """A FATAL in answer to our Sync is the client's, too."""
    talk = standing("I")
    submitted(talk, m.query("delete from t"))
    talk.keep_awake()
    fatal = error("57P01", "terminating connection due to administrator command", "FATAL")
    assert talk.receive_target(fatal) == [Relay(fatal)]


def test_an_error_in_answer_to_it_fails_the_transaction_unseen() -> None:
    """The client meets the failed transaction with its next statement, as it does anywhere."""
    talk = standing("T")
    submitted(talk, m.query("delete from t"))
    talk.keep_awake()
    assert talk.receive_target(error("40001", "conflict with recovery")) == []
    assert talk.receive_target(ANSWERED["E"]) == [Onward()]
    assert talk.transaction_status == "E"


def test_a_release_may_overtake_the_answer() -> None:
    """What was released goes out behind the Sync; the first ReadyForQuery is still ours."""
    talk = standing("T")
    segment = submitted(talk, run("delete from t") + m.SYNC)
    assert talk.keep_awake() == m.SYNC
    talk.release(segment, [Released()])
    assert talk.receive_target(ANSWERED["T"]) == [Onward()]
    answer = PARSED + BOUND + done("DELETE 1") + ANSWERED["T"]
    (relay, settled, ready) = talk.receive_target(answer)
    assert relay == Relay(answer)
    assert isinstance(settled, Settled)
    assert settled.outcome.bytes_out == len(answer) - len(ANSWERED["T"])
    assert ready == Ready("T")


def test_what_the_client_sent_behind_a_flush_goes_on_with_the_answer() -> None:
    """Its Sync waits for ours; no other reply would ever let it go."""
    link = Link()
    link.judge = lambda _execution: Released()
    talk = link.conversation
    segment = submitted(talk, run("delete from t") + m.FLUSH)
    talk.keep_awake()
    talk.receive_client(m.SYNC)
    talk.release(segment, [Released()])
    assert talk.next_turns() == []
    assert talk.receive_target(IDLE) == [Onward()]
    (turn,) = talk.next_turns()
    assert isinstance(turn, Submit)
    assert talk.release(turn.segment, []) == m.SYNC


def test_what_changes_the_meaning_is_asked_about_behind_it_only() -> None:
    """Not at our own ReadyForQuery: the statement may be a COPY that takes whatever comes for rows."""
    talk = standing("I")
    segment = submitted(talk, m.query("copy t from stdin"))
    talk.keep_awake()
    talk.release(segment, [Released(probe_after=True, copies_in=1)])
    assert talk.receive_target(IDLE) == [Onward()]
    assert [type(turn) for turn in talk.receive_target(TAKING)] == [Relay, Onward]
    assert talk.receive_client(m.frame(b"c")) == [ToTarget(m.frame(b"c"))]
    turns = talk.receive_target(done("COPY 0") + IDLE)
    assert [type(turn) for turn in turns] == [Relay, Settled, Ready, ToTarget]


@pytest.mark.parametrize("answered", [True, False])
def test_a_failed_transaction_keeps_its_own_error(answered: bool) -> None:
    """25P02 is the target's, whether our Sync was answered before the refusal or not."""
    talk = standing("E")
    segment = submitted(talk, m.query("delete from t"))
    talk.keep_awake()
    if answered:
        talk.receive_target(ANSWERED["E"])
    assert talk.release(segment, [Refused(None)]) == m.query("SELECT 1")


def test_no_sync_goes_out_while_rows_are_taken() -> None:
    """What stands behind a COPY waits for its end, and so does everything of ours."""
    talk = standing("I")
    segment = submitted(talk, m.query("copy t from stdin"))
    talk.release(segment, [Released(copies_in=1)])
    talk.receive_target(TAKING)
    assert talk.keep_awake() == b""


def test_a_refusal_keeps_its_words_though_the_meaning_has_changed() -> None:
    """Why it was refused says more; only what was permitted is refused for the change."""
    talk = standing("I")
    segment = submitted(talk, run("delete from t") + run("select 1") + m.SYNC)
    talk.keep_awake()
    talk.receive_target(m.parameter_status("search_path", "evil") + IDLE)
    assert talk.vector is None
    assert talk.reported == {"search_path": "evil"}
    talk.release(segment, [Refused(NO)])
    failing = error("34000", f'portal "gk_{1:032x}" does not exist')
    (relay, *_) = talk.receive_target(failing + IDLE)
    assert relay == Relay(m.error_response(NO) + IDLE)


def test_only_what_texts_are_read_by_is_kept() -> None:
    """A target that reports other settings for ever takes no memory by it."""
    talk = conversation(SessionVector())
    talk.told({"DateStyle": "ISO, DMY", "application_name": "x"})
    for number in range(100):
        talk.receive_target(m.parameter_status(f"extra.{number}", "x"))
    talk.receive_target(m.parameter_status("IntervalStyle", "postgres"))
    assert talk.reported == {"DateStyle": "ISO, DMY", "IntervalStyle": "postgres"}
