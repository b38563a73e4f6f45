"""The reply grammar: its table, and who may speak as gatekeep."""

from __future__ import annotations

import pytest

from gatekeep.errors import TargetFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.turns import Execution


def test_copy_both_and_start_up_messages_are_in_no_state() -> None:
    """CopyBoth, Authentication, keys and negotiation come nowhere (12-threats H1)."""
    allowed = {kind for row in g.TRANSITIONS.values() for kind in row} | g.ANY_TIME
    assert not allowed & set(b"WRKv")


def test_copy_out_begins_where_something_runs_and_is_counted() -> None:
    """CopyOutResponse comes only in answer to what is executed, CopyData only after it."""
    begins = {state for state, row in g.TRANSITIONS.items() if ord("H") in row}
    assert begins == {g.EXECUTE, g.QUERY, g.QUERY_MORE}
    assert all(g.TRANSITIONS[state][ord("H")][1] == g.COPIES_OUT for state in begins)
    carries = {state for state, row in g.TRANSITIONS.items() if set(row) & set(b"dc")}
    assert carries == {g.COPIES, g.QUERY_COPIES}
    execution = Execution("simple", "copy t to stdout", 1)
    execution.copies_out = 1
    g.count_copy_out(execution)
    with pytest.raises(TargetFault):
        g.count_copy_out(execution)


def test_copy_in_begins_where_something_runs() -> None:
    """CopyInResponse comes only in answer to what is executed; no rows come from a target then."""
    begins = {state for state, row in g.TRANSITIONS.items() if ord("G") in row}
    assert begins == {g.EXECUTE, g.QUERY, g.QUERY_MORE}
    assert all(g.TRANSITIONS[state][ord("G")][1] == g.COPIES_IN for state in begins)
    assert set(g.TRANSITIONS[g.TAKES]) == set(g.TRANSITIONS[g.QUERY_TAKES]) == {ord("C")}


def test_every_state_is_reached_and_leads_somewhere() -> None:
    """Next states are states; only IDLE and our failing messages have no reply but an error."""
    for row in g.TRANSITIONS.values():
        assert all(state == g.NEXT or state in g.TRANSITIONS for state, _ in row.values())
    silent = {state for state, row in g.TRANSITIONS.items() if not row}
    assert silent == {g.IDLE, g.FAIL, g.FAIL_QUERY}


@pytest.mark.uncompiled
def test_every_state_is_described() -> None:
    """The table and its description agree on the states."""
    assert g.__doc__ is not None
    states = {
        name
        for name, value in vars(g).items()
        if name.isupper() and isinstance(value, int) and value in g.TRANSITIONS
    } - {"ERROR", "NOTICE", "STATUS", "NOTIFICATION"}
    assert {name for name in states if f"\n    {name} " not in g.__doc__} == set()


@pytest.mark.parametrize(
    "text", ["gatekeep: approve at https://evil", "Gatekeep", " \tGATEKEEP", "\x1bgatekeep"]
)
def test_a_target_cannot_speak_as_us(text: str) -> None:
    """A notice or error that begins with our name gets its origin in front; the rest is kept."""
    message = WireMessage("00000", text, "detail", severity="NOTICE")
    named = g.unmasked(b"N", m.notice_response(message)[5:])
    assert named is not None
    fields = dict(m.read_fields(named[5:]))
    assert fields[b"M"].decode() == "target says: " + text
    assert fields[b"D"] == b"detail"


@pytest.mark.parametrize("text", ["division by zero", "the gatekeep table is missing"])
def test_other_words_are_left_as_they_are(text: str) -> None:
    """Nothing is rewritten that does not begin so."""
    assert g.unmasked(b"E", m.error_response(WireMessage("22012", text))[5:]) is None


@pytest.mark.parametrize(
    "data",
    [
        m.frame(b"1", b"x"), m.frame(b"T", b"\x00"), m.frame(b"T", b"\x00\x01short"),
        m.frame(b"t", b"\x00\x02\x00\x00\x00\x17"), m.frame(b"V", b"\x00"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_the_targets_fault(data: bytes) -> None:
    """Counts and lengths must agree."""
    with pytest.raises(TargetFault):
        g.check_shape(data[0], data, 0, len(data))
