"""A segment that waits on a session without sockets, and the request that it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support import builders
from support.fake_journal import FakeJournal
from support.postgres_script import done
from support.session_story import Clean

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, TransactionVerb
from gatekeep.domain.approvals import (
    ApprovalRequest,
    Binding,
    Place,
    RequestKind,
    Subject,
    Why,
)
from gatekeep.domain.sessions import SessionVector
from gatekeep.gate.supervision import LiveSession
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Conversation,
    Execution,
    Released,
    Segment,
    Submit,
)
from gatekeep.proxies.postgres.holding import PostgresHold, Wires
from gatekeep.proxies.postgres.knowledge import Knowledge
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.runtime.offload import Offload

WRITE = builders.facts(SqlClass.WRITE, "DELETE", tables_written=frozenset({"public.customers"}))
BEGIN = builders.facts(SqlClass.SESSION, "BEGIN", transaction=TransactionVerb.BEGIN)
EXTENDED = (
    m.parse("s", "DELETE FROM customers", [23]) + m.bind("p", "s", [b"7"]) + m.execute("p") + m.SYNC
)


class Heard(WireEnd):
    """A wire whose peer takes everything; `said` is what it was told."""

    __slots__ = ("said",)

    def __init__(self) -> None:
        super().__init__()
        self.said = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.said += data


class HeldSegment:
    """All of its parts, for a test to change. Closed by `close`."""

    def __init__(self, data: bytes = b"") -> None:
        self.offload = Offload()
        self.client, self.target = Heard(), Heard()
        self.wires = Wires(self.client, self.target, "here:5432 system 7")
        self.talk = Conversation(
            draw_nonce=lambda: "nonce", target="orders", vector=SessionVector()
        )
        session = builders.session()
        self.knowledge = Knowledge(session, StatementReader(Clean(), Parser(self.offload)))
        stream = FakeJournal().open_stream(session_id=session.id, subject="alice", target="orders")
        self.live = LiveSession(session, stream, 0, lambda _reason: None)
        self.facts: SqlFacts = WRITE
        self.segment: Segment | None = None
        if data:
            self.submit(data)

    def close(self) -> None:
        """Nothing is read any more."""
        self.offload.close()

    def submit(self, data: bytes) -> None:
        """The client sends something that is then held."""
        (turn,) = self.talk.receive_client(data)
        assert isinstance(turn, Submit)
        self.segment = turn.segment

    def runs(self, text: str, status: str, *known: SqlFacts) -> None:
        """A statement ran before it, and left the transaction like this."""
        (turn,) = self.talk.receive_client(m.query(text))
        assert isinstance(turn, Submit)
        self.talk.release(turn.segment, [Released()])
        self.knowledge.goes_out(builders.action(text, *known), vector_safe=True)
        self.talk.receive_target(done(text) + m.ready_for_query(status))
        if status == "I":
            self.knowledge.transaction_over()

    @property
    def execution(self) -> Execution:
        """The first one that is held."""
        assert self.segment is not None
        return self.segment.executions[0]

    @property
    def actions(self) -> list[SqlAction]:
        """What the gate judges."""
        assert self.segment is not None
        return [builders.action(one.text, self.facts) for one in self.segment.executions]

    def hold(self) -> PostgresHold:
        """It, held as it stands now."""
        assert self.segment is not None
        return PostgresHold(
            self.live, self.wires, self.talk, self.knowledge, self.segment, self.actions
        )

    def bound(self) -> Binding:
        """What an approval of the first one is bound to now."""
        return Binding(tuple(self.hold().binding([0])))


def request(sight: Mapping[str, Any] | None = None, **facts: Any) -> ApprovalRequest:
    """What it waits for: a dba, for 15 minutes."""
    known = {"tables_written": ["customers", "public.customers"], "where": ["absent"]}
    asked = ApprovalRequest(
        "K3F9",
        Place("alice", "alice", "orders-prod", "app_rw"),
        Subject(RequestKind.STATEMENT, "DELETE", "DELETE FROM customers", "", facts=known | facts),
        Why("prod-writes-need-dba", "a DBA looks", "7f3a9c2b11aa", (("dba",),)),
        "9c41", 1_000_000, 901_000_000,
    )  # fmt: skip
    return replace(asked, sight=sight or {})
