"""Pipelines that are cut, against a real PostgreSQL: nothing is read too early, nobody notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.postgres_link import NO, Link, conversation, risky, run
from support.postgres_script import BOUND, IDLE, PARSED, done
from support.postgres_wire import Wire, frames, shape

from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import cutting, vector
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Refused,
    Released,
    Submit,
    VectorKnown,
    Verdict,
)

Connect = Callable[[], Wire]

PLAIN = "select 1"
SET = "set search_path = x"


def read_under(link: Link) -> list[tuple[str, str | None]]:
    """Each text that was submitted, with the search_path under which, in order."""
    return [
        (one.text, turn.segment.vector and turn.segment.vector.search_path)
        for turn in link.turns
        if isinstance(turn, Submit)
        for one in turn.segment.executions
    ]


# --- what is read when ------------------------------------------------------------------------------


def test_the_rest_of_a_pipeline_is_submitted_under_what_holds_by_then(connect: Connect) -> None:
    """One Sync, two changes: three parts, each read as the target reads it, one ReadyForQuery."""
    link = Link(risky, connect())
    answer = link.exchange(
        run(PLAIN) + run(SET) + run("select 1 as b") + run("set search_path = y")
        + run("select 1 as c") + m.SYNC
    )  # fmt: skip
    row = ["1", "2", "D", "C SELECT 1"]
    assert shape(answer) == [*row, "1", "2", "C SET", *row, "1", "2", "C SET", *row, "Z I"]
    meant = dict(read_under(link))
    assert (meant["select 1 as b"], meant["select 1 as c"]) == ("x", "y")
    assert not link.conversation.unsettled()


def test_not_a_byte_of_the_rest_is_sent_before_the_row_is_there() -> None:
    """The question goes out behind the first part with a Flush, and then there is silence."""
    link = Link(risky)
    link.client(run(SET) + run("select 1 as b") + m.SYNC)
    asked = vector.probe(f"{1:032x}", sync=False).raw
    assert link.sent == run(SET) + asked
    link.target(PARSED + BOUND + done("SET"))
    link.client(run("select 1 as c") + m.SYNC)
    assert link.sent == run(SET) + asked
    assert m.SYNC not in link.sent
    assert [kind for kind, _ in frames(link.sent)][-1] == "H"


def test_a_statement_parsed_behind_a_flip_is_known_and_not_doubted(connect: Connect) -> None:
    """It is read when the string syntax is known, so that its later executions have a text."""
    link = Link(risky, connect())
    link.exchange(run(SET) + m.parse("s", "select 1 where 'a' = 'a'") + m.SYNC)
    while link.conversation.vector is None:
        assert link.wire is not None
        link.target(link.wire.receive())
    link.exchange(m.bind("", "s") + m.execute("") + m.SYNC)
    assert link.executions[-1].text.endswith("'a' = 'a'")
    assert not link.executions[-1].unknown_source


def test_a_bind_is_enough_to_be_cut_behind(connect: Connect) -> None:
    """Planning runs code: what is parsed between the Bind and the Execute of a flip waits."""
    link = Link(risky, connect())
    answer = link.exchange(
        m.parse("z", SET) + m.bind("z", "z") + m.parse("a", "select 1 as a") + m.bind("a", "a")
        + m.execute("a") + m.execute("z") + m.SYNC
    )  # fmt: skip
    assert shape(answer) == ["1", "2", "1", "2", "D", "C SELECT 1", "C SET", "Z I"]
    first = next(turn.segment for turn in link.turns if isinstance(turn, Submit))
    assert [one.text for one in first.executions] == [SET]
    assert first.executions[0].bind_only


def test_what_may_be_a_copy_is_answered_to_its_end_before_anything_is_asked(
    connect: Connect,
) -> None:
    """Nothing of ours can meet a target that takes rows."""
    link = Link(risky, connect())
    link.client(run("copy (values (1)) to stdout") + run("select 1 as b") + m.SYNC)
    assert link.sent == run("copy (values (1)) to stdout") + m.FLUSH
    assert link.wire is not None
    while not link.ready:
        link.target(link.wire.receive())
    assert shape(link.relayed) == [
        "1", "2", "H", "d", "c", "C COPY 1", "1", "2", "D", "C SELECT 1", "Z I",
    ]  # fmt: skip


def test_behind_a_flush_the_answer_comes_without_a_sync(connect: Connect) -> None:
    """The transaction stays open, the vector is known, and the next statement is judged."""
    link = Link(risky, connect())
    link.client(run(SET) + m.FLUSH)
    assert link.wire is not None
    while link.conversation.vector is None:
        link.target(link.wire.receive())
    assert link.conversation.vector.search_path == "x"
    link.exchange(run(PLAIN) + run("select 1/0 as zero") + m.SYNC)
    while link.conversation.vector is None:
        link.target(link.wire.receive())
    assert link.conversation.vector == SessionVector()  # the error took the SET back


def test_what_was_set_locally_ends_with_the_sync(connect: Connect) -> None:
    """No statement ends it, so what was read back in a pipeline holds for that pipeline only."""
    link = Link(risky, connect())
    link.exchange(run("set local search_path = x") + run(PLAIN) + m.SYNC)
    while link.conversation.vector is None:
        assert link.wire is not None
        link.target(link.wire.receive())
    assert dict(read_under(link))[PLAIN] == "x"
    assert isinstance(link.turns[-1], VectorKnown)
    assert link.conversation.vector == SessionVector()


# --- errors -----------------------------------------------------------------------------------------


def test_a_pipeline_that_fails_at_its_end_undoes_all_of_its_parts(connect: Connect) -> None:
    """No Sync of ours commits, and outcomes say what became of each."""
    link = Link(risky, connect())
    link.exchange(m.query("create temp table t (n int)"))
    insert = "insert into t values (1)"
    link.exchange(run(insert) + run(SET) + run(insert) + run("select 1/0") + run(PLAIN) + m.SYNC)
    ends = [(text, one.kind) for text, one in link.outcomes[1:]]
    assert ends == [
        (insert, OutcomeKind.FAILED), (SET, OutcomeKind.FAILED), (insert, OutcomeKind.FAILED),
        ("select 1/0", OutcomeKind.FAILED), (PLAIN, OutcomeKind.SKIPPED),
    ]  # fmt: skip
    assert b"\x00\x010" in link.exchange(m.query("select count(*) from t"))


def test_a_query_among_messages_without_a_sync_keeps_their_transaction_open(
    connect: Connect,
) -> None:
    """The target answers it with T and commits nothing; neither does our question behind it."""
    direct = connect()
    direct.exchange(m.query("drop table if exists unsynced; create table unsynced (n int)"))
    link = Link(risky, connect())
    insert = run("insert into unsynced values (1)") + m.query("set work_mem = '1MB'")
    link.client(insert + m.query("select 1/0") + m.SYNC + m.query("select 'over'"))
    assert link.wire is not None
    while b"over" not in link.relayed or link.conversation.backlog:
        link.target(link.wire.receive())
        assert not link.violations, link.violations
    rows = [body for kind, body in frames(direct.exchange(m.query("select n from unsynced"))) if kind == "D"]
    assert rows == []


def test_what_waits_behind_a_part_that_fails_is_dropped_undecided(connect: Connect) -> None:
    """It is never submitted again, and the client's own Sync brings ReadyForQuery."""
    link = Link(risky, connect())
    answer = link.exchange(run("set nonsense = 1") + run("select 1 as b") + m.SYNC)
    assert shape(answer) == ["1", "2", "E 42704", "Z I"]
    assert [text for text, _ in read_under(link)] == ["set nonsense = 1"]
    assert [text for text, _ in link.outcomes] == ["set nonsense = 1"]
    assert shape(link.exchange(m.query(PLAIN))) == ["T", "D", "C SELECT 1", "Z I"]


