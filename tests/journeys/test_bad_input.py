"""Bytes that no client sends: a protocol error and an event, never a traceback, hang or forward."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest
from support.journal_evidence import kind, of_kind
from support.journey import Place, start
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, shape

from gatekeep.protocols.postgres import messages as m

pytestmark = pytest.mark.journey

_SSL = struct.pack(">II", 8, 80877103)
_STARTUP = struct.pack(">II", 8 + len(b"user\0alice\0\0"), 3 << 16) + b"user\0alice\0\0"

AT_THE_DOOR = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "giant-length": b"\x7f\xff\xff\xff" + bytes(64),
    "length-of-three": b"\0\0\0\3" + bytes(64),
    "over-10-kb": struct.pack(">II", 20_000, 3 << 16) + b"x" * 20_000,
    "protocol-2": struct.pack(">II", 8, 2 << 16),
    "protocol-9": struct.pack(">II", 9, 9 << 16) + b"\0",
    "no-user": struct.pack(">II", 9, 3 << 16) + b"\0",
    "user-twice": struct.pack(">II", 30, 3 << 16) + b"user\0a\0user\0b\0x\0yyy\0\0",
    "not-utf-8": struct.pack(">II", 16, 3 << 16) + b"user\0\xff\0\0",
    "ssl-twice": _SSL + _SSL,
    "bytes-behind-ssl": _SSL + _STARTUP,
    "query-before-sign-in": _STARTUP + m.query("select 1"),
    "garbage-as-sasl": _STARTUP + m.frame(b"p", b"\xff" * 40),
    "giant-sasl": _STARTUP + b"p\x7f\xff\xff\xff",
    "terminate": _STARTUP + m.TERMINATE,
    "cancel-of-nobody": struct.pack(">IIII", 16, 80877102, 1, 2),
    "short-cancel": struct.pack(">II", 8, 80877102),
    "truncated-startup": _STARTUP[:-4],
    "half-a-length": b"\0\0",
    "nothing": b"",
}

IN_A_SESSION = {
    "unknown-type": m.frame(b"\x00", b"x"),
    "unknown-letter": m.frame(b"j", b""),
    "targets-message": m.ready_for_query("I"),
    "startup-again": _STARTUP,
    "ssl-request": _SSL,
    "password": m.frame(b"p", b"secret\0"),
    "giant-query": b"Q\xff\xff\xff\xff",
    "length-zero": b"Q\0\0\0\0",
    "query-without-end": m.frame(b"Q", b"select 1"),
    "bytes-behind-the-end": m.frame(b"Q", b"select 1\0delete from t\0"),
    "two-ends": m.frame(b"Q", b"select 1\0\0"),
    "empty-parse": m.frame(b"P", b"") + m.SYNC,
    "parse-with-bytes-behind": m.frame(b"P", b"\0select 1\0\0\0junk") + m.SYNC,
    "parse-with-too-few-types": m.frame(b"P", b"\0select 1\0\0\5") + m.SYNC,
    "bind-with-giant-value": m.frame(b"B", b"\0\0\0\0\0\1\x7f\xff\xff\xff") + m.SYNC,
    "bind-with-negative-length": m.frame(b"B", b"\0\0\0\0\0\1\xff\xff\xff\xf0") + m.SYNC,
    "bind-cut-short": m.frame(b"B", b"\0") + m.SYNC,
    "execute-cut-short": m.frame(b"E", b"\0\0") + m.SYNC,
    "describe-of-nothing": m.frame(b"D", b"X\0") + m.SYNC,
    "close-of-nothing": m.frame(b"C", b"") + m.SYNC,
    "sync-with-bytes": m.frame(b"S", b"x"),
    "flush-with-bytes": m.frame(b"H", b"x") + m.SYNC,
    "function-call-cut-short": m.frame(b"F", b"\0\0"),
}


@pytest.fixture(scope="module")
def place(target: PostgresServer) -> Iterator[Place]:
    """A gateway whose door waits two seconds for a sign-in."""
    yield from start(target, extra_settings={"postgres": {"handshake_s": 2}})


def _wire(place: Place) -> Wire:
    return Wire("127.0.0.1", place.gateway.port, "alice", place.gateway.tokens["alice"], "orders")


def _to_its_end(one: socket.socket) -> bytes:
    """All that comes until the other side closes; fails if it does not in 20 s."""
    one.settimeout(20)
    collected = b""
    while data := one.recv(65536):
        collected += data
    return collected


@pytest.mark.parametrize("bytewise", [False, True], ids=["at-once", "slowly"])
@pytest.mark.parametrize("said", sorted(AT_THE_DOOR))
def test_the_door_answers_nonsense_with_an_error_or_by_closing(
    place: Place, said: str, bytewise: bool
) -> None:
    """Whole or byte by byte: the connection ends by itself, with nothing but an ErrorResponse."""
    with socket.create_connection(("127.0.0.1", place.gateway.port)) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            if bytewise:
                for at in range(min(len(AT_THE_DOOR[said]), 400)):
                    one.send(AT_THE_DOOR[said][at : at + 1])
            else:
                one.sendall(AT_THE_DOOR[said])
        answer = _to_its_end(one)
    answer = answer.removeprefix(b"N")
    assert all(part == "R" or part.startswith("E ") for part in shape(answer.lstrip(b"N")))
    assert "Traceback" not in place.gateway.log


@pytest.mark.parametrize("open_transaction", [False, True], ids=["idle", "in-transaction"])
@pytest.mark.parametrize("said", sorted(IN_A_SESSION))
def test_a_broken_message_in_a_session_ends_it_with_08p01_and_an_event(
    place: Place, said: str, open_transaction: bool
) -> None:
    """FATAL 08P01, one protocol.fault, nothing of it released, nothing left open."""
    mark = place.evidence.mark()
    wire = _wire(place)
    if open_transaction:
        wire.exchange(m.query("BEGIN"))
    with contextlib.suppress(ConnectionError):
        wire.send(IN_A_SESSION[said])
    answer = _to_its_end(wire.socket)
    wire.socket.close()
    assert shape(answer)[-1] == "E 08P01"
    assert b"gatekeep: protocol violation by the client" in answer
    events = place.evidence.closed(mark)
    # Those with a count are folded: of strangers at the door, who came up to 10 s before.
    faults = [one for one in of_kind(events, "protocol.fault") if "count" not in one]
    assert len(faults) == 1
    texts = [one["text"] for one in of_kind(events, "action.released")]
    assert texts == (["BEGIN"] if open_transaction else [])
    assert "action.unknown" not in map(kind, events)


def test_a_message_cut_short_ends_with_its_client(place: Place) -> None:
    """Half a Query and then nothing: the session closes, and nothing was released."""
    mark = place.evidence.mark()
    wire = _wire(place)
    wire.send(m.query("delete from everything")[:-5])
    wire.socket.shutdown(socket.SHUT_WR)
    _to_its_end(wire.socket)
    wire.socket.close()
    events = place.evidence.closed(mark)
    assert not of_kind(events, "action.released")


def test_a_session_fed_byte_by_byte_works(place: Place) -> None:
    """Slow bytes are no fault: the same answers as in one piece."""
    wire = _wire(place)
    said = m.query("SELECT 1") + m.parse("", "SELECT 2") + m.bind("", "") + m.execute("") + m.SYNC
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(said)):
        wire.send(said[at : at + 1])
    assert [part for part in shape(wire.read_ready(2)) if part[0] in "CEZ"] == [
        "C SELECT 1", "Z I", "C SELECT 1", "Z I",
    ]  # fmt: skip
    wire.close()


def test_nothing_of_all_this_harmed_the_gateway(place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    place.unharmed()
