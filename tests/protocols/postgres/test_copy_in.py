"""COPY FROM STDIN: the same replies as from the server itself, in any order of messages."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from support.postgres_link import Link
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, shape

from gatekeep.domain.outcomes import OutcomeKind
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import Execution, Refused, Released, Verdict

Connect = Callable[[], Wire]
NO = WireMessage("42501", "gatekeep: no")
IDLE = m.ready_for_query("I")
TAKES = m.frame(b"G", b"\x00\x00\x01\x00\x00")
DONE = m.frame(b"c")
FAIL = m.copy_fail("enough")
COPY = m.query("copy taken from stdin")
EXTENDED = m.parse("k", "copy taken from stdin") + m.bind("k", "k") + m.execute("k")
ERROR = m.error_response(WireMessage("22P02", "no number"))
COPIED = m.frame(b"C", b"COPY 2\x00")

TABLES = """
create table if not exists taken (n int);
create or replace function refuse() returns trigger language plpgsql as
  $$ begin raise exception 'no rows today'; end $$;
create table if not exists closed (n int);
create or replace trigger t before insert on closed execute function refuse();
create table if not exists picky (n int);
create or replace trigger t before insert on picky for each row when (new.n = 13)
  execute function refuse();
"""


def row(text: str) -> bytes:
    """CopyData."""
    return m.frame(b"d", text.encode())


def judge(execution: Execution) -> Verdict:
    """Refuses whatever says so itself."""
    if "denied" in execution.text:
        return Refused(NO)
    return Released(copies_in=execution.text.count("from stdin"))


@pytest.fixture(scope="module", autouse=True)
def tables(postgres_server: PostgresServer) -> None:
    """Tables that take rows, refuse all, and refuse some."""
    server = postgres_server
    wire = Wire(server.host, server.port, server.user, server.password, "postgres")
    wire.exchange(m.query(TABLES))
    wire.close()


# --- any order against the server itself ----------------------------------------------------------


def rows(draw: random.Random) -> bytes:
    """What a client sends while it believes that rows are taken."""
    pieces = [row("1\n"), row("2\n3\n"), row("13\n"), row(""), row("4"), row("\n"), m.FLUSH, m.SYNC]
    bad = [row("x\n"), row("\\.\n")]
    return b"".join(
        draw.choice(bad if draw.random() < 0.08 else pieces) for _ in range(draw.randint(0, 7))
    ) + draw.choice([DONE, DONE, DONE, FAIL])  # fmt: skip


def action(draw: random.Random) -> bytes:
    """Something a client may do, COPY FROM STDIN with its rows most of the time."""
    table = draw.choice(["taken", "taken", "taken", "picky", "closed", "nowhere"])
    text = f"copy {table} from stdin"
    sync = draw.choice([b"", m.SYNC, m.SYNC, m.FLUSH, m.SYNC + m.SYNC])
    named = m.close("S", "k") + m.close("P", "k")
    kind = draw.randrange(12)
    if kind < 3:
        return m.query(text) + rows(draw)
    if kind == 3:
        return m.query(f"select 1; {text}; select 2; {text}") + rows(draw) + rows(draw)
    if kind < 7:
        extended = m.parse("k", text) + m.bind("k", "k") + m.execute("k")
        return named + extended + sync + rows(draw) + draw.choice([b"", m.SYNC, m.SYNC, m.FLUSH])
    return draw.choice(
        [
            m.query("select 7"), m.query("begin"), m.query("rollback"), m.query("select 1/0"),
            m.parse("", "select 8") + m.bind("", "") + m.execute(""), m.SYNC, m.FLUSH,
            m.parse("", "syntax error"), m.query(""), m.query("commit"), DONE, row("1\n"),
        ]
    )  # fmt: skip


def compare(connect: Connect, seed: int, rounds: int = 8) -> None:
    """Random rounds, whole or in pieces, through us and directly; the replies are the same."""
    draw = random.Random(seed)
    link, direct = Link(judge, connect()), connect()
    assert link.wire is not None
    end = m.SYNC + m.query("rollback") + m.query("select 'end of round'")
    for _ in range(rounds):
        data = b"".join(action(draw) for _ in range(draw.randint(1, 6))) + end
        before = len(link.relayed)
        cuts = sorted(draw.sample(range(len(data)), draw.choice([0, 0, 3])))
        for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
            link.client(data[start:stop])
            if draw.random() < 0.3:
                link.drain()
        while not _over(link.relayed[before:]) or link.conversation.backlog:
            link.target(link.wire.receive())
            assert not link.violations, (link.violations, data)
        direct.send(data)
        wanted = b""
        while not _over(wanted):
            wanted += direct.message()[2]
        assert shape(link.relayed[before:]) == shape(wanted), data
        assert not link.conversation.unsettled()
    assert len(link.outcomes) == len(link.executions)
    link.wire.close()
    direct.close()


def _over(data: bytes) -> bool:
    return b"end of round" in data and data.endswith(IDLE)


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_rows_and_syncs_gets_the_servers_own_replies(
    connect: Connect, seed: int
) -> None:
    """COPY in both protocols, errors, Syncs and Flushes among rows: nobody can tell us from it."""
    compare(connect, seed)


# --- what goes where --------------------------------------------------------------------------------


def opened(extended: bool = False) -> Link:
    """A link whose COPY the target is ready for."""
    link = Link(judge)
    link.client(EXTENDED + m.FLUSH if extended else COPY)
    link.target((m.frame(b"1") + m.frame(b"2") if extended else b"") + TAKES)
    link.sent = b""
    return link


def test_nothing_goes_out_until_the_target_has_said_what_it_does() -> None:
    """Rows and statements that came too early wait; rows then go, statements are another's."""
    link = Link(judge)
    link.client(COPY + row("1\n") + DONE + m.query("select 1"))
    assert link.sent == COPY
    link.target(TAKES)
    assert link.sent == COPY + row("1\n") + DONE
    link.target(COPIED)
    assert link.sent == COPY + row("1\n") + DONE
    link.target(IDLE)
    assert link.sent.endswith(m.query("select 1"))


