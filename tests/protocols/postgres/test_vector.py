"""The session vector, read back inside the client's own session on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.postgres_link import Link
from support.postgres_wire import Wire, frames, shape

from gatekeep.domain.sessions import SessionVector
from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres import vector
from gatekeep.protocols.postgres.conversation import (
    Execution,
    Refused,
    Released,
    Submit,
    ToTarget,
    VectorKnown,
    Verdict,
)

Connect = Callable[[], Wire]


def risky(execution: Execution) -> Verdict:
    """What the gate says of statements that may change how later ones are read."""
    harmless = execution.text.startswith(("select 1", "begin"))
    return Released(probe_after=not harmless)


def started(connect: Connect) -> Link:
    """A link whose vector was read at the start of the session."""
    link = Link(risky, connect())
    wire = link.wire
    assert wire is not None
    wire.send(link.conversation.probe())
    settle(link)
    return link


def settle(link: Link) -> None:
    """Let the target answer until the vector is known, or cannot be asked for."""
    assert link.wire is not None
    while link.conversation.vector is None and link.conversation.transaction_status != "E":
        link.target(link.wire.receive())
        assert not link.violations


def run(link: Link, text: str) -> list[str]:
    """One Query, and the probe behind it if there is one."""
    answer = shape(link.exchange(m.query(text)))
    settle(link)
    return answer


def test_the_vector_is_known_at_the_start_and_nobody_sees_the_question(connect: Connect) -> None:
    """Values are the target's own words; nothing of the probe is relayed."""
    link = started(connect)
    assert link.conversation.vector == SessionVector()
    assert link.relayed == b""
    assert link.ready == []


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("set standard_conforming_strings = off", {"standard_conforming_strings": "off"}),
        ("select set_config('search_path', 'pg_catalog, x', false)",
         {"search_path": "pg_catalog, x"}),
        ("select set_config('search_path', '', false)", {"search_path": ""}),
        ("set client_encoding = LATIN1", {"client_encoding": "LATIN1"}),
        ("set role pg_monitor", {"role": "pg_monitor"}),
        ("set session_replication_role = replica", {"session_replication_role": "replica"}),
        ("set row_security = off", {"row_security": "off"}),
        ("set default_transaction_read_only = on", {"transaction_read_only": "on"}),
        ("create temp table t(x int)", {"temp_objects": True}),
        ("do $$ begin perform set_config('standard_conforming_strings', 'off', false); end $$",
         {"standard_conforming_strings": "off"}),
    ],
)  # fmt: skip
def test_every_field_is_followed(connect: Connect, text: str, change: dict[str, object]) -> None:
    """Whatever changes it, the vector is read again before the next statement is submitted."""
    link = started(connect)
    run(link, text)
    wanted = {name: getattr(SessionVector(), name) for name in SessionVector.__dataclass_fields__}
    assert link.conversation.vector == SessionVector(**(wanted | change))
    assert shape(link.exchange(m.query("select 1"))) == ["T", "D", "C SELECT 1", "Z I"]


def test_what_was_sent_meanwhile_waits_for_the_vector(connect: Connect) -> None:
    """The statement behind a flip is submitted only under the vector that it will be read with."""
    link = started(connect)
    flip = m.query("select set_config('standard_conforming_strings', 'off', false)")
    link.exchange(flip + m.query(r"select 1 as a where 'a\', ' is null"), 2)
    settle(link)
    kinds = [type(turn) for turn in link.turns]
    known = max(at for at, kind in enumerate(kinds) if kind is VectorKnown)
    submits = [turn for turn in link.turns if isinstance(turn, Submit)]
    assert kinds.index(ToTarget) < known
    assert known < link.turns.index(submits[1])
    assert submits[1].segment.vector is not None
    assert submits[1].segment.vector.standard_conforming_strings == "off"


def test_inside_a_transaction_the_probe_changes_nothing(connect: Connect) -> None:
    """Same transaction before and after; a ROLLBACK brings the old vector back, and it is seen."""
    link = started(connect)
    run(link, "begin")
    run(link, "set local search_path = x")
    assert link.conversation.vector == SessionVector(search_path="x")
    assert link.conversation.transaction_status == "T"
    run(link, "rollback")
    assert link.conversation.vector == SessionVector()


