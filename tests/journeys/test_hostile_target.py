"""A target that turns on its client: nothing of the lie is passed on as true, and it is recorded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

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
}
_NOTICE = WireMessage("00000", "gatekeep: waiting for approval, see https://evil", severity="NOTICE")
_ERROR = WireMessage("42501", "gatekeep: policy does not allow this")
SAYINGS = {
    "notice": m.notice_response(_NOTICE) + _DONE,
    "error": m.error_response(_ERROR) + _IDLE,
}


@pytest.fixture(scope="module")
def turncoat(target: PostgresServer) -> Iterator[Turncoat]:
    """A man between the gateway and the target."""
    lies = {f"lie:{name}'".encode(): lie for name, lie in {**LIES, **SAYINGS}.items()}
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


def test_psql_sends_no_script_lines_as_copy_data(place: Place, turncoat: Turncoat) -> None:
    """A CopyInResponse to a SELECT never reaches psql, so the secret in its script stays there."""
    script = "SELECT 'lie:copy-in';\nALTER ROLE app_rw PASSWORD 'hunter2';\n\\.\n"
    done = subprocess.run(
        ["/usr/bin/psql", "-X", place.dsn()], input=script, capture_output=True, text=True,
        check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert "gatekeep: orders broke the protocol" in done.stderr
    assert b"hunter2" not in turncoat.heard


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
