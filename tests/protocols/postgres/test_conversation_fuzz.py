"""Bad bytes from either side: a Violation with an owner, never an exception, never a hang."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.postgres_link import Link, conversation
from support.postgres_script import SCRIPT

from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import Violation


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Q\x00\x00\x00\x0aab\x00cd\x00", "Query"),
        (b"Q\x00\x00\x00\x06ab", "Query"),
        (b"Q\x00\x00\x00\x04", "Query"),
        (m.frame(b"P", b"\x00select 1\x00\x00\x00x") + m.SYNC, "Parse"),
        (m.frame(b"B", b"\x00\x00\x00\x00\x00\x01") + m.SYNC, "Bind"),
        (m.frame(b"B", b"\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00") + m.SYNC, "Bind"),
        (m.frame(b"E", b"\x00\x00") + m.SYNC, "Execute"),
        (m.frame(b"D", b"X\x00") + m.SYNC, "Describe"),
        (m.frame(b"C", b"Sx") + m.SYNC, "Close"),
        (m.frame(b"F", b"1"), "FunctionCall"),
        (m.frame(b"S", b"x"), "Sync"),
        (m.frame(b"S", b"x" * 20_000), "length"),
        (m.frame(b"H", b"x"), "Flush"),
        (m.frame(b"p", b"secret\x00"), "unknown"),
        (m.frame(b"\x00", b""), "unknown"),
        (b"Q\x7f\xff\xff\xff", "length"),
        (b"Q\xff\xff\xff\xff", "length"),
        (b"Q\x00\x00\x00\x03", "length"),
        (b"E\x00\x01\x00\x00", "length"),
        (b"GET / HTTP/1.1\r\n\r\n", "unknown"),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_what_and_where(data: bytes, what: str) -> None:
    """One Violation of the client's, then nothing more is read."""
    talk = conversation()
    turns = talk.receive_client(data)
    assert len(turns) == 1
    assert isinstance(turns[0], Violation)
    assert turns[0].owner == "client"
    assert what in turns[0].what
    assert talk.receive_client(m.query("select 1")) == []


@given(st.lists(st.binary(max_size=60), max_size=5), st.binary(max_size=100))
def test_garbage_from_a_client_is_at_worst_a_violation(pieces: list[bytes], more: bytes) -> None:
    """Nothing is ever raised, whatever comes, also behind good messages."""
    link = Link()
    for piece in (*pieces, m.query("select 1"), more):
        link.client(piece)
    assert all(one.owner == "client" for one in link.violations)


@given(
    st.sampled_from([sent for sent, _ in SCRIPT]),
    st.data(),
)
def test_a_damaged_message_is_at_worst_a_violation(sent: bytes, data: st.DataObject) -> None:
    """One byte changed anywhere: a Violation, or other executions, never an exception."""
    at = data.draw(st.integers(0, len(sent) - 1))
    value = data.draw(st.integers(0, 255))
    Link().client(sent[:at] + bytes([value]) + sent[at + 1 :])


@given(st.sampled_from(SCRIPT), st.binary(max_size=80), st.data())
def test_garbage_from_a_target_is_at_worst_its_violation(
    step: tuple[bytes, bytes], junk: bytes, data: st.DataObject
) -> None:
    """Whatever a target sends, at any place of any answer, nothing is raised."""
    link = Link()
    link.client(step[0])
    at = data.draw(st.integers(0, len(step[1])))
    link.target(step[1][:at] + junk + step[1][at:])
    link.target(junk)
    assert all(one.owner == "target" for one in link.violations)
