"""One client and one target talking after start-up: bytes in, a short list of turns out.

Sans-IO. Nothing of a segment goes to the target before `release` says so. Judging, recording and
waiting are the proxy's; reading replies is `replies`', names are `statements`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gatekeep.domain.actions import Naming
from gatekeep.domain.sessions import SessionVector
from gatekeep.errors import ClientFault, TargetFault
from gatekeep.messages import WireMessage, after_vector_change
from gatekeep.protocols.postgres import messages, vector
from gatekeep.protocols.postgres.copy_in import CopyIn
from gatekeep.protocols.postgres.frames import Cutter
from gatekeep.protocols.postgres.refusals import first_refused, refuse
from gatekeep.protocols.postgres.replies import Replies
from gatekeep.protocols.postgres.segments import Reader, bare_sync
from gatekeep.protocols.postgres.statements import Names
from gatekeep.protocols.postgres.turns import (
    Answer,
    ClientTurn,
    Execution,
    Notification,
    Onward,
    Ready,
    Refused,
    Relay,
    Released,
    Segment,
    Settled,
    Submit,
    TargetTurn,
    Terminate,
    ToTarget,
    VectorKnown,
    Verdict,
    Violation,
)

__all__ = [
    "Answer", "ClientTurn", "Conversation", "Execution", "Notification", "Onward", "Ready", "Refused",
    "Relay", "Released", "Segment", "Settled", "Submit", "TargetTurn", "Terminate", "ToTarget",
    "VectorKnown", "Verdict", "Violation",
]  # fmt: skip

_PROBE_TRIES: Final = 3
_CANCELED: Final = "57014"
_UTF8: Final = "UTF8"


class Conversation:
    """The protocol state of one session.

    At most one Submit is out at a time: call `next_turns` after `release`, after a Ready and after
    a VectorKnown to get what the client sent meanwhile. `vector` is None while it is not known how
    the target reads a statement; the gate then forwards nothing but the end of a transaction.
    """

    def __init__(
        self, *, draw_nonce: Callable[[], str], target: str, vector: SessionVector | None
    ) -> None:
        self.vector = vector
        self.target = target
        self._draw_nonce = draw_nonce
        self._cutter = Cutter()
        self._names = Names()
        self._reader = Reader(self._names)
        self._copy_in = CopyIn()
        self._replies = Replies(self._names, self._copy_in)
        self._out: Segment | None = None
        self._dropping = False  # after a refusal without a Sync: the target skips, so do we
        self._probes = 0  # sent and not yet answered, or tried again
        self._ended = False

    @property
    def transaction_status(self) -> str:
        """I, T or E, as the target last reported."""
        return self._replies.status

    @property
    def backlog(self) -> int:
        """Bytes that wait behind a Submit or a reply: stop reading the client when it is large."""
        return self._cutter.held if self._blocked else 0

    @property
    def held(self) -> int:
        """All of the client's bytes kept here, the beginning of an incomplete message included."""
        return self._cutter.held

    @property
    def _blocked(self) -> bool:
        return (
            self._out is not None
            or self._replies.owed > 0
            or self._ended
            or (self._copy_in.blocked and not self._copy_in.streaming)
        )

    def source(self, taken: Naming) -> str | None:
        """The text behind a name of this session, under the present vector; None if not known."""
        return self._names.source(taken, self.vector)

    @property
    def copying(self) -> bool:
        """Whether a COPY FROM STDIN is open: the client's rows are what it needs to end."""
        return self._copy_in.blocked

    def unsettled(self) -> list[Execution]:
        """Released executions whose end is not known: what to record as unknown at the end."""
        return self._replies.unsettled()

    # --- from the client --------------------------------------------------------------------------

    def receive_client(self, data: bytes) -> list[ClientTurn]:
        """Take the client's bytes. Never raises: a broken protocol is a Violation."""
        replies = self._replies
        if self._copy_in.state or self._copy_in.streaming:
            return self._copy(data)
        if self._cutter.fresh and data and not (
            self._out or replies.owed or self._ended or self._dropping or replies.skipping
        ):
            segment = self._reader.quick(data)
            if segment is not None:
                return self._submit(segment)
        self._cutter.feed(data)
        return self.next_turns()

    def next_turns(self) -> list[ClientTurn]:
        """The next Submit or Terminate, if nothing must be answered first."""
        if self._copy_in.blocked:
            return self._copy(b"")
        if self._out is not None or self._replies.owed or self._ended:
            return []
        try:
            while (cut := self._cutter.cut()) is not None:
                if cut.kind is None:
                    self._ended = True
                    return [Terminate()]
                if self._dropping or self._replies.skipping:
                    if cut.kind != "sync":
                        continue
                    self._dropping = False
                    segment = bare_sync()
                else:
                    segment = self._reader.read(cut)
                    if segment.rest:
                        self._cutter.give_back(cut, segment.rest)
                return self._submit(segment)
        except ClientFault as fault:
            self._ended = True
            return [Violation(fault.public, "client")]
        return []

    def _copy(self, data: bytes) -> list[ClientTurn]:
        """Rows for a COPY FROM STDIN; where it stands otherwise, they wait."""
        copy_in = self._copy_in
        if self._ended:
            return []
        if not copy_in.streaming:
            self._cutter.feed(data)
            return []
        if self._cutter.held:
            data = self._cutter.take() + data
        try:
            out, rest, leaves = copy_in.forward(data)
        except ClientFault as fault:
            self._ended = True
            return [Violation(fault.public, "client")]
        self._cutter.feed(rest)
        turns: list[ClientTurn] = [ToTarget(out)] if out else []
        if leaves:
            self._ended = True
            turns.append(Terminate())
        elif copy_in.news == "sort out":
            turns.append(ToTarget(self._sort_out()))
        elif copy_in.news and not copy_in.blocked:
            copy_in.news = ""
            turns += self.next_turns()
        return turns

    def _sort_out(self) -> bytes:
        self._copy_in.news = ""
        return self._copy_in.sorting_out(self._draw_nonce())

    def abandon_copy(self, why: str) -> bytes | None:
        """A CopyFail for the target if it takes rows; None if a row is half sent."""
        return self._copy_in.abandon(why)

    def _submit(self, segment: Segment) -> list[ClientTurn]:
        current = segment.vector = self.vector
        if current is None or current.standard_conforming_strings != "on":
            self._names.doubt(segment)
        if current is not None and current.client_encoding != _UTF8:
            self._names.doubt(segment)
            for execution in segment.executions:
                execution.unknown_source = True
        for execution in segment.executions:
            if execution.vector is None:
                execution.vector = current
            elif execution.vector != current:
                execution.unknown_source = True  # a portal means what it meant at its making
        self._out = segment
        return [Submit(segment)]

    def release(self, segment: Segment, verdicts: Sequence[Verdict]) -> bytes:
        """The bytes for the target, after one verdict an execution.

        Raises ValueError for a segment that is not out, or verdicts that do not fit it.
        """
        if segment is not self._out or len(verdicts) != len(segment.executions):
            raise ValueError("verdicts that fit no submitted segment")
        if self.vector is None and segment.vector is not None:
            # The target reported a change while the gate was judging: nothing was judged.
            verdicts = [Refused(after_vector_change())] * len(verdicts)
            self._names.doubt(segment)
        self._out = None
        replies = self._replies
        position, message = first_refused(segment, verdicts)
        sent = verdicts if position < 0 else verdicts[:position]
        self._mark(segment, sent)
        if replies.skipping:
            replies.drop(segment.executions[: len(sent)])
            if segment.kind != "sync":
                return b""
            segment = bare_sync()
        elif position >= 0:
            # Since the last report a Flush may have carried the end of the transaction.
            status = replies.status if replies.boundary else ""
            lost = refuse(segment, position, message, self._draw_nonce(), status)
            replies.drop(lost)
            self._dropping = segment.kind in {"flush", "cut"}
        replies.expect(segment)
        raw, segment.raw = segment.raw, b""
        if position < 0 and segment.executions and segment.executions[-1].copies_in:
            return self._send_copy(segment, raw)
        return raw

    def _mark(self, segment: Segment, verdicts: Sequence[Verdict]) -> None:
        """Keep in mind what the target may do with what is released."""
        for execution, verdict in zip(segment.executions, verdicts, strict=False):
            assert isinstance(verdict, Released)  # noqa: S101 - what was refused is not among them
            execution.copies_out = verdict.copies_out
            execution.copies_in = verdict.copies_in
            if verdict.copies_in and segment.kind != "query" and segment.owners[-1] is not execution:
                raise ValueError("a COPY FROM STDIN that was not read as one: rows may not follow it")
            if verdict.probe_after:
                self.vector = None
                self._names.doubt(segment, execution)
                break

    def _send_copy(self, segment: Segment, raw: bytes) -> bytes:
        """A COPY FROM STDIN goes out, and nothing else until the target has answered it."""
        self._copy_in.await_answer(segment.executions[-1])
        return raw if segment.kind == "query" else raw + messages.FLUSH

    # --- from the target --------------------------------------------------------------------------

    def receive_target(self, data: bytes) -> list[TargetTurn]:
        """Take the target's bytes. Never raises: a broken protocol is a Violation."""
        replies = self._replies
        turns = replies.receive(data)
        if self._copy_in.news:
            self._attend_copy(turns)
        if self.vector is None or replies.reports or replies.broken:
            self._attend(turns)
        return turns

    def _attend_copy(self, turns: list[TargetTurn]) -> None:
        """A COPY FROM STDIN began or ended."""
        if self._copy_in.news == "sort out":
            turns.append(ToTarget(self._sort_out()))
        elif self._replies.boundary:
            self._copy_in.news = ""  # a Ready says it
        else:
            self._copy_in.news = ""
            turns.append(Onward())

    def inject_notice(self, message: WireMessage) -> list[TargetTurn]:
        """A notice of ours for the client: now, or as soon as no message is half sent."""
        return self._replies.notice(messages.notice_response(message))

    def probe(self) -> bytes:
        """Bytes that read the session vector, at the start of a session; ends in a VectorKnown."""
        self.vector = None
        return self._probe()

    def _probe(self) -> bytes:
        self._probes += 1
        self._replies.probe_row = b""
        self._replies.probe_failed = ""
        segment = vector.probe(self._draw_nonce())
        self._replies.expect(segment)
        return segment.raw

    def _attend(self, turns: list[TargetTurn]) -> None:
        """Follow the session vector; ask for it where it is unknown and may be asked."""
        replies = self._replies
        if replies.broken:
            self._ended = True
            return
        reports, replies.reports = replies.reports, []
        if self.vector is not None:
            known = self.vector
            if any(vector.differs(known, name, value) for name, value in reports):
                self.vector = None
        elif self._probes and replies.boundary:
            self._probed(turns)
        if (
            self.vector is None
            and replies.boundary
            and not self._ended
            and replies.status != "E"
            and self._out is None
            and not self._copy_in.blocked
        ):
            turns.append(ToTarget(self._probe()))

    def _probed(self, turns: list[TargetTurn]) -> None:
        """Our probe was answered."""
        replies = self._replies
        if replies.probe_failed:
            again = replies.probe_failed == _CANCELED and replies.status == "I"
            if not again or self._probes >= _PROBE_TRIES:
                self._ended = True
                turns.append(Violation("the session vector cannot be read", "target"))
            return
        try:
            self.vector, prepared = vector.read_row(replies.probe_row)
        except TargetFault as fault:
            self._ended = True
            turns.append(Violation(fault.public, "target"))
            return
        self._probes = 0
        self._names.forget_portals()
        self._names.forget_statements(prepared)
        turns.append(VectorKnown(self.vector))

