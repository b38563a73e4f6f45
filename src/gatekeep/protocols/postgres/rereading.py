"""The session vector of one conversation: known, or asked for where that may be done.

Follows the state table in `cutting`. Sends nothing itself: answers the bytes of the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gatekeep.domain.sessions import SessionVector
from gatekeep.errors import TargetFault
from gatekeep.protocols.postgres import cutting, messages, vector
from gatekeep.protocols.postgres.replies import Replies
from gatekeep.protocols.postgres.statements import Names
from gatekeep.protocols.postgres.turns import (
    Execution,
    Onward,
    TargetTurn,
    ToTarget,
    VectorKnown,
    Violation,
)

_PROBE_TRIES: Final = 3
_CANCELED: Final = "57014"
READ_AS: Final = ("DateStyle", "IntervalStyle", "TimeZone")
"""Settings beside the vector by which the target reads values; it reports each change of them."""
_KEPT: Final = frozenset((*READ_AS, *vector.REPORTED))
_WAITS: Final = frozenset((cutting.OWED, cutting.ASKED))


class Rereading:
    """What is known of the vector; `vector` is None while it is not known.

    `owed_error` is the error to a question in a pipeline, until the client's next message is
    answered with it. `reported` is what the target reported last of settings by which it reads
    texts and values.
    """

    def __init__(
        self,
        replies: Replies,
        names: Names,
        draw_nonce: Callable[[], str],
        known: SessionVector | None,
    ) -> None:
        self.vector = known
        self.owed_error = b""
        self.reported: dict[str, str] = {}
        self._replies = replies
        self._names = names
        self._draw_nonce = draw_nonce
        self._state = cutting.KNOWN
        self._probes = 0  # sent and not yet answered, or tried again

    def note(self, reports: Iterable[tuple[str, str]]) -> None:
        """Keep in mind what the target reports; of any other setting nothing is kept."""
        self.reported.update((name, value) for name, value in reports if name in _KEPT)

    @property
    def waits(self) -> bool:
        """Whether an answer decides how the rest of a pipeline is read."""
        return self._state in _WAITS

    @property
    def watches(self) -> bool:
        """Whether replies may say something about the vector."""
        return self.vector is None or self._state != cutting.KNOWN

    def probe(self, *, sync: bool = True) -> bytes:
        """The bytes of the question; without `sync`, inside a pipeline."""
        self.vector = None
        self._state = cutting.KNOWN if sync else cutting.ASKED
        self._probes += 1
        self._replies.probe_row = b""
        self._replies.probe_failed = ""
        segment = vector.probe(self._draw_nonce(), sync=sync)
        self._replies.expect(segment)
        return segment.raw

    def ask_behind(self, execution: Execution) -> bytes:
        """What goes out right behind a part without a Sync that may change the vector."""
        ends = cutting.may_end(execution)
        if ends or execution.copies_out or execution.copies_in:
            self._state = cutting.OWED
            return messages.FLUSH
        if self._replies.status == "E":
            self._state = cutting.KNOWN  # a failed transaction answers nothing but its end
            return messages.FLUSH
        return self.probe(sync=False)

    def attend(self, turns: list[TargetTurn], *, may_ask: bool) -> bool:
        """Follow what the target said; ask where that is due. Answers whether all is over."""
        replies = self._replies
        reports, replies.reports = replies.reports, []
        if reports:
            self.note(reports)
        if self.waits and replies.skipping:
            self._unasked(turns)
        elif self._state != cutting.KNOWN and replies.boundary:
            self._state = cutting.KNOWN
            self.vector = None
        if self.vector is not None:
            known = self.vector
            if any(vector.differs(known, name, value) for name, value in reports):
                self.vector = None
        elif self._probes and replies.idle and self._fails(turns):
            return True
        if self.vector is None and may_ask:
            if replies.boundary and replies.status != "E":
                # What a Query left open behind messages without a Sync, ours would commit.
                open_without_sync = replies.unsynced and replies.status == "T"
                turns.append(ToTarget(self.probe(sync=not open_without_sync)))
            elif self._state == cutting.OWED and replies.idle:
                self._ask(turns)
        return False

    def _ask(self, turns: list[TargetTurn]) -> None:
        """The part behind which a question is owed is answered to its end."""
        ended = self._replies.last_tag in cutting.ENDED
        if ended or self._replies.status != "E":
            turns.append(ToTarget(self.probe(sync=ended)))
        else:
            self._state = cutting.KNOWN
            turns.append(Onward())

    def _unasked(self, turns: list[TargetTurn]) -> None:
        """An error while a question was owed or out in a pipeline: the target skips to a Sync."""
        replies = self._replies
        self.owed_error, replies.probe_error = replies.probe_error, b""
        self._state = cutting.KNOWN
        self._probes = 0
        turns.append(Onward())

    def _fails(self, turns: list[TargetTurn]) -> bool:
        """The question was answered; true if the vector cannot be had."""
        replies = self._replies
        if replies.probe_failed:
            again = replies.probe_failed == _CANCELED and replies.status == "I"
            if again and self._probes < _PROBE_TRIES:
                return False
            turns.append(Violation("the session vector cannot be read", "target"))
            return True
        try:
            self.vector, prepared = vector.read_row(replies.probe_row)
        except TargetFault as fault:
            turns.append(Violation(fault.public, "target"))
            return True
        self._probes = 0
        self._names.forget_portals()
        self._names.forget_statements(prepared)
        if self._state == cutting.ASKED:
            self._state = cutting.LENT
            self._names.failed()  # what waits was not sent: nothing of it will be confirmed
            turns.append(Onward())
        else:
            turns.append(VectorKnown(self.vector))
        return False
