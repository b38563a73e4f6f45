"""A target that turns on its client: nothing of the lie is passed on as true, and it is recorded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.journal_evidence import of_kind
from support.journey import Place, start
from support.postgres_server import PostgresServer
from support.turncoat import Turncoat

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m

pytestmark = pytest.mark.journey

_IDLE = m.ready_for_query("I")
_DONE = m.frame(b"C", b"SELECT 0\0") + _IDLE
_ROWS = m.frame(b"T", b"\0\1n\0" + bytes(18)) + m.frame(b"D", b"\0\1\0\0\0\0017")
_FAILED = WireMessage("22012", "division by zero")
_HELLO = m.notice_response(WireMessage("00000", "hello", severity="NOTICE"))

LIES = {
    "copy-in": m.frame(b"G", b"\0\0\0"),
    "copy-out": m.frame(b"H", b"\0\0\0"),
    "copy-both": m.frame(b"W", b"\0\0\0"),
    "unknown-type": m.frame(b"!", b"what is this"),
    "authentication-ok": m.frame(b"R", b"\0\0\0\0"),
    "cleartext-password": m.frame(b"R", b"\0\0\0\3"),
    "another-key": m.frame(b"K", b"\0\0\0\1\0\0\0\2"),
    "negotiation": m.frame(b"v", b"\0\3\0\0\0\0\0\0"),
    "row-without-description": m.frame(b"D", b"\0\0"),
    "two-readies": _IDLE + _IDLE,
    "huge-parameter": m.frame(b"S", b"TimeZone\0" + b"x" * 70_000 + b"\0"),
    "giant-length": b"T\x7f\xff\xff\xff",
    "length-below-four": b"T\0\0\0\1",
    "ready-in-no-state": m.frame(b"Z", b"X"),
    "sasl-again": m.authentication_sasl(["SCRAM-SHA-256"]),
    "copy-in-among-rows": _ROWS + m.frame(b"G", b"\0\0\0"),
    "copy-in-behind-a-tag": m.frame(b"C", b"SELECT 0\0") + m.frame(b"G", b"\0\0\0"),
    "copy-in-behind-a-notice": _HELLO + m.frame(b"G", b"\0\0\0"),
    "password-among-rows": _ROWS + m.frame(b"R", b"\0\0\0\3"),
    "copy-data": m.frame(b"d", b"x"),
    "copy-done": m.frame(b"c"),
    "function-result": m.frame(b"V", b"\xff\xff\xff\xff"),
    "suspended": m.frame(b"s"),
    "parsed": m.frame(b"1"),
    "short-description": m.frame(b"T", b"\0\2x\0"),
    "tag-without-end": m.frame(b"C", b"SELECT 1"),
    "error-without-code": m.frame(b"E", b"SERROR\0Mx\0\0"),
    "broken-notice": m.frame(b"N", b"Mx"),
    "broken-notification": m.frame(b"A", b"\0\0"),
    "two-in-a-parameter": m.frame(b"S", b"a\0b\0c\0"),
    "endless-parameters": m.parameter_status("TimeZone", "UTC") * 1_001,
    "row-of-length-zero": _ROWS + b"D\0\0\0\0",
    "row-beyond-measure": _ROWS + b"D\xff\xff\xff\xff",
    "description-beyond-measure": b"T\1\0\0\1",
    "greeting-of-another-protocol": b"HTTP/1.1 200 OK\r\n\r\n",
}
LATE = {
    "copy-both-behind-an-error": m.error_response(_FAILED) + m.frame(b"W", b"\0\0\0"),
    "key-behind-the-end": _DONE + m.frame(b"K", bytes(8)),
    "answers-ahead": _DONE + _DONE,
    "row-behind-the-end": _DONE + _ROWS,
    "error-behind-the-end": _DONE + m.error_response(_FAILED),
    "two-errors": m.error_response(_FAILED) * 2,
}
"""Lies behind an answer that is whole: that one passes, and then the session ends."""
_NOTICE = WireMessage("00000", "gatekeep: waiting for approval, see https://evil", severity="NOTICE")
_ERROR = WireMessage("42501", "gatekeep: policy does not allow this")
SAYINGS = {
    "notice": m.notice_response(_NOTICE) + _DONE,
    "error": m.error_response(_ERROR) + _IDLE,
}


@pytest.fixture(scope="module")
def turncoat(target: PostgresServer) -> Iterator[Turncoat]:
    """A man between the gateway and the target."""
    lies = {f"lie:{name}'".encode(): lie for name, lie in {**LIES, **LATE, **SAYINGS}.items()}
    man = Turncoat(target.port, lies)
    yield man
    man.close()


@pytest.fixture(scope="module")
def place(target: PostgresServer, turncoat: Turncoat) -> Iterator[Place]:
    """A gateway whose target he is."""
    yield from start(target, target_port=turncoat.port)


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_broken_protocol_ends_the_session_in_our_words(place: Place, lie: str) -> None:
    """The client is told that the target broke the protocol; the log says how."""
    mark = place.evidence.mark()
    connection = place.connect(autocommit=True)
    with pytest.raises(psycopg.Error, match="gatekeep: orders broke the protocol"):
        connection.execute(f"SELECT 'lie:{lie}'")
    assert connection.broken
    connection.close()
    events = place.evidence.closed(mark)
    faults = of_kind(events, "target.fault")
    assert len(faults) == 1
    assert faults[0]["what"]
    assert len(of_kind(events, "action.unknown")) + len(of_kind(events, "action.finished")) == 1


@pytest.mark.parametrize("lie", ["copy-in", "copy-both"])
def test_a_copy_out_is_answered_by_no_other_copy(place: Place, lie: str) -> None:
    """Even to a COPY TO STDOUT no target may ask for data."""
    connection = place.connect(autocommit=True)
    with (
        pytest.raises(psycopg.Error, match="gatekeep: orders broke the protocol"),
        connection.cursor().copy(f"COPY (SELECT 'lie:{lie}') TO STDOUT") as copy,
    ):
        copy.read()
    connection.close()


@pytest.mark.parametrize("lie", sorted({**LIES, **LATE}))
def test_psql_sends_no_script_lines_as_copy_data(
    place: Place, turncoat: Turncoat, tmp_path: Path, lie: str
) -> None:
    """Whatever the lie, nothing is pulled from psql: the secret in its script stays there.

    It is told whose fault it was, and the session ends with an event.
    """
    mark = place.evidence.mark()
    script = tmp_path / "script.sql"
    script.write_text(f"SELECT 'lie:{lie}';\nALTER ROLE app_rw PASSWORD 'hunter2';\n\\.\n")
    done = _psql(place, "-f", str(script))
    assert "gatekeep: orders broke the protocol" in done.stderr
    assert done.returncode
    assert b"hunter2" not in turncoat.heard
    events = place.evidence.closed(mark)
    assert len(of_kind(events, "target.fault")) == 1
    assert all("hunter2" not in str(one.payload) for one in events)
    (closed,) = of_kind(events, "session.closed")
    assert "orders" in str(closed["reason"]) or "target" in str(closed["reason"])


def test_psql_is_told_who_speaks(place: Place) -> None:
    """A notice and an error in our name reach the screen with their origin before them."""
    for kind in sorted(SAYINGS):
        done = _psql(place, "-c", f"SELECT 'lie:{kind}'")
        told = [line for line in done.stderr.splitlines() if "gatekeep: " in line]
        assert told
        assert all("target says: gatekeep: " in line for line in told)


def _psql(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/bin/psql", "-X", *arguments, place.dsn()], capture_output=True, text=True,
        check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["notice", "error"])
def test_a_target_that_speaks_as_gatekeep_is_named(place: Place, kind: str) -> None:
    """Its words come with `target says: ` before them."""
    heard: list[str | None] = []
    with place.connect(autocommit=True) as connection:
        connection.add_notice_handler(lambda told: heard.append(told.message_primary))
        try:
            connection.execute(f"SELECT 'lie:{kind}'")
        except psycopg.Error as error:
            heard.append(error.diag.message_primary)
    assert len(heard) == 1
    assert str(heard[0]).startswith("target says: gatekeep: ")


def test_nothing_of_all_this_harmed_the_gateway(place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    place.unharmed()