def test_a_copy_that_fails_at_once_takes_no_rows() -> None:
    """What the client sent for it is dropped, as the target would; the next statement goes out."""
    link = Link(judge)
    link.client(COPY + row("1\n") + DONE + m.query("select 1"))
    link.target(ERROR + IDLE)
    assert link.sent == COPY + m.query("select 1")


def test_a_statement_that_only_looks_like_a_copy_is_no_obstacle() -> None:
    """The pipeline goes on behind it, and the unnamed portal runs what it ran."""
    link = Link(judge)
    text = "/* copy from */ select 1"
    link.client(m.parse("", text) + m.bind("", "") + m.execute("") + m.SYNC)
    assert link.sent.endswith(m.execute("") + m.SYNC)
    link.target(m.frame(b"1") + m.frame(b"2") + m.frame(b"C", b"SELECT 1\x00") + IDLE)
    assert [outcome.kind for _, outcome in link.outcomes] == [OutcomeKind.DONE]


def test_rows_cut_anywhere_arrive_as_they_were() -> None:
    """Byte by byte, rows that hold other messages: the target gets the same bytes."""
    stream = row("1\n") + row(m.query("drop table x").decode("latin1")) + row("") + row("2\n") + DONE
    for size in (1, 2, 7, len(stream)):
        link = opened()
        for at in range(0, len(stream), size):
            link.client(stream[at : at + size])
        assert link.sent == stream
        assert [one.text for one in link.executions] == ["copy taken from stdin"]


def test_rows_of_any_size_are_never_collected() -> None:
    """A CopyData of 1 GB passes as it comes; nothing of it stays."""
    link = opened()
    size = 1_000_000_000
    link.client(b"d" + size.to_bytes(4, "big"))
    chunk = bytes(65_536)
    sent = 0
    while sent < size - 4:
        piece = chunk[: size - 4 - sent]
        (turn,) = link.conversation.receive_client(piece)
        assert getattr(turn, "data", None) is piece
        assert link.conversation.held == 0
        sent += len(piece)
    link.client(DONE)
    link.target(COPIED + IDLE)
    assert link.outcomes[0][1].bytes_in == len(COPY) + size + 1 + len(DONE)


@pytest.mark.parametrize("extended", [False, True])
def test_a_sync_among_rows_owes_nothing_when_all_goes_well(extended: bool) -> None:
    """The target ignores it, and so does our account; the last one of a pipeline is answered."""
    link = opened(extended)
    link.client(m.SYNC + row("1\n") + m.SYNC + DONE)
    link.target(COPIED if extended else COPIED + IDLE)
    if extended:
        assert link.ready == []
        link.client(m.SYNC)
        link.target(IDLE)
    assert link.ready == ["I"]
    assert link.relayed.count(IDLE) == 1
    assert not link.conversation.unsettled()


def test_an_error_while_a_row_is_half_sent_waits_for_its_end() -> None:
    """Nothing of ours is put into the middle of a message."""
    link = opened()
    link.client(m.SYNC + row("1\nx\n")[:6])
    link.target(ERROR + IDLE)
    assert link.sent == m.SYNC + row("1\nx\n")[:6]
    link.client(row("1\nx\n")[6:] + m.query("select 1"))
    asked = m.SYNC + m.close("S", f"gk_{1:032x}") + m.FLUSH
    assert link.sent == m.SYNC + row("1\nx\n") + asked
    link.target(IDLE + m.frame(b"3"))
    assert link.sent.endswith(asked + m.query("select 1"))
    assert link.relayed == TAKES + ERROR + IDLE


