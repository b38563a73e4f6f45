"""One client and one target talking after start-up: bytes in, a short list of turns out.

Sans-IO. Nothing of a segment goes to the target before `release` says so. Judging, recording and
waiting are the proxy's; reading replies is `replies`', names are `statements`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from gatekeep.domain.actions import Naming
from gatekeep.domain.sessions import SessionVector
from gatekeep.errors import ClientFault
from gatekeep.messages import WireMessage, after_vector_change
from gatekeep.protocols.postgres import cutting, messages
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres.copy_in import CopyIn
from gatekeep.protocols.postgres.frames import Cut, Cutter
from gatekeep.protocols.postgres.refusals import first_refused, refuse
from gatekeep.protocols.postgres.replies import Replies
from gatekeep.protocols.postgres.rereading import Rereading
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

_UTF8: Final = "UTF8"


class Conversation:
    """The protocol state of one session.

    At most one Submit is out at a time: call `next_turns` after `release`, after a Ready, a
    VectorKnown and an Onward to get what the client sent meanwhile. `vector` is None while it is
    not known how the target reads a statement; the gate then forwards nothing but the end of a
    transaction. What happens behind a statement that may change it is told in `cutting`.
    """

    def __init__(
        self, *, draw_nonce: Callable[[], str], target: str, vector: SessionVector | None
    ) -> None:
        self.target = target
        self._draw_nonce = draw_nonce
        self._cutter = Cutter()
        self._names = Names()
        self._reader = Reader(self._names)
        self._copy_in = CopyIn()
        self._replies = Replies(self._names, self._copy_in)
        self._out: Segment | None = None
        self._dropping = False  # after a refusal without a Sync: the target skips, so do we
        self._unsent = cutting.Unsent()
        self._rereading = Rereading(self._replies, self._names, draw_nonce, vector)
        self._ended = False

    @property
    def vector(self) -> SessionVector | None:
        """Under what the target reads a statement now, if that is known."""
        return self._rereading.vector

    @property
    def transaction_status(self) -> str:
        """I, T or E, as the target last reported."""
        return self._replies.status

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the target, that of an open pipeline included."""
        return self._replies.status != "I" or self._replies.unsynced

    @property
    def reported(self) -> dict[str, str]:
        """What the target has reported last of the settings by which it reads texts and values."""
        return self._rereading.reported

    def told(self, reports: Mapping[str, str]) -> None:
        """What the target reported before the conversation began."""
        self._rereading.note(reports.items())

    @property
    def backlog(self) -> int:
        """Bytes that wait behind a Submit or a reply: stop reading the client when it is large."""
        return self.held if self._blocked else 0

    @property
    def held(self) -> int:
        """All of the client's bytes kept here, the beginning of an incomplete message included."""
        return self._cutter.held + self._unsent.held

    @property
    def stalled(self) -> bool:
        """Whether the target has answered all that was sent: no end comes but by a Sync."""
        return self._replies.idle

    @property
    def _blocked(self) -> bool:
        return (
            self._out is not None
            or self._replies.owed > 0
            or self._ended
            or self._rereading.waits
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
            or self._rereading.waits or self._unsent.held
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
        if self._out is not None or self._replies.owed or self._ended or self._rereading.waits:
            return []
        turns: list[ClientTurn] = []
        try:
            while (cut := self._next_cut()) is not None:
                if cut.kind is None:
                    self._ended = True
                    return [*turns, Terminate()]
                if self._dropping or self._replies.skipping:
                    if owed := self._rereading.owed_error:
                        self._rereading.owed_error = b""
                        turns.append(Answer(owed))
                    if cut.kind != "sync":
                        continue
                    self._dropping = False
                    return turns + self._submit(bare_sync())
                return self._submit(self._read(cut))
        except ClientFault as fault:
            self._ended = True
            turns.append(Violation(fault.public, "client"))
        return turns

    def _next_cut(self) -> Cut | None:
        """What is read next: what is left of the last cut, or another."""
        cut = self._unsent.piece()
        if cut is None:
            cut = self._cutter.cut()
            if cut is not None:
                self._unsent.whole(cut)
        return cut

    def _read(self, cut: Cut) -> Segment:
        segment = self._reader.read(cut)
        segment.before, segment.behind = self._unsent.around
        if segment.rest:
            self._unsent.again_from(segment.rest, whole=True)
        return segment

    def _copy(self, data: bytes) -> list[ClientTurn]:
        """Rows for a COPY FROM STDIN; where it stands otherwise, they wait."""
        copy_in = self._copy_in
        if self._ended:
            return []
        if not copy_in.streaming:
            self._cutter.feed(data)
            return []
        if self.held:
            data = self._unsent.take() + self._cutter.take() + data
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

        Where one is Released and may change how the rest is read, it is the last: the rest is
        submitted again once that is known. Raises ValueError for a segment that is not out, or
        verdicts that do not fit it.
        """
        if segment is not self._out:
            raise ValueError("verdicts for a segment that is not out")
        if self.vector is None and segment.vector is not None:
            # The target reported a change while the gate was judging: nothing was judged.
            verdicts = [
                one if isinstance(one, Refused) else Refused(after_vector_change())
                for one, _ in zip_longest(verdicts, segment.executions)
            ]
            self._names.doubt(segment)
        if not cutting.fits(segment, verdicts):
            raise ValueError("verdicts that do not fit their segment")
        self._out = None
        replies = self._replies
        position, message = first_refused(segment, verdicts)
        sent = verdicts if position < 0 else verdicts[:position]
        self._mark(segment, sent)
        asks = position < 0 and self._cut_behind(segment, sent)
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
            self._dropping = segment.kind in {"flush", "cut", "part"}
        replies.expect(segment)
        raw, segment.raw = segment.raw, b""
        if position < 0 and segment.executions and segment.executions[-1].copies_in:
            raw = self._send_copy(segment, raw)
        if asks and segment.codes[-1] not in g.OWES_READY:
            raw += self._rereading.ask_behind(segment.executions[-1])
        return raw

    def _cut_behind(self, segment: Segment, verdicts: Sequence[Verdict]) -> bool:
        """Whether the vector is unknown from here on; what turns on it is then left for later."""
        if not cutting.asks_after(segment, verdicts):
            return False
        self._rereading.vector = None
        step = cutting.cut_behind(segment, len(verdicts))
        if step:
            self._unsent.again_from(step)
        return True

    def _mark(self, segment: Segment, verdicts: Sequence[Verdict]) -> None:
        """Keep in mind what the target may do with what is released."""
        for execution, verdict in zip(segment.executions, verdicts, strict=False):
            assert isinstance(verdict, Released)  # noqa: S101 - what was refused is not among them
            execution.copies_out = verdict.copies_out
            execution.copies_in = 0 if execution.bind_only else verdict.copies_in
            if execution.copies_in and segment.kind != "query" and segment.owners[-1] is not execution:
                raise ValueError("a COPY FROM STDIN that was not read as one: rows may not follow it")

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
        if self._rereading.watches or replies.reports or replies.broken:
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

    def keep_awake(self) -> bytes:
        """A Sync of ours for a target that waits while a segment is judged; nothing where none may go.

        Only between a ReadyForQuery and the next segment: elsewhere it would commit. Its answer is
        kept from the client, and may come after the segment was released.
        """
        replies = self._replies
        resting = replies.boundary and replies.idle and not replies.unsynced
        if self._out is None or not resting or self._copy_in.blocked:
            return b""
        segment = bare_sync()
        segment.kind = "awake"
        replies.expect(segment)
        return messages.SYNC

    def probe(self) -> bytes:
        """Bytes that read the session vector, at the start of a session; ends in a VectorKnown."""
        return self._rereading.probe()

    def _attend(self, turns: list[TargetTurn]) -> None:
        """Follow the session vector; ask for it where it is unknown and may be asked."""
        if self._replies.broken:
            self._ended = True
            return
        may_ask = not self._ended and self._out is None and not self._copy_in.blocked
        if self._rereading.attend(turns, may_ask=may_ask):
            self._ended = True