def test_in_a_failed_transaction_nothing_is_asked(connect: Connect) -> None:
    """The vector stays unknown until the transaction is over."""
    link = started(connect)
    run(link, "begin")
    run(link, "select set_config('search_path', 'x', false), 1 / 0")
    assert link.conversation.transaction_status == "E"
    assert link.conversation.vector is None
    assert shape(link.exchange(m.query("select 1"))) == ["E 25P02", "Z E"]
    run(link, "rollback")
    assert link.conversation.vector == SessionVector()


def test_a_change_that_the_target_reports_is_enough(connect: Connect) -> None:
    """ParameterStatus against the vector: it is read again though the gate said nothing."""
    link = started(connect)
    link.judge = lambda _: Released()
    run(link, "set client_encoding = LATIN1")
    assert link.conversation.vector == SessionVector(client_encoding="LATIN1")
    link.client(m.query("select 1"))
    assert link.executions[-1].unknown_source


def test_a_report_while_the_gate_judges_refuses_what_was_judged(connect: Connect) -> None:
    """A verdict under a vector that no longer holds forwards nothing."""
    link = started(connect)
    submit = link.conversation.receive_client(m.query("select 1"))[0]
    assert isinstance(submit, Submit)
    link.conversation.receive_target(m.parameter_status("standard_conforming_strings", "off"))
    sent = link.conversation.release(submit.segment, [Released()])
    assert b"select 1" not in sent


def test_behind_a_flush_the_vector_is_unknown_at_once(connect: Connect) -> None:
    """No ReadyForQuery comes there, and a Sync of ours would commit: the gate is told None."""
    link = started(connect)
    link.client(m.parse("", "do $$ begin end $$") + m.bind("", "") + m.execute("") + m.FLUSH)
    assert link.conversation.vector is None
    wire = link.wire
    assert wire is not None
    while b"DO" not in link.relayed:
        link.target(wire.receive())
    assert not [turn for turn in link.turns[1:] if isinstance(turn, ToTarget)]
    link.exchange(m.SYNC)
    settle(link)
    assert link.conversation.vector == SessionVector()


def test_a_name_that_code_took_away_and_gave_again_has_no_text(connect: Connect) -> None:
    """A function may DEALLOCATE and PREPARE behind our back: the old text is not believed."""
    link = started(connect)
    link.exchange(m.parse("p", "select 1") + m.parse("q", "select 1 as q") + m.SYNC)
    run(
        link,
        "do $$ begin execute 'deallocate p'; execute 'prepare p as select 2'; end $$",
    )
    for name in "pq":
        link.exchange(m.bind("", name) + m.execute("") + m.SYNC)
        settle(link)
    assert [(one.text, one.unknown_source) for one in link.executions[-2:]] == [
        ("", True), ("select 1 as q", False),
    ]  # fmt: skip


def test_names_are_looked_up_where_nobody_can_put_others(connect: Connect) -> None:
    """With search_path in a stranger's hands and shadowing objects, the answer is still true."""
    link = started(connect)
    run(
        link,
        "create schema shadow; create function shadow.current_setting(text) returns text"
        " language sql as $$ select 'origin' $$; create function shadow.pg_my_temp_schema()"
        " returns oid language sql as $$ select 0::oid $$; create temp view"
        " pg_prepared_statements as select 1; set search_path = shadow, pg_catalog",
    )
    try:
        assert link.conversation.vector == SessionVector(
            search_path="shadow, pg_catalog", temp_objects=True
        )
    finally:
        run(link, "drop schema shadow cascade")


def test_a_refusal_needs_no_new_vector(connect: Connect) -> None:
    """What never ran changed nothing."""
    link = started(connect)
    link.judge = lambda _: Refused(None)
    link.exchange(m.query("set search_path = x"))
    assert link.conversation.vector == SessionVector()


