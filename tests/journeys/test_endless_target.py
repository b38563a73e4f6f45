"""A target that never ends, or never answers: memory stays bounded, and leaving is always possible."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journal_evidence import of_kind
from support.journey import Place, start
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire
from support.turncoat import Turncoat

from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m

pytestmark = pytest.mark.journey

_COLUMNS = m.frame(b"T", b"\0\1n\0" + bytes(18))
_ROW = m.frame(b"D", b"\0\1" + (1_000).to_bytes(4, "big") + b"x" * 1_000)
_NOTICE = m.notice_response(WireMessage("00000", "on and on " * 90, severity="NOTICE"))
_LARGE = 15 << 20
_GROWN_KB = 24 << 10
"""What a session may add: buffers of two sockets, and some of a message that is read whole."""
_MUCH = 40 << 20


def _rows() -> Iterator[bytes]:
    yield _COLUMNS
    while True:
        yield _ROW * 60


def _notices() -> Iterator[bytes]:
    while True:
        yield _NOTICE * 60


def _one_row() -> Iterator[bytes]:
    """One row of a gigabyte, of which the end is far."""
    yield _COLUMNS + b"D" + ((1 << 30) - 1).to_bytes(4, "big")
    while True:
        yield bytes(65_536)


def _half_notice() -> Iterator[bytes]:
    """A notice of 15 MiB of which the end never comes."""
    yield b"N" + _LARGE.to_bytes(4, "big") + b"M"
    for _ in range(_LARGE // 65_536 - 2):
        yield b"x" * 65_536


@pytest.fixture(scope="module")
def turncoat(target: PostgresServer) -> Iterator[Turncoat]:
    """A man between the gateway and the target."""
    lies = {"rows": _rows, "notices": _notices, "one-row": _one_row, "half": _half_notice}
    man = Turncoat(target.port, {f"lie:{k}'".encode(): v for k, v in {**lies, "silence": b""}.items()})
    yield man
    man.close()


@pytest.fixture(scope="module")
def place(target: PostgresServer, turncoat: Turncoat) -> Iterator[Place]:
    """A gateway whose target he is."""
    yield from start(target, target_port=turncoat.port)


def _watched(place: Place) -> Path:
    """Where the gateway's peak memory stands; it begins anew."""
    assert place.gateway.process is not None
    pid = place.gateway.process.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return Path(f"/proc/{pid}/status")


def _peak_kb(status: Path) -> int:
    return next(int(one.split()[1]) for one in status.read_text().splitlines() if one.startswith("VmHWM"))


def _wire(place: Place) -> Wire:
    return Wire("127.0.0.1", place.gateway.port, "alice", place.gateway.tokens["alice"], "orders")


@pytest.mark.parametrize("lie", ["rows", "one-row"])
def test_an_answer_without_end_passes_and_nothing_of_it_stays(
    place: Place, turncoat: Turncoat, lie: str
) -> None:
    """As much as the client takes goes through it, with flat memory; when it leaves, all is over."""
    mark = place.evidence.mark()
    wire = _wire(place)
    status = _watched(place)
    before, taken = _peak_kb(status), 0
    wire.send(m.query(f"SELECT 'lie:{lie}'"))
    while taken < _MUCH:
        taken += len(wire.receive())
    assert _peak_kb(status) - before < _GROWN_KB
    wire.socket.close()
    events = place.evidence.closed(mark)
    assert len(of_kind(events, "action.unknown")) == 1


def test_a_client_that_does_not_read_stops_its_target(place: Place, turncoat: Turncoat) -> None:
    """The gateway reads no further than its buffers: the target's own are full, and it waits."""
    mark = place.evidence.mark()
    wire = _wire(place)
    status = _watched(place)
    before, said = _peak_kb(status), [turncoat.said]
    wire.send(m.query("SELECT 'lie:rows'"))

    def stands() -> bool:
        said.append(turncoat.said)
        return len(said) > 20 and said[-1] > said[0] and len(set(said[-20:])) == 1

    place.until(stands)
    assert _peak_kb(status) - before < _GROWN_KB
    wire.socket.close()
    assert len(of_kind(place.evidence.closed(mark), "action.unknown")) == 1


def test_half_a_message_is_held_up_to_its_limit(place: Place, turncoat: Turncoat) -> None:
    """What must be read whole is at most 16 MiB, and gone with the session."""
    mark = place.evidence.mark()
    wire = _wire(place)
    status = _watched(place)
    before, said = _peak_kb(status), turncoat.said
    wire.send(m.query("SELECT 'lie:half'"))
    place.until(lambda: turncoat.said - said > _LARGE - 4 * 65_536)
    assert _peak_kb(status) - before < 3 * (_LARGE >> 10) + _GROWN_KB
    wire.socket.close()
    place.evidence.closed(mark)


@pytest.mark.parametrize("lie", ["silence", "notices"])
def test_psql_may_leave_a_target_that_never_ends(place: Place, turncoat: Turncoat, lie: str) -> None:
    """Whatever it waits for: when psql goes, the session is closed and what ran is told as unknown."""
    mark, asked = place.evidence.mark(), turncoat.asked
    with subprocess.Popen(
        ["/usr/bin/psql", "-X", "-f", "-", place.dsn()], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"},
    ) as psql:  # fmt: skip
        assert psql.stdin is not None
        psql.stdin.write(f"SELECT 'lie:{lie}';\nSELECT 'hunter2';\n".encode())
        psql.stdin.flush()
        place.until(lambda: turncoat.asked > asked)
        psql.kill()
    events = place.evidence.closed(mark)
    assert [one["cause"] for one in of_kind(events, "action.unknown")] != []
    assert b"hunter2" not in turncoat.heard


def test_nothing_of_all_this_harmed_the_gateway(place: Place) -> None:
    """No traceback, no failed session, and it serves."""
    place.unharmed()
