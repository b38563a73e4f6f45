"""What the approval of a held segment is bound to: one proof for each field (12-threats H4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from support.held_segment import BEGIN, EXTENDED, WRITE, HeldSegment
from support.postgres_link import run
from support.postgres_script import IDLE, done

from gatekeep.domain.actions import COPY_IN, NameKind, Naming
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.domain.targets import TargetTls
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.cancel import CancelKey
from gatekeep.protocols.postgres.conversation import Released, Submit
from gatekeep.protocols.postgres.turns import Called
from gatekeep.proxies.postgres import holding
from gatekeep.proxies.postgres.target import Dial, TargetLink
from gatekeep.proxies.postgres.tls_bytes import TlsInfo

#: Its wires are of the tests' own kind; journeys hold statements over the compiled package.
pytestmark = pytest.mark.uncompiled

Change = Callable[[HeldSegment], None]


@pytest.fixture
async def story() -> AsyncIterator[HeldSegment]:
    """An extended DELETE that is held."""
    made = HeldSegment(EXTENDED)
    yield made
    made.close()


@pytest.fixture
async def fresh() -> AsyncIterator[HeldSegment]:
    """A session that holds nothing yet."""
    made = HeldSegment()
    yield made
    made.close()


def with_vector(**changes: Any) -> Change:
    """The session reads its statements otherwise."""

    def change(story: HeldSegment) -> None:
        story.talk._rereading.vector = replace(SessionVector(), **changes)

    return change


def with_execution(**changes: Any) -> Change:
    """The execution is another one."""

    def change(story: HeldSegment) -> None:
        for name, value in changes.items():
            setattr(story.execution, name, value)

    return change


def reporting(name: str) -> Change:
    """The target says that a setting is another one."""
    return lambda story: story.talk.told({name: "otherwise"})


def elsewhere(story: HeldSegment) -> None:
    """The same name leads to another target."""
    story.wires = replace(story.wires, system="there:5432 system 8")


def begun(story: HeldSegment) -> None:
    """A transaction is open."""
    story.talk._replies.status = "T"


def in_a_pipeline(story: HeldSegment) -> None:
    """Something ran that no Sync has ended."""
    story.talk._replies.unsynced = True
    story.knowledge.goes_out(story.actions[0], vector_safe=True)


def copying(story: HeldSegment) -> None:
    """It turns out to be a COPY."""
    story.facts = replace(WRITE, copy_target=COPY_IN)


FIELDS: list[tuple[str, Change]] = [
    ("standard_conforming_strings", with_vector(standard_conforming_strings="off")),
    ("client_encoding", with_vector(client_encoding="LATIN1")),
    ("search_path", with_vector(search_path="evil")),
    ("role", with_vector(role="postgres")),
    ("session_replication_role", with_vector(session_replication_role="replica")),
    ("row_security", with_vector(row_security="off")),
    ("transaction_read_only", with_vector(transaction_read_only="on")),
    ("temp_objects", with_vector(temp_objects=True)),
    ("DateStyle", reporting("DateStyle")),
    ("IntervalStyle", reporting("IntervalStyle")),
    ("TimeZone", reporting("TimeZone")),
    ("transaction", begun),
    ("transaction", in_a_pipeline),
    ("target identity", elsewhere),
    ("statement 1", with_execution(mode="simple")),
    ("statement 1", with_execution(text="DELETE FROM customer")),
    ("statement 1", with_execution(statement_name="t")),
    ("statement 1", with_execution(portal_name="q")),
    ("statement 1", with_execution(parameter_oids=(25,))),
    ("statement 1", with_execution(parameter_formats=(1,))),
    ("statement 1", with_execution(values=(b"8",))),
    ("statement 1", with_execution(call=Called(7, unsynced=False))),
    ("statement 1", copying),
]


@pytest.mark.parametrize(("field", "change"), FIELDS)
async def test_an_approval_is_bound_to(story: HeldSegment, field: str, change: Change) -> None:
    """Each of these changes exactly the field that the client is then told of (H4)."""
    before = story.bound()
    change(story)
    assert list(before.changed(story.bound())) == [field]


async def test_every_field_is_proven_above(story: HeldSegment) -> None:
    """Whatever the session vector gains is bound by itself, and has its proof here."""
    proven = {field for field, _ in FIELDS} | {"meaning"}  # by test_session_holds
    assert {name for name, _ in story.bound().fields} == proven
    assert story.bound() == story.bound()


async def test_each_statement_is_a_field_of_its_own(fresh: HeldSegment) -> None:
    """Named by its place in what the client sent."""
    fresh.submit(run("DELETE FROM a") + run("SELECT 1") + run("DELETE FROM b") + m.SYNC)
    fields = dict(fresh.hold().binding([0, 2]))
    assert {"statement 1", "statement 3"} < set(fields)
    assert fields["statement 1"] != fields["statement 3"]


AMBIGUOUS: list[dict[str, Any]] = [
    {"values": (b"ab",)}, {"values": (b"a", b"b")}, {"values": (b"", b"ab")}, {"values": (None,)},
    {"values": ()}, {"values": (b"",)}, {"values": (b"\xff" * 8,)},
    {"values": (b"", None)}, {"values": (None, b"")},
    {"parameter_oids": (1, 23)}, {"parameter_oids": (12, 3)}, {"parameter_oids": (123,)},
    {"parameter_oids": (), "parameter_formats": (1, 23)},
    {"statement_name": "xy", "portal_name": ""}, {"statement_name": "x", "portal_name": "y"},
    {"statement_name": "", "portal_name": "xy"}, {"text": "a", "statement_name": "b"},
    {"text": "ab", "statement_name": ""},
]  # fmt: skip


async def test_no_two_executions_are_encoded_alike(story: HeldSegment) -> None:
    """Each part has its length, a NULL is no value, and an oid is no format."""
    usual = {name: getattr(story.execution, name) for one in AMBIGUOUS for name in one}
    seen: set[str] = set()
    for changes in AMBIGUOUS:
        with_execution(**usual | changes)(story)
        seen.add(dict(story.bound().fields)["statement 1"])
    assert len(seen) == len(AMBIGUOUS)


@pytest.mark.parametrize("kept", [True, False])
async def test_the_text_behind_a_name_is_bound(kept: bool) -> None:
    """EXECUTE means what was prepared under its name."""
    digests: set[str] = set()
    for text in ("DELETE FROM a", "DELETE FROM a" if kept else "DELETE FROM b"):
        story = HeldSegment()
        (turn,) = story.talk.receive_client(m.query(f"PREPARE p AS {text}"))
        assert isinstance(turn, Submit)
        turn.segment.executions[0].gives = Naming(NameKind.STATEMENT, "p")
        story.talk.release(turn.segment, [Released()])
        story.talk.receive_target(done("PREPARE") + IDLE)
        story.submit(m.query("EXECUTE p"))
        story.facts = replace(WRITE, takes=Naming(NameKind.STATEMENT, "p"))
        digests.add(dict(story.bound().fields)["statement 1"])
        story.close()
    assert len(digests) == (1 if kept else 2)


async def test_a_transaction_is_known_by_its_number_and_its_past(fresh: HeldSegment) -> None:
    """None is like another, nor like itself once it has changed something."""

    def told() -> str:
        return fresh.knowledge.transaction(fresh.talk.transaction_status)

    seen = [told()]
    fresh.runs("BEGIN", "T", BEGIN)
    seen.append(told())
    fresh.runs("SELECT", "T")
    assert told() == seen[-1]
    fresh.runs("DELETE", "T", WRITE)
    seen.append(told())
    fresh.runs("ROLLBACK", "I", BEGIN)
    assert told() == seen[0] == "none"
    fresh.runs("BEGIN", "T", BEGIN)
    seen.append(told())
    assert len(set(seen)) == 4


async def test_a_change_that_is_only_reported_is_named(story: HeldSegment) -> None:
    """The vector as a whole is not known then; what the target reported is what changed."""
    story.talk.told({"standard_conforming_strings": "on", "client_encoding": "UTF8"})
    before = story.bound()
    story.talk.keep_awake()
    story.talk.receive_target(m.parameter_status("search_path", "evil") + IDLE)
    assert story.talk.vector is None
    assert next(before.changed(story.bound())) == "search_path"


# which target it is


def link(certificate: bytes = b"", key: CancelKey | None = None) -> TargetLink:
    """A connection to a target."""
    tls = TlsInfo("TLSv1.3", "x", "postgresql", certificate) if certificate else None
    dial = Dial("orders", "10.0.0.5", 5432, TargetTls.DISABLE)
    return TargetLink(
        dial, wire=None, parameters={}, key=key, server_version=180000, notices=(), tls=tls  # type: ignore[arg-type] # not used here
    )


def test_which_target_it_is() -> None:
    """Its own identifier, its address and its certificate; each counts."""
    view = CatalogueView("one", 180000, "7")
    client: Any = None
    unknown, known, one, other = (
        holding.wires(client, link(), None, ()),
        holding.wires(client, link(), view, ()),
        holding.wires(client, link(b"one"), view, ()),
        holding.wires(client, link(b"two", CancelKey(77, b"secret")), view, ()),
    )
    assert unknown.system == "10.0.0.5:5432 system unknown"
    assert known.system == "10.0.0.5:5432 system 7"
    assert one.system.startswith("10.0.0.5:5432 system 7 certificate ")
    assert one.system != other.system
    assert (one.pid, other.pid) == (0, 77)