@pytest.mark.parametrize(
    "row", [b"", b"\x00\x01\xff\xff\xff\xff", b"\x00\x09" + b"\xff\xff\xff\xff" * 9, b"\x00\x09"]
)
def test_an_answer_of_another_shape_is_the_targets_fault(row: bytes) -> None:
    """Nothing is guessed from it."""
    with pytest.raises(TargetFault):
        vector.read_row(row)


def test_columns_that_are_not_there_are_not_counted() -> None:
    """A short answer that claims 65,535 columns costs no time."""

    class Watched(bytes):
        looks = 0

        def __getitem__(self, at: object) -> object:
            type(self).looks += 1
            return super().__getitem__(at)  # type: ignore[index] # whatever bytes take

    with pytest.raises(TargetFault):
        vector.read_row(Watched(b"\xff\xff" + bytes(40)))
    assert Watched.looks < 30


def test_a_session_that_ends_while_we_ask_owes_nothing_for_our_question() -> None:
    """The probe in flight is no execution of the client's; what it sent stays to be told as unknown."""
    link = Link(lambda _: Released(probe_after=True))
    link.client(m.query("select flip()"))
    assert [one.text for one in link.conversation.unsettled()] == ["select flip()"]
    link.target(m.frame(b"C", b"SELECT 1\0") + m.ready_for_query("I"))
    assert b"gk_" in link.sent
    assert link.conversation.unsettled() == []


def test_a_probe_that_fails_ends_the_conversation(connect: Connect) -> None:
    """Without the vector nothing can be judged."""
    link = Link()
    link.conversation.probe()
    failure = m.fields_frame(b"E", [(b"S", b"ERROR"), (b"C", b"XX000"), (b"M", b"no")])
    link.target(failure + m.ready_for_query("I"))
    assert [one.owner for one in link.violations] == ["target"]
    assert not list(frames(link.relayed))


TWO_FACED = "WITH x AS (SELECT 'a\\', '), y AS (VALUES (1)) SELECT 1 --') SELECT 1"
"""One statement where a backslash is a letter, and another where it escapes the quote."""


@pytest.mark.parametrize(
    "there_and_back",
    [
        ("set standard_conforming_strings = off", "set standard_conforming_strings = on"),
        ("set client_encoding = latin1", "set client_encoding = utf8"),
    ],
)
@pytest.mark.parametrize("behind", ["", "pipeline", "flush"])
def test_a_statement_is_read_as_it_was_when_it_was_parsed(
    connect: Connect, there_and_back: tuple[str, str], behind: str
) -> None:
    """The target reads a text once, at Parse: settings changed back since do not change that."""
    link = started(connect)
    there, back = there_and_back
    parse = m.parse("two", TWO_FACED) + m.parse("plain", "select 1")
    if behind:
        flip = m.parse("", there) + m.bind("", "") + m.execute("")
        link.exchange(flip + (m.FLUSH if behind == "flush" else b"") + parse + m.SYNC)
        settle(link)
    else:
        run(link, there)
        link.exchange(parse + m.SYNC)
    run(link, back)
    assert link.conversation.vector == SessionVector()
    link.exchange(b"".join(m.bind("", one) + m.execute("") for one in ("two", "plain")) + m.SYNC)
    doubted, plain = link.executions[-2:]
    assert doubted.unknown_source
    assert plain.text == "select 1"
    assert not plain.unknown_source


@pytest.mark.parametrize("refused", ["query", "extended"])
def test_a_refusal_behind_a_flushed_rollback_is_ours(connect: Connect, refused: str) -> None:
    """The transaction may have ended since the last report: no 25P02 is counted on."""
    link = started(connect)
    run(link, "begin")
    run(link, "select 1 / 0")
    link.client(m.parse("", "rollback") + m.bind("", "") + m.execute("") + m.FLUSH)
    link.judge = lambda _: Refused(None)
    last = m.parse("", "select 2") + m.bind("", "") + m.execute("") + m.SYNC
    answer = link.exchange(m.query("select 2") if refused == "query" else last)
    assert shape(answer)[-3:] == ["C ROLLBACK", "E 0A000", "Z I"]
    assert not link.violations
