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
    "Answer", "ClientTurn", "Conversation", "Execution", "Notification", "Ready", "Refused",
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
        self._replies = Replies(self._names)
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
        return self._out is not None or self._replies.owed > 0 or self._ended

    def source(self, taken: Naming) -> str | None:
        """The text behind a name of this session, under the present vector; None if not known."""
        return self._names.source(taken, self.vector)

    def unsettled(self) -> list[Execution]:
        """Released executions whose end is not known: what to record as unknown at the end."""
        return self._replies.unsettled()

    # --- from the client --------------------------------------------------------------------------

    def receive_client(self, data: bytes) -> list[ClientTurn]:
        """Take the client's bytes. Never raises: a broken protocol is a Violation."""
        replies = self._replies
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
                return self._submit(segment)
        except ClientFault as fault:
            self._ended = True
            return [Violation(fault.public, "client")]
        return []

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
        for at, verdict in enumerate(sent):
            assert isinstance(verdict, Released)  # noqa: S101 - what was refused is not among them
            if verdict.copies_out:
                segment.executions[at].copies_out = verdict.copies_out
            if verdict.probe_after:
                self.vector = None
                self._names.doubt(segment, segment.executions[at])
                break
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
        return raw

    # --- from the target --------------------------------------------------------------------------

    def receive_target(self, data: bytes) -> list[TargetTurn]:
        """Take the target's bytes. Never raises: a broken protocol is a Violation."""
        replies = self._replies
        turns = replies.receive(data)
        if self.vector is None or replies.reports or replies.broken:
            self._attend(turns)
        return turns

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

