"""The target's replies: the grammar against a real server, and against one that lies."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from support.postgres_link import Link
from support.postgres_wire import Wire, shape

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import Execution, Refused, Relay, Released, Verdict

Connect = Callable[[], Wire]
NO = WireMessage("42501", "gatekeep: no")
IDLE = m.ready_for_query("I")
COLUMNS = m.frame(b"T", b"\x00\x01n\x00" + bytes(18))
ROW = m.frame(b"D", b"\x00\x01\x00\x00\x00\x011")
TAG = m.frame(b"C", b"SELECT 1\x00")
FAILED = m.error_response(WireMessage("22012", "division by zero"))
QUERY = m.query("select 1")
EXTENDED = m.parse("", "select 1") + m.bind("", "") + m.execute("") + m.SYNC

TEXTS = [
    "select 1", "select generate_series(1, 5)", "", "begin", "commit", "rollback", "select 1/0",
    "syntax error", "insert into nowhere values (1)", "set work_mem = '1MB'", "deallocate all",
    "savepoint a", "rollback to a", "select 'denied'", "close all", "declare c cursor for select 1",
    "do $$ begin raise notice 'gatekeep: pay here'; end $$",
    "copy (select generate_series(1, 5)) to stdout", "copy (values (1), (1/0)) to stdout",
    "copy (select 1) to stdout; select 2; copy (select '') to stdout (format binary)",
]  # fmt: skip


def judge(execution: Execution) -> Verdict:
    """Refuses whatever says so itself."""
    if "denied" in execution.text:
        return Refused(NO)
    # As the proxy does: what is opaque may be one COPY.
    copies = 1 if execution.unknown_source else execution.text.count("to stdout")
    return Released(copies_out=copies)


def message(draw: random.Random) -> tuple[bytes, int]:
    """A message, and how many ReadyForQuery it asks for at most."""
    name = draw.choice(["", "", "a", "b"])
    other = draw.choice(["", "", "a", "p"])
    text = draw.choice(TEXTS)
    return draw.choice(
        [
            lambda: (m.query(text), 1),
            lambda: (m.parse(name, text), 0),
            lambda: (m.parse(name, text) + m.bind(other, name), 0),
            lambda: (m.parse(name, text) + m.bind(other, name) + m.execute(other), 0),
            lambda: (m.bind(other, name), 0),
            lambda: (m.bind(other, name) + m.describe("P", other) + m.execute(other, 2), 0),
            lambda: (m.execute(other), 0),
            lambda: (m.execute(other, 1), 0),
            lambda: (m.describe(draw.choice("SP"), name), 0),
            lambda: (m.close(draw.choice("SP"), name), 0),
            lambda: (m.FLUSH, 0),
            lambda: (m.SYNC, 1),
            lambda: (m.SYNC, 1),
        ]
    )()


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_messages_meets_the_replies_that_we_expect(
    connect: Connect, seed: int
) -> None:
    """Random pipelines of everything but COPY FROM STDIN: no reply surprises us, every execution settles.

    Where nothing is refused, the client gets what direct execution gives.
    """
    draw = random.Random(seed)
    link, direct = Link(judge, connect()), connect()
    refusals = 0
    for _ in range(12):
        data = b"".join(message(draw)[0] for _ in range(draw.randint(1, 9)))
        if b"denied" in data:
            refusals += 1
        data += m.SYNC
        # A known result ends the round on both sides, whatever was skipped or failed before.
        end = m.query("rollback") + m.query("select 'end of round'")
        before = len(link.relayed)
        link.client(data + end)
        assert link.wire is not None
        while not _rounds_end(link.relayed[before:]) or link.conversation.backlog:
            link.target(link.wire.receive())
            assert not link.violations, (link.violations, data)
        direct.send(data + end)
        wanted = b""
        while not _rounds_end(wanted):
            wanted += direct.message()[2]
        if not refusals:
            assert shape(link.relayed[before:]) == shape(wanted), data
        assert not link.conversation.unsettled()
    assert b"Mgatekeep: pay" not in link.relayed


def _rounds_end(data: bytes) -> bool:
    return b"end of round" in data and data.endswith(m.ready_for_query("I"))


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (QUERY, m.frame(b"G", b"\x00\x00\x00")),  # CopyInResponse to a SELECT: 12-threats H1
        (QUERY, m.frame(b"H", b"\x00\x00\x00")),
        (QUERY, m.frame(b"W", b"\x00\x00\x00")),
        (QUERY, m.authentication_ok()),
        (QUERY, m.authentication(m.AUTH_CLEARTEXT)),
        (QUERY, m.backend_key_data(1, b"1234")),
        (QUERY, m.negotiate_protocol_version(2, ["x"])),
        (QUERY, m.frame(b"?", b"")),
        (QUERY, ROW),
        (QUERY, IDLE),
        (QUERY, m.frame(b"1")),
        (QUERY, COLUMNS + IDLE),
        (QUERY, TAG + m.ready_for_query("Q")),
        (QUERY, TAG + m.frame(b"Z", b"")),
        (QUERY, TAG + m.frame(b"Z", b"II")),
        (QUERY, m.frame(b"C", b"SELECT 1")),
        (QUERY, m.frame(b"C", b"SELECT\x001\x00")),
        (QUERY, m.frame(b"T", b"\x00\x02n\x00" + bytes(18))),
        (QUERY, COLUMNS + b"D\x00\x00\x00\x05x"),
        (QUERY, COLUMNS + b"D\xff\xff\xff\xff"),
        (QUERY, b"T\xff\xff\xff\xff"),
        (QUERY, b"T\x00\x00\x00\x03"),
        (QUERY, m.frame(b"E", b"SERROR\x00")),
        (QUERY, m.frame(b"E", b"SERROR\x00C42\x00Mx\x00\x00")),
        (QUERY, m.frame(b"N", b"\x00\x00")),
        (QUERY, TAG + IDLE + IDLE),
        (QUERY, TAG + IDLE + TAG),
        (QUERY, TAG + IDLE + m.error_response(NO)),
        (EXTENDED, m.frame(b"2")),
        (EXTENDED, m.frame(b"1", b"x")),
        (EXTENDED, m.frame(b"1") + m.frame(b"2") + COLUMNS),
        (EXTENDED, m.frame(b"1") + m.frame(b"2") + IDLE),
        (EXTENDED, FAILED + FAILED + m.frame(b"2")),
        (m.parse("", "x") + m.describe("S", "") + m.SYNC, m.frame(b"1") + m.frame(b"n")),
        (m.parse("", "x") + m.describe("S", "") + m.SYNC, m.frame(b"1") + m.frame(b"t", b"\0\1")),
        (b"", COLUMNS),
        (b"", m.parameter_status("x", "y" * 64_001)),
        (b"", m.parameter_status("x", "y") * 1_001),
        (b"", m.frame(b"S", b"x\x00y\x00z\x00")),
        (b"", m.frame(b"A", b"\x00\x00")),
    ],
)
def test_a_target_that_breaks_the_grammar_is_at_fault(sent: bytes, answer: bytes) -> None:
    """Closed, with the target named as owner; the offending message is not relayed."""
    link = Link()
    link.client(sent)
    link.target(answer)
    assert [one.owner for one in link.violations] == ["target"]
    assert len(link.relayed) < len(answer)
    assert link.conversation.receive_target(TAG) == []
    assert link.conversation.receive_client(QUERY) == []


def test_a_target_that_runs_what_must_fail_is_at_fault() -> None:
    """Our failing message has one answer: an error."""
    link = Link(lambda _: Refused(NO))
    link.client(QUERY)
    link.target(COLUMNS + ROW + TAG + IDLE)
    assert [one.owner for one in link.violations] == ["target"]


def test_another_error_in_place_of_ours_is_the_targets_own() -> None:
    """Without the nonce it is not the refusal: a time-out, a cancel, a shut-down go out unchanged."""
    link = Link(lambda _: Refused(NO))
    link.client(QUERY)
    own = m.error_response(WireMessage("57014", "canceling statement"))
    link.target(own + IDLE)
    assert link.relayed == own + IDLE


def test_rows_of_any_size_are_never_collected() -> None:
    """A row of 1 GB is relayed as it comes; nothing of it stays."""
    link = Link()
    link.client(QUERY)
    size = 1_000_000_000
    link.target(COLUMNS + b"D" + size.to_bytes(4, "big"))
    link.relayed = b""
    chunk = bytes(65_536)
    relayed = 0
    for _ in range(0, size - 4, len(chunk)):
        piece = chunk[: min(len(chunk), size - 4 - relayed)]
        relay = link.conversation.receive_target(piece)[0]
        assert isinstance(relay, Relay)
        assert relay.data is piece
        relayed += len(piece)
    link.target(TAG + IDLE)
    assert link.ready == ["I"]
    assert link.outcomes[0][1].rows == 1
    assert link.outcomes[0][1].bytes_out == len(COLUMNS) + size + 1 + len(TAG) + len(IDLE)


def test_a_suspended_portal_is_one_execution_a_fetch(connect: Connect) -> None:
    """Each Execute of a portal is an event with its text and its own rows."""
    link = Link(judge, connect())
    link.exchange(m.query("begin"))
    link.exchange(m.parse("", "select generate_series(1, 5)") + m.bind("p", "") + m.SYNC)
    for _ in range(3):
        link.exchange(m.execute("p", 2) + m.SYNC)
    assert [one.bind_only for one in link.executions[1:]] == [True, False, False, False]
    assert {one.text for one in link.executions[1:]} == {"select generate_series(1, 5)"}
    assert [(one.tag, one.rows) for _, one in link.outcomes[1:]] == [
        ("BIND", 0), ("SUSPENDED", 2), ("SUSPENDED", 2), ("SELECT 1", 1),
    ]  # fmt: skip


def test_bytes_are_counted_both_ways(connect: Connect) -> None:
    """bytes_in are the execution's messages, bytes_out the target's answer to them."""
    link = Link(judge, connect())
    link.exchange(QUERY)
    outcome = link.outcomes[0][1]
    assert (outcome.bytes_in, outcome.bytes_out) == (len(QUERY), len(link.relayed))

