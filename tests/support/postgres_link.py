"""A client's conversation through our protocol code, to a real server or a scripted one.

Plays the proxy's part without sockets of a client and without waiting: a `judge` gives verdicts,
what was settled and relayed is kept. Decides nothing by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from support.postgres_wire import Wire

from gatekeep.domain.outcomes import Outcome
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import WireMessage
from gatekeep.protocols.postgres import messages as m
from gatekeep.protocols.postgres.conversation import (
    Answer,
    ClientTurn,
    Conversation,
    Execution,
    Ready,
    Refused,
    Relay,
    Released,
    Settled,
    Submit,
    TargetTurn,
    ToTarget,
    Verdict,
    Violation,
)

Judge = Callable[[Execution], Verdict]
NO = WireMessage("42501", "gatekeep: no")


def allow(_execution: Execution) -> Verdict:
    """Everything may go out."""
    return Released()


def run(text: str, portal: str = "") -> bytes:
    """Parse, Bind and Execute without a name."""
    return m.parse("", text) + m.bind(portal, "") + m.execute(portal)


def risky(execution: Execution) -> Verdict:
    """What the gate says: only what begins like this leaves the meaning of the rest alone."""
    if "denied" in execution.text:
        return Refused(NO)
    text, unknown = execution.text, execution.unknown_source
    plain = (text.startswith(("select 1", "begin")) or not text) and not unknown
    copies = 1 if execution.unknown_source else execution.text.count("to stdout")
    return Released(probe_after=not plain, copies_out=copies)


def conversation(vector: SessionVector | None = None) -> Conversation:
    """A conversation with foreseeable nonces."""
    count = itertools.count(1)
    return Conversation(
        draw_nonce=lambda: f"{next(count):032x}", target="shop", vector=vector or SessionVector()
    )


class Link:
    """A conversation, its judge, and what came of it."""

    def __init__(self, judge: Judge = allow, wire: Wire | None = None) -> None:
        self.conversation = conversation()
        self.judge = judge
        self.wire = wire
        self.executions: list[Execution] = []
        self.outcomes: list[tuple[str, Outcome]] = []
        self.sent = b""
        self.relayed = b""
        self.ready: list[str] = []
        self.violations: list[Violation] = []
        self.turns: list[TargetTurn | ClientTurn] = []

    def client(self, data: bytes) -> None:
        """The client sends."""
        self._client_turns(self.conversation.receive_client(data))

    def target(self, data: bytes) -> None:
        """The target sends."""
        waiting = False
        for turn in self.conversation.receive_target(data):
            self.turns.append(turn)
            if isinstance(turn, Relay):
                self.relayed += turn.data
            elif isinstance(turn, Settled):
                self.outcomes.append((turn.execution.text, turn.outcome))
            elif isinstance(turn, ToTarget):
                self._send(turn.data)
            elif isinstance(turn, Violation):
                self.violations.append(turn)
            elif isinstance(turn, Ready):
                self.ready.append(turn.status)
            waiting = True
        if waiting:
            self._client_turns(self.conversation.next_turns())

    def drain(self) -> None:
        """Take what the real server has sent by now."""
        assert self.wire is not None
        for data in self.wire.at_hand():
            self.target(data)

    def exchange(self, data: bytes, count: int = 1) -> bytes:
        """The client sends, the real server answers up to its `count`th ReadyForQuery."""
        assert self.wire is not None
        seen, started = len(self.ready) + count, len(self.relayed)
        self.client(data)
        while len(self.ready) < seen:
            assert not self.violations, self.violations
            self.target(self.wire.receive())
        return self.relayed[started:]

    def _client_turns(self, turns: list[ClientTurn]) -> None:
        while turns:
            for turn in turns:
                self.turns.append(turn)
                if isinstance(turn, Violation):
                    self.violations.append(turn)
                if isinstance(turn, Answer):
                    self.relayed += turn.data
                if isinstance(turn, Submit):
                    self._judge(turn)
                elif isinstance(turn, ToTarget):
                    self._send(turn.data)
            turns = self.conversation.next_turns()

    def _judge(self, turn: Submit) -> None:
        verdicts: list[Verdict] = []
        for execution in turn.segment.executions:
            stopped = verdicts and not isinstance(verdicts[-1], Released)
            verdict = verdicts[-1] if stopped else self.judge(execution)
            self.executions.append(execution)
            verdicts.append(verdict)
            if isinstance(verdict, Released) and verdict.probe_after:
                break  # what stands behind it comes again
        self._send(self.conversation.release(turn.segment, verdicts))

    def _send(self, data: bytes) -> None:
        self.sent += data
        if self.wire is not None and data:
            self.wire.send(data)
