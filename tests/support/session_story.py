"""A session between two scripted peers, over a fake journal and a policy of the test's own."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

from support import builders
from support.fake_journal import FakeJournal

from gatekeep import messages
from gatekeep.domain.actions import SqlAction
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.sessions import Session, SessionVector
from gatekeep.gate.clearance import Clearance
from gatekeep.gate.ports import Judgement
from gatekeep.gate.supervision import LiveSession
from gatekeep.protocols.postgres.conversation import Conversation
from gatekeep.proxies.postgres.holding import Wires
from gatekeep.proxies.postgres.parsing import Parser
from gatekeep.proxies.postgres.pump import WireEnd
from gatekeep.proxies.postgres.reading import StatementReader
from gatekeep.proxies.postgres.session import PostgresSession, Rooms
from gatekeep.runtime.clock import SystemClock
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner


def message(kind: bytes, body: bytes = b"") -> bytes:
    """One typed message."""
    return kind + struct.pack("!I", len(body) + 4) + body


def query(text: str) -> bytes:
    """A Query."""
    return message(b"Q", text.encode() + b"\0")


LIMIT_S = 30.0
DONE = message(b"C", b"SELECT 0\0") + message(b"Z", b"I")


class Clean:
    """A catalogue desk over an untouched database; counts how often it was said to be touched."""

    def __init__(self) -> None:
        self.touched = 0
        self.view = CatalogueView("one", 180000, "")

    def fresh(self, session: Session) -> CatalogueView | None:
        """Always at hand."""
        return self.view

    async def look_up(self, session: Session) -> CatalogueView | None:
        """The same."""
        return self.fresh(session)

    def unsettle(self, session: Session) -> None:
        """Not counted here."""

    def settle(self, session: Session) -> None:
        """Not counted here."""

    def invalidate(self, session: Session) -> None:
        """Nothing to forget."""
        self.touched += 1


class Policy:
    """Allows what the test does not deny."""

    version = "abcdef012345"

    def __init__(self, denied: Callable[[SqlAction], bool]) -> None:
        self._denied = denied

    def judge_command(self, session: object, action: object) -> Judgement:
        """Nothing comes over SSH here."""
        raise NotImplementedError

    def judge(self, session: Session, action: SqlAction) -> Judgement:
        """By the test's word."""
        return builders.judgement(Verdict.DENY if self._denied(action) else Verdict.ALLOW)


class Story:
    """A running session; `client` and `target` are the far ends of its wires."""

    def __init__(
        self,
        journal: FakeJournal | None = None,
        denied: Callable[[SqlAction], bool] = lambda _action: False,
        confirm_s: float = 5.0,
    ) -> None:
        self.journal = journal or FakeJournal()
        self.faults: list[BaseException] = []
        self.owner = TaskOwner("test")
        self._denied = denied
        self._confirm_s = confirm_s

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        ends: list[WireEnd] = []
        far: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        for _ in range(2):
            near_socket, far_socket = socket.socketpair()
            _, wire = await loop.create_connection(WireEnd, sock=near_socket)
            ends.append(wire)
            far.append(await asyncio.open_connection(sock=far_socket))
        (self.client, self._to_client), (self.target, self._to_target) = far
        self.from_client, self.from_target = self._to_client, self._to_target
        session = self.of_whom()
        stream = self.journal.open_stream(session_id=session.id, subject="alice", target="orders")
        self.live = LiveSession(session, stream, 0, end=lambda _reason: None)
        gate = self.gate()
        self.offload = Offload()
        self.desk = Clean()
        rooms = Rooms(
            gate, self.journal, StatementReader(self.desk, Parser(self.offload)), SystemClock(),
            self.faults.append, self._confirm_s,
        )  # fmt: skip
        talk = Conversation(draw_nonce=lambda: "nonce", target="orders", vector=SessionVector())
        self.session = PostgresSession(self.live, Wires(ends[0], ends[1], "here"), talk, rooms)
        self.live.end = self.session.end
        self.ends = ends
        self.running = asyncio.ensure_future(self.session.run(self.owner))
        return self

    def of_whom(self) -> Session:
        """Whose session it is, and where."""
        return builders.session()

    def gate(self) -> Clearance:
        """What judges it."""
        return Clearance(
            self.journal, Policy(self._denied), on_unrecordable=lambda _incident, _error: None
        )

    async def __aexit__(self, *_: object) -> None:
        self.session.stop_now(messages.gateway_drains())
        await asyncio.wait_for(self.running, LIMIT_S)
        for writer in (self.from_client, self.from_target):
            writer.transport.abort()
        for wire in self.ends:
            wire.abort()
        self.offload.close()
        await self.owner.close()
        for _ in range(5):  # the aborted transports say good-bye on the next turns of the loop
            await asyncio.sleep(0)

    async def at_target(self, expected: bytes) -> None:
        """What reaches the target, exactly."""
        assert await asyncio.wait_for(self.target.readexactly(len(expected)), LIMIT_S) == expected

    async def at_client(self, expected: bytes) -> None:
        """What reaches the client, exactly."""
        assert await asyncio.wait_for(self.client.readexactly(len(expected)), LIMIT_S) == expected

    async def nothing_at_target(self) -> None:
        """After the loop has turned a while, the target has seen nothing."""
        await self._nothing_at(self.target)

    async def nothing_at_client(self) -> None:
        """The same of the client."""
        await self._nothing_at(self.client)

    async def _nothing_at(self, far: asyncio.StreamReader) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        try:
            data = await asyncio.wait_for(far.read(1), 0.05)
        except TimeoutError:
            data = b""
        assert data == b""

    def outcomes(self) -> list[str]:
        """How the actions ended, in order."""
        return [
            event.payload["outcome"]
            for event in self.journal.events
            if event.kind == "action.finished"
        ]