@pytest.mark.parametrize(
    "bad",
    [
        m.query("select 1"), m.parse("", "x"), m.bind("", ""), m.execute(""), m.describe("P", ""),
        m.close("P", ""), m.frame(b"p", b"x\0"), m.frame(b"F", bytes(10)), m.frame(b"?"),
        b"d\x00\x00\x00\x03", b"d\xff\xff\xff\xff", b"c\x00\x00\x00\x05x", b"f\x00\x00\xff\xff",
        b"S\x00\x00\x00\x05x", b"f\x00\x00\x00\x04",
    ],
)  # fmt: skip
def test_what_may_not_come_among_rows_is_the_clients_fault(bad: bytes) -> None:
    """The rows before it went out; it did not, and nothing after it is read."""
    link = opened()
    link.client(row("1\n") + bad + row("2\n"))
    assert [one.owner for one in link.violations] == ["client"]
    assert bad not in link.sent
    assert link.conversation.receive_client(DONE) == []
    assert link.conversation.abandon_copy("x") == m.copy_fail("x")


@pytest.mark.parametrize(
    ("client", "target"),
    [
        (b"", COPIED + IDLE),
        (b"", TAKES),
        (b"", m.frame(b"d", b"x")),
        (b"", m.frame(b"H", b"\0\0\0")),
        (DONE, COPIED + TAKES),
        (DONE, TAKES + TAKES),
        (m.SYNC, ERROR + IDLE * 4),
        (m.SYNC, ERROR + IDLE + m.frame(b"3")),
        (m.SYNC, ERROR + IDLE + IDLE + m.frame(b"3", b"x")),
        (m.SYNC, ERROR + IDLE + ERROR),
        (m.SYNC, ERROR + IDLE + m.frame(b"Z", b"QQ")),
        (m.SYNC, ERROR + IDLE + m.frame(b"Z", b"Q")),
    ],
)
def test_a_target_that_ends_a_copy_otherwise_is_at_fault(client: bytes, target: bytes) -> None:
    """An end before CopyDone, rows of its own, more answers than there were Syncs."""
    link = opened()
    link.client(row("1\n") + client)
    link.target(target)
    assert [one.owner for one in link.violations] == ["target"]


def test_a_target_takes_no_rows_for_what_is_none() -> None:
    """CopyInResponse to a SELECT, or once more than was released, pulls nothing from a client."""
    for sent in (m.query("select 1"), m.parse("", "x") + m.bind("", "") + m.execute("") + m.SYNC):
        link = Link(judge)
        link.client(sent + row("secret\n"))
        link.target((m.frame(b"1") + m.frame(b"2") if sent[0] == ord("P") else b"") + TAKES)
        assert [one.owner for one in link.violations] == ["target"]
        assert b"secret" not in link.sent
        assert TAKES not in link.relayed


def test_a_copy_that_is_bound_and_not_executed_takes_no_rows(connect: Connect) -> None:
    """A Bind alone asks for none; executed later in the same transaction it is a COPY like any other."""
    link = Link(judge, connect())
    bound = m.parse("k", "copy taken from stdin") + m.bind("k", "k")
    assert shape(link.exchange(bound + m.SYNC)) == ["1", "2", "Z I"]
    link.exchange(m.query("begin"))
    assert shape(link.exchange(m.bind("k", "k") + m.parse("", "select 1") + m.SYNC)) == ["2", "1", "Z T"]
    taken = link.exchange(m.execute("k") + m.SYNC + row("1\n") + DONE + m.SYNC)
    assert shape(taken) == ["G", "C COPY 1", "Z T"]
    assert not link.violations


@pytest.mark.parametrize("extended", [False, True])
def test_a_copy_is_given_up_when_its_client_is_gone(extended: bool) -> None:
    """CopyFail, once, and only between messages."""
    link = opened(extended)
    link.client(row("1\n")[:6])
    assert link.conversation.abandon_copy("gone") is None
    link.client(row("1\n")[6:] + row("2\n")[:4])  # of which nothing went out yet
    ends = m.copy_fail("gone") + (m.FLUSH if extended else b"")
    assert link.conversation.abandon_copy("gone") == ends
    assert link.conversation.abandon_copy("gone") == b""


def test_a_good_bye_among_rows_leaves_no_end() -> None:
    """Terminate is no CopyDone: the rows are not to stay."""
    link = opened()
    link.client(row("1\n") + m.TERMINATE)
    assert link.sent == row("1\n")
    assert link.conversation.abandon_copy("client left") == m.copy_fail("client left")


def test_messages_left_for_the_next_segment_are_cut_again_alike() -> None:
    """A pipeline behind a COPY that failed: each of its statements is read once, as it was."""
    link = Link(judge)
    large = m.bind("", "", [bytes(20 << 20)])
    tail = m.parse("a", "select 1") + large + m.execute("") + m.SYNC
    link.client(EXTENDED + tail + m.parse("b", "select 2") + m.bind("", "b") + m.execute(""))
    link.target(m.frame(b"1") + ERROR)
    link.target(IDLE)
    assert link.sent == EXTENDED + m.FLUSH + m.SYNC
    link.client(m.SYNC)
    assert [one.text for one in link.executions] == ["copy taken from stdin", "select 2"]
