"""Refusal in place, against a real PostgreSQL: order, state and shape are the target's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.postgres_link import Link
from support.postgres_wire import Wire, frames, shape

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.conversation import Execution, Refused, Released, Verdict

NO = WireMessage("42501", "gatekeep: policy does not allow this", "Rule r.", "Nothing was sent.")
BAD = "select denied('x')"


def judge(execution: Execution) -> Verdict:
    """Refuses whatever says so itself."""
    return Refused(NO) if "denied" in execution.text else Released()


def simple(texts: list[str]) -> tuple[bytes, int]:
    """One Query each."""
    return b"".join(messages.query(text) for text in texts), len(texts)


def extended(texts: list[str]) -> tuple[bytes, int]:
    """A pipeline with one Sync."""
    parts = [
        messages.parse("", text) + messages.bind("", "") + messages.describe("P", "")
        + messages.execute("") for text in texts
    ]  # fmt: skip
    return b"".join(parts) + messages.SYNC, 1


def flushed(texts: list[str]) -> tuple[bytes, int]:
    """A segment each, with one Sync at the end."""
    parts = [
        messages.parse("", text) + messages.bind("", "") + messages.execute("") + messages.FLUSH
        for text in texts
    ]
    return b"".join(parts) + messages.SYNC, 1


BEFORE = {"outside": [], "inside": ["begin", "select 1"], "failed": ["begin", "select 1/0"]}
WAYS = {"simple": simple, "extended": extended, "flushed": flushed}
# What direct execution does where the target itself refuses: a statement that it cannot parse.
FAILS = "select 1 from"


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("state", list(BEFORE))
@pytest.mark.parametrize("way", list(WAYS))
def test_a_refusal_looks_like_an_error_of_the_target(
    connect: Callable[[], Wire], way: str, state: str, place: str
) -> None:
    """The stream is that of a statement failing in the same place; only SQLSTATE and words differ."""
    texts = ["select 1", "select 2", "select 3"]
    texts[["first", "middle", "last"].index(place)] = BAD
    direct, link = connect(), Link(judge, connect())
    for text in BEFORE[state]:
        assert shape(link.exchange(messages.query(text))) == shape(
            direct.exchange(messages.query(text))
        )
    data, count = WAYS[way](texts)
    alike, _ = WAYS[way]([FAILS if text == BAD else text for text in texts])
    got = shape(link.exchange(data, count))
    wanted = shape(direct.exchange(alike, count))

    assert [one.replace("42501", "42601") for one in got] == wanted
    assert link.conversation.transaction_status == got[-1][-1]
    assert b"denied" not in link.sent
    # The connection is as usable as it would be without us.
    for text in ("rollback", "select 4"):
        assert shape(link.exchange(messages.query(text))) == shape(
            direct.exchange(messages.query(text))
        )


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_a_refusal_in_a_failed_transaction_is_still_our_refusal(
    connect: Callable[[], Wire], way: str
) -> None:
    """In a failed transaction the client reads our words, and the transaction stays failed."""
    link = Link(judge, connect())
    for text in BEFORE["failed"]:
        link.exchange(messages.query(text))
    data, count = WAYS[way]([BAD])
    answer = link.exchange(data, count)
    assert "E 42501" in shape(answer)
    assert shape(answer)[-1] == "Z E"
    error = next(body for kind, body in frames(answer) if kind == "E")
    assert messages.read_error(error).message == NO.primary


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_the_targets_own_error_of_a_failed_transaction(
    connect: Callable[[], Wire], way: str
) -> None:
    """A refusal without words leaves 25P02 unchanged, whatever the statement was."""
    link = Link(lambda one: Refused(None) if one.text == BAD else Released(), connect())
    for text in BEFORE["failed"]:
        link.exchange(messages.query(text))
    data, count = WAYS[way]([BAD])
    assert [one for one in shape(link.exchange(data, count)) if one[0] in "EZ"] == [
        "E 25P02", "Z E",
    ]  # fmt: skip
    assert b"denied" not in link.sent


def test_an_earlier_error_comes_out_unchanged(connect: Callable[[], Wire]) -> None:
    """Where the target fails before our message, its own error goes out and ours never runs."""
    link = Link(judge, connect())
    answer = link.exchange(extended(["select 1/0", BAD])[0])
    assert [one for one in shape(answer) if one[0] == "E"] == ["E 22012"]
    assert [(text, outcome.kind.value) for text, outcome in link.outcomes] == [
        ("select 1/0", "failed")
    ]


def test_nothing_of_a_refused_execution_is_planned(connect: Callable[[], Wire]) -> None:
    """The Bind is not sent either: planning a statement can run the code it names."""
    wire = connect()
    wire.exchange(
        messages.query(
            "create temp table seen(x int); create function pg_temp.denied() returns int immutable"
            " language plpgsql as 'begin insert into seen values (1); return 1; end'"
        )
    )
    link = Link(judge, wire)
    link.exchange(extended(["select pg_temp.denied()"])[0])
    answer = link.exchange(messages.query("select count(*) from seen"))
    assert b"\x00\x00\x00\x010" in answer


def test_what_goes_before_a_refusal_is_rolled_back_with_an_implicit_transaction(
    connect: Callable[[], Wire],
) -> None:
    """The statement before belongs to the client's transaction: its outcome says it was undone."""
    link = Link(judge, connect())
    link.exchange(messages.query("create temp table kept(x int)"))
    link.exchange(extended(["insert into kept values (1)", BAD])[0])
    answer = link.exchange(messages.query("select count(*) from kept"))
    assert b"\x00\x00\x00\x010" in answer
    text, outcome = link.outcomes[1]
    assert (text, outcome.kind.value, outcome.tag) == (
        "insert into kept values (1)", "failed", "INSERT 0 1",
    )  # fmt: skip
    assert outcome.message.startswith("rolled back with its pipeline: gatekeep")