@pytest.mark.parametrize("behind", [run(PLAIN) + m.SYNC, m.SYNC])
def test_an_error_to_our_own_question_answers_the_clients_next_message(behind: bytes) -> None:
    """A cancel may meet it: the client is told by the target's words, and the rest is dropped."""
    link = Link(risky)
    link.client(run(SET) + m.FLUSH)
    link.target(PARSED + BOUND + done("SET"))
    cancel = m.error_response(WireMessage("57014", "canceling statement due to user request"))
    link.target(PARSED + BOUND + cancel)
    assert shape(link.relayed) == ["1", "2", "C SET"]
    link.client(behind)
    assert shape(link.relayed) == ["1", "2", "C SET", "E 57014"]
    assert link.sent.endswith(m.SYNC)
    link.target(IDLE)
    assert shape(link.relayed)[-1] == "Z I"
    assert PLAIN not in [text for text, _ in link.outcomes]


def test_an_error_to_our_own_question_rolls_back_its_pipeline() -> None:
    """What was done before it is not told as done."""
    link = Link(risky)
    link.client(run(SET) + run(PLAIN) + m.SYNC)
    link.target(PARSED + BOUND + done("SET"))
    link.target(m.error_response(WireMessage("53200", "out of memory")))
    link.target(IDLE)
    assert [(text, one.kind) for text, one in link.outcomes] == [(SET, OutcomeKind.FAILED)]
    assert shape(link.relayed) == ["1", "2", "C SET", "E 53200", "Z I"]


def test_a_refusal_in_the_rest_fails_the_whole_pipeline(connect: Connect) -> None:
    """As it does in a pipeline that is not cut."""
    link = Link(risky, connect())
    answer = link.exchange(run(SET) + run("select 'denied'") + run(PLAIN) + m.SYNC)
    assert shape(answer) == ["1", "2", "C SET", "E 42501", "Z I"]
    assert [(text, one.kind) for text, one in link.outcomes] == [(SET, OutcomeKind.FAILED)]


