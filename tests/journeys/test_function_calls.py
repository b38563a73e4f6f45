"""FunctionCall: refused unless a rule names it; then as with the target alone, and told in full."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway import PERMISSIVE
from support.journal_evidence import of_kind, outcomes
from support.journey import PASSWORD, Place, start
from support.postgres_server import PostgresServer
from support.postgres_wire import Wire, frames, shape

from gatekeep.protocols.postgres import messages as m

pytestmark = pytest.mark.journey

NAMED = (
    PERMISSIVE
    + """
@id("test-calls")
@why("Tests call functions by their number.")
permit(principal, action == Action::"function.call", resource);
"""
)
LARGE_OBJECTS_ONLY = """
@id("sessions") permit(principal, action == Action::"session.open", resource);
@id("statements")
permit(principal, action in [Action::"sql.read", Action::"sql.session", Action::"sql.procedural"],
       resource);
@id("log") permit(principal, action in Action::"gateway", resource);
@id("large-objects")
permit(principal, action in [Action::"function.call", Action::"sql.opaque"], resource)
when { context.mode == "function_call" && context.known_tags.contains("large_object") };
"""

RUN = m.parse("", "select 1") + m.bind("", "") + m.execute("")


@pytest.fixture(scope="module")
def calling_place(target: PostgresServer) -> Iterator[Place]:
    """Everything is permitted, calls by number named besides."""
    yield from start(target, policy=NAMED)


@pytest.fixture(scope="module")
def large_object_place(target: PostgresServer) -> Iterator[Place]:
    """Calls by number are permitted for large objects alone."""
    yield from start(target, policy=LARGE_OBJECTS_ONLY)


def through(place: Place) -> Wire:
    """A wire through the door."""
    return Wire("127.0.0.1", place.gateway.port, "alice", place.gateway.tokens["alice"], "orders")


def direct(place: Place) -> Wire:
    """A wire to the target itself."""
    return Wire("127.0.0.1", place.server.port, "app_rw", PASSWORD, place.database)


def call(oid: int, *values: bytes) -> bytes:
    """A FunctionCall with text values, for a text result."""
    parts = b"".join(struct.pack(">i", len(value)) + value for value in values)
    return m.frame(b"F", struct.pack(">IHH", oid, 0, len(values)) + parts + struct.pack(">H", 0))


ABS = 1397  # int4abs
DIVIDE = 154  # int4div
NEXT = {
    "alone": (b"", call(ABS, b"-7"), 1),
    "fails": (b"", call(DIVIDE, b"1", b"0"), 1),
    "no-such-function": (b"", call(4_000_000_000), 1),
    "too-few-values": (b"", call(DIVIDE, b"1"), 1),
    "in-a-transaction": (m.query("begin"), call(ABS, b"-7"), 1),
    "fails-in-a-transaction": (m.query("begin"), call(DIVIDE, b"1", b"0"), 1),
    "in-a-failed-transaction": (m.query("begin; select 1/0"), call(ABS, b"-7"), 1),
    "twice-at-once": (b"", call(ABS, b"-7") + call(DIVIDE, b"1", b"0"), 2),
    "behind-an-error": (b"", m.parse("", "select 1/") + call(ABS, b"-7") + m.SYNC, 1),
    "query-behind-an-error": (b"", m.parse("", "select 1/") + m.query("select 5") + m.SYNC, 1),
    "behind-a-pipeline": (b"", RUN + m.SYNC + call(ABS, b"-7") + m.query("select 2"), 3),
}


@pytest.mark.parametrize("name", NEXT)
def test_a_permitted_call_is_answered_as_by_the_target_alone(
    calling_place: Place, name: str
) -> None:
    """Message by message, in every transaction state and within pipelines; and so is what follows."""
    before, sent, answers = NEXT[name]
    said = []
    for wire in (direct(calling_place), through(calling_place)):
        if before:
            wire.exchange(before)
        told = wire.exchange(sent, answers)
        said.append((
            shape(told), [body for kind, body in frames(told) if kind in "VD"],
            shape(wire.exchange(m.query("select 3"))), shape(wire.exchange(m.query("rollback"))),
        ))  # fmt: skip
        wire.close()
    assert said[0] == said[1]


def test_a_permitted_call_is_an_event_with_its_outcome(calling_place: Place) -> None:
    """Oid, name where it is known, values; then done, or failed with its SQLSTATE."""
    calling_place.make(
        "CREATE FUNCTION named(a text) RETURNS text LANGUAGE sql AS 'SELECT upper(a)'"
    )
    oid = calling_place.value("SELECT 'named'::regproc::oid")
    mark = calling_place.evidence.mark()
    wire = through(calling_place)
    wire.exchange(m.query("select 1"))  # so that the catalogue is known
    (answer,) = [b for kind, b in frames(wire.exchange(call(oid, b"me"))) if kind == "V"]
    assert answer == struct.pack(">i", 2) + b"ME"
    wire.exchange(call(DIVIDE, b"1", b"0"))
    wire.exchange(call(957, b"-1"))
    wire.close()
    events = calling_place.evidence.closed(mark)
    _, named, divide, creat = of_kind(events, "action.released")
    assert named["text"] == f"FunctionCall {oid} (public.named)"
    assert (named["class"], named["verb"], named["mode"]) == (
        "opaque", "FUNCTION CALL", "function_call",
    )  # fmt: skip
    assert (named["functions"], named["parameters"]) == (["public.named"], ["me"])
    assert (divide["text"], divide["parameters"]) == (f"FunctionCall {DIVIDE}", ["1", "0"])
    assert creat["text"] == "FunctionCall 957 (pg_catalog.lo_creat)"
    assert "large_object" in creat["tags"]
    assert [one for one in outcomes(events) if "Function" in one[0]] == [
        (named["text"], "done"), (divide["text"], "failed"), (creat["text"], "done"),
    ]  # fmt: skip
    (failed,) = [one for one in of_kind(events, "action.finished") if one["outcome"] == "failed"]
    assert failed["sqlstate"] == "22012"


@pytest.mark.parametrize("state", ["I", "T", "E"])
def test_a_call_that_no_rule_names_is_refused_in_every_state(open_place: Place, state: str) -> None:
    """All SQL is permitted here, and that is not enough; state and connection stay as they would."""
    before = {"I": b"", "T": m.query("begin"), "E": m.query("begin; select 1/0")}[state]
    after = {"I": "Z I", "T": "Z E", "E": "Z E"}[state]
    mark = open_place.evidence.mark()
    wire = through(open_place)
    if before:
        wire.exchange(before)
    answer = wire.exchange(call(957, b"-1"))
    assert shape(answer) == ["E 42501", after]
    error = m.read_error(next(body for kind, body in frames(answer) if kind == "E"))
    assert error.message == "gatekeep: policy does not allow FUNCTION CALL on orders"
    assert shape(wire.exchange(m.query("rollback")))[-1] == "Z I"
    assert shape(wire.exchange(m.query("select 4"))) == ["T", "D", "C SELECT 1", "Z I"]
    wire.close()
    (refused,) = of_kind(open_place.evidence.closed(mark), "action.refused")
    assert refused["text"] == "FunctionCall 957 (pg_catalog.lo_creat)"
    assert refused["parameters"] == ["-1"]
    assert (refused["cause"], refused["decision"]["verdict"]) == ("policy", "deny")


@pytest.mark.parametrize("flushed", [b"", m.FLUSH], ids=["at-once", "flushed"])
def test_a_call_among_messages_that_no_sync_has_ended(
    calling_place: Place, flushed: bytes
) -> None:
    """It is refused even where it is permitted, and what follows is answered in order.

    The target reports T for a transaction that is none of the client's, and a Sync ends it.
    """
    mark = calling_place.evidence.mark()
    wire = through(calling_place)
    sent = RUN + flushed + call(ABS, b"-7") + m.SYNC + m.query("select 2") + call(ABS, b"-7")
    assert shape(wire.exchange(sent, 4)) == [
        "1", "2", "D", "C SELECT 1", "E 0A000", "Z I", "Z I", "T", "D", "C SELECT 1", "Z I",
        "V", "Z I",
    ]  # fmt: skip
    wire.close()
    (refused,) = of_kind(calling_place.evidence.closed(mark), "action.refused")
    assert (refused["text"], refused["cause"]) == (f"FunctionCall {ABS}", "not_offered")


def test_a_broken_call_ends_the_session_as_a_fault(calling_place: Place) -> None:
    """Values longer than the message: nothing of it reaches the target."""
    mark = calling_place.evidence.mark()
    wire = through(calling_place)
    wire.send(m.frame(b"F", struct.pack(">IHHi", 957, 0, 1, 1000) + b"x"))
    kind, body, _ = wire.message()
    assert (kind, m.read_error(body).sqlstate) == ("E", "08P01")
    wire.socket.close()
    (fault,) = of_kind(calling_place.evidence.closed(mark), "protocol.fault")
    assert "FunctionCall" in fault["what"]


def psql(place: Place, *commands: str) -> subprocess.CompletedProcess[str]:
    """Psql through the door."""
    words = [word for command in commands for word in ("-c", command)]
    return subprocess.run(
        ["/usr/bin/psql", "-X", "-v", "ON_ERROR_STOP=1", place.dsn(), *words], check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_psql_moves_large_objects_where_a_rule_permits_them(
    large_object_place: Place, tmp_path: Path
) -> None:
    """Of lo_import and lo_export libpq makes such calls; each is an event."""
    content = bytes(range(256)) * 100
    (tmp_path / "in").write_bytes(content)
    mark = large_object_place.evidence.mark()
    done = psql(large_object_place, f"\\lo_import {tmp_path}/in")
    assert done.stdout.startswith("lo_import "), done.stderr
    oid = done.stdout.split()[1]
    done = psql(large_object_place, f"\\lo_export {oid} {tmp_path}/out", f"\\lo_unlink {oid}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == content
    events = large_object_place.evidence.closed(mark, sessions=2)
    called = [one["functions"][0] for one in of_kind(events, "action.released")
              if one["mode"] == "function_call"]  # fmt: skip
    assert called.count("pg_catalog.lowrite") == 4
    assert {"pg_catalog.lo_creat", "pg_catalog.loread", "pg_catalog.lo_unlink"} <= set(called)
    wire = through(large_object_place)
    assert shape(wire.exchange(call(ABS, b"-7"))) == ["E 42501", "Z I"]
    wire.close()


def test_psql_reads_why_it_may_not_move_large_objects(open_place: Place, tmp_path: Path) -> None:
    """The refusal is an error like any other: psql shows it and goes on."""
    (tmp_path / "in").write_bytes(b"x")
    done = psql(open_place, f"\\lo_import {tmp_path}/in")
    assert "gatekeep: policy does not allow FUNCTION CALL on orders" in done.stderr