def test_the_clients_unnamed_statement_survives_an_extended_refusal(
    connect: Callable[[], Wire],
) -> None:
    """Our failing message drops nothing that the client prepared."""
    link = Link(judge, connect())
    link.exchange(messages.parse("", "select 7") + messages.parse("n", "select 8 as denied")
        + messages.SYNC)
    link.exchange(messages.bind("p", "n") + messages.execute("p") + messages.SYNC)
    answer = link.exchange(messages.bind("", "") + messages.execute("") + messages.SYNC)
    assert shape(answer) == ["2", "D", "C SELECT 1", "Z I"]


def test_a_function_call_is_refused_in_its_own_shape(connect: Callable[[], Wire]) -> None:
    """Error and ReadyForQuery, as for a FunctionCall that fails."""
    link = Link(lambda one: Refused(NO) if one.unknown_source else Released(), connect())
    call = messages.frame(b"F", b"\x00\x00\x05\x1f" + b"\x00\x00" * 3)
    assert shape(link.exchange(call)) == ["E 42501", "Z I"]
    assert link.executions[0].text == "FunctionCall 1311"


@pytest.mark.parametrize("way", ["simple", "extended"])
def test_too_large_to_judge_is_refused_and_the_connection_stays(
    connect: Callable[[], Wire], way: str
) -> None:
    """Over 16 MiB: 54000, nothing kept in memory, and the next statement works."""
    wire = connect()
    link = Link(judge, wire)
    data, count = WAYS[way](["select '" + "x" * (17 << 20) + "'"])
    for at in range(0, len(data), 1 << 20):
        link.client(data[at : at + (1 << 20)])
        assert link.conversation.held <= 1 << 20
    while len(link.ready) < count:
        link.target(wire.receive())
    answer = link.relayed
    assert [one for one in shape(answer) if one[0] in "EZ"] == ["E 54000", "Z I"]
    assert len(link.sent) < 1000
    assert shape(link.exchange(messages.query("select 4"))) == ["T", "D", "C SELECT 1", "Z I"]