def test_in_a_failed_transaction_a_rollback_is_followed_at_once(connect: Connect) -> None:
    """Its success leaves the failed state, so the question behind it is answered."""
    link = Link(risky, connect())
    link.exchange(m.query("begin"))
    link.exchange(m.query("select 1/0"))
    answer = link.exchange(run("rollback") + run(PLAIN) + m.SYNC)
    assert shape(answer) == ["1", "2", "C ROLLBACK", "1", "2", "D", "C SELECT 1", "Z I"]


def test_in_a_failed_transaction_nothing_else_is_followed_by_a_question(connect: Connect) -> None:
    """The target would answer it with an error of its own and skip what the client sent."""
    link = Link(risky, connect())
    link.exchange(m.query("begin"))
    link.exchange(m.query("select 1/0"))
    # A Bind of ROLLBACK alone ends nothing: what follows is judged with no vector.
    answer = link.exchange(
        m.parse("r", "rollback") + m.bind("", "r") + m.FLUSH + m.execute("") + m.SYNC
    )
    assert shape(answer) == ["1", "2", "C ROLLBACK", "Z I"]
    assert read_under(link)[-1][1] is None


# --- pieces -----------------------------------------------------------------------------------------


def test_a_long_pipeline_of_changes_is_not_read_over_and_over() -> None:
    """A thousand messages, cut behind each statement: what is read in all grows with them only."""
    link = Link(risky)
    count = 300
    link.client(run(SET) * count + m.SYNC)
    row = b"\x00\x09" + b"".join(
        len(value).to_bytes(4, "big") + value
        for value in (b"on", b"UTF8", b"x", b"none", b"origin", b"on", b"off", b"0", b"[]")
    )
    answer = PARSED + BOUND + m.frame(b"D", row) + done("SELECT 1") + m.frame(b"3") * 2
    for _ in range(count - 1):
        link.target(PARSED + BOUND + done("SET") + answer)
    link.target(PARSED + BOUND + done("SET") + IDLE)
    submitted = [turn.segment for turn in link.turns if isinstance(turn, Submit)]
    assert [text for text, _ in link.outcomes] == [SET] * count
    assert len(submitted) == count
    assert link.conversation._names.last_key < 3 * count  # executions that were ever read


def test_places_in_a_pipeline_are_counted_over_its_cuts(connect: Connect) -> None:
    """For the words of a refusal: how many stand before it and behind it."""
    link = Link(risky, connect())
    link.exchange(run(SET) + run(SET) + run(PLAIN) + run(PLAIN) + m.SYNC)
    submitted = [turn.segment for turn in link.turns if isinstance(turn, Submit)]
    assert [(one.before, one.behind) for one in submitted] == [(0, 0), (1, 2), (2, 0)]


def test_too_large_messages_behind_a_cut_are_still_refused_as_such(connect: Connect) -> None:
    """They were not kept, and what stands for them is not taken for a broken message."""
    link = Link(risky, connect())
    large = m.parse("", "select '" + "x" * (17 << 20) + "'") + m.bind("", "") + m.execute("")
    answer = link.exchange(run(SET) + large + m.SYNC)
    assert shape(answer) == ["1", "2", "C SET", "E 54000", "Z I"]


# --- verdicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [Released(probe_after=True), Released()],
        [Released(probe_after=True), Refused(NO)],
        [Refused(NO)],
        [Released()] * 3,
    ],
)
def test_verdicts_that_would_forward_what_was_not_judged_are_refused(
    verdicts: list[Verdict],
) -> None:
    """Whoever plays the gate: nothing is released behind what may change its meaning."""
    talk = conversation()
    (submit,) = talk.receive_client(run(PLAIN) + run(PLAIN) + m.SYNC)
    assert isinstance(submit, Submit)
    with pytest.raises(ValueError, match="verdicts"):
        talk.release(submit.segment, verdicts)


def test_a_released_part_may_be_short(connect: Connect) -> None:
    """The gate may stop anywhere behind a permit: the rest is asked about, then comes again."""
    link = Link(risky, connect())
    talk, wire = link.conversation, link.wire
    assert wire is not None
    (submit,) = talk.receive_client(run(PLAIN) + run("select 1 as b") + m.SYNC)
    assert isinstance(submit, Submit)
    wire.send(talk.release(submit.segment, [Released()]))
    while not link.ready:
        link.target(wire.receive())
    assert shape(link.relayed) == ["1", "2", "D", "C SELECT 1"] * 2 + ["Z I"]


def test_states_are_told_apart() -> None:
    """The four that are kept."""
    assert len({cutting.KNOWN, cutting.OWED, cutting.ASKED, cutting.LENT}) == 4
