"""Typed messages: what is built is read back; what is not exact is somebody's fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.errors import ClientFault, TargetFault
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m

NAME = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)
VALUES = st.lists(st.none() | st.binary(max_size=20), max_size=5)


@given(NAME, NAME, st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_parse_comes_back(name: str, text: str, oids: list[int]) -> None:
    """Name, text and types survive."""
    message = m.read_parse(m.parse(name, text, oids)[5:])
    assert (message.statement, message.text.decode(), message.oids) == (name, text, tuple(oids))


@given(NAME, NAME, VALUES, st.integers(0, 1))
def test_bind_comes_back(
    portal: str, statement: str, values: list[bytes | None], binary: int
) -> None:
    """Names, formats and raw values survive, NULL apart from empty."""
    message = m.read_bind(m.bind(portal, statement, values, (binary,), (0, 1))[5:])
    assert (message.portal, message.statement) == (portal, statement)
    assert (message.formats, message.values) == ((binary,), tuple(values))


@given(NAME, st.integers(0, 2**31 - 1))
def test_execute_describe_close_and_query_come_back(name: str, limit: int) -> None:
    """The small messages survive too."""
    assert m.read_execute(m.execute(name, limit)[5:]) == (name, limit)
    assert m.read_described(m.describe("P", name)[5:], "Describe") == ("P", name)
    assert m.read_described(m.close("S", name)[5:], "Close") == ("S", name)
    assert m.read_query(m.query(name)[5:]).decode() == name


def test_an_error_holds_every_field_that_is_given() -> None:
    """S and V, C, M, then D, H and W where present; a notice alike."""
    message = WireMessage("42501", "primary", "detail", "hint", "rule r", "FATAL")
    fields = [
        (b"S", b"FATAL"), (b"V", b"FATAL"), (b"C", b"42501"), (b"M", b"primary"),
        (b"D", b"detail"), (b"H", b"hint"), (b"W", b"rule r"),
    ]  # fmt: skip
    assert m.read_fields(m.error_response(message)[5:]) == fields
    assert m.notice_response(message)[1:] == m.error_response(message)[1:]
    assert m.read_error(m.error_response(message)[5:]) == m.TargetError(
        "FATAL", "42501", "primary"
    )


def test_what_a_target_says_comes_back() -> None:
    """ParameterStatus, CommandComplete, ReadyForQuery, keys, authentication, notifications."""
    assert m.read_parameter_status(m.parameter_status("a", "b")[5:]) == ("a", "b")
    assert m.read_command_complete(m.frame(b"C", b"SELECT 1\x00")[5:]) == "SELECT 1"
    assert m.read_ready(m.ready_for_query("T")[5:]) == "T"
    assert m.read_backend_key_data(m.backend_key_data(7, b"abcd")[5:]) == (7, b"abcd")
    assert m.read_authentication(m.authentication_ok()[5:]) == (0, b"")
    code, data = m.read_authentication(m.authentication_sasl(["SCRAM-SHA-256"])[5:])
    assert (code, m.read_sasl_mechanisms(data)) == (m.AUTH_SASL, ["SCRAM-SHA-256"])
    assert m.read_sasl_initial_response(m.sasl_initial_response("X", b"n,,")[5:]) == ("X", b"n,,")
    assert m.read_notification(b"\x00\x00\x00\x07c\x00p\x00") == (7, "c", b"p")
    assert m.negotiate_protocol_version(2, ["_pq_.x"])[5:13] == b"\x00\x03\x00\x02\x00\x00\x00\x01"


CLIENT: list[tuple[Callable[[bytes], Any], bytes]] = [
    (m.read_query, m.query("select 1")[5:]),
    (m.read_parse, m.parse("n", "select 1", [23])[5:]),
    (m.read_bind, m.bind("p", "n", [b"1", None], [1, 0], [1])[5:]),
    (m.read_execute, m.execute("p", 3)[5:]),
    (lambda body: m.read_described(body, "Describe"), m.describe("S", "n")[5:]),
    (m.read_sasl_initial_response, m.sasl_initial_response("X", b"n,,")[5:]),
]
TARGET: list[tuple[Callable[[bytes], Any], bytes]] = [
    (m.read_error, m.error_response(WireMessage("42501", "no"))[5:]),
    (m.read_parameter_status, m.parameter_status("a", "b")[5:]),
    (m.read_command_complete, b"SELECT 1\x00"),
    (m.read_ready, b"I"),
    (m.read_backend_key_data, b"\x00\x00\x00\x01abcd"),
    (m.read_notification, b"\x00\x00\x00\x07c\x00p\x00"),
    (m.read_sasl_mechanisms, b"SCRAM-SHA-256\x00\x00"),
]


@pytest.mark.parametrize(("read", "good"), CLIENT)
def test_a_clients_message_ends_exactly_where_it_says(
    read: Callable[[bytes], Any], good: bytes
) -> None:
    """Every truncation and every byte too many is the client's fault."""
    read(good)
    for bad in [good + b"\x00", *(good[:end] for end in range(len(good)))]:
        with pytest.raises(ClientFault):
            read(bad)


@pytest.mark.parametrize(("read", "good"), TARGET)
@given(junk=st.binary(max_size=60))
def test_a_targets_message_is_read_or_its_fault(
    read: Callable[[bytes], Any], good: bytes, junk: bytes
) -> None:
    """Nothing else is ever raised."""
    for body in (good + junk, junk, good[: len(junk)]):
        try:
            read(body)
        except TargetFault:
            continue


@given(junk=st.binary(max_size=60))
def test_a_clients_garbage_is_read_or_its_fault(junk: bytes) -> None:
    """Nothing else is ever raised."""
    for read, good in CLIENT:
        for body in (junk, good + junk, good[: len(junk)] + junk):
            try:
                read(body)
            except ClientFault:
                continue


def test_a_builder_cannot_be_made_to_write_two_messages() -> None:
    """A NUL in a text is left out: lengths and ends stay what they are."""
    assert m.read_query(m.query("a\x00b")[5:]) == b"ab"
