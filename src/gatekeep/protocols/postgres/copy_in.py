"""COPY FROM STDIN: what goes to a target that takes rows, and which of its answers then count.

Sans-IO. No row is looked into; CopyData passes by its length. Owned by one conversation, told by
`replies` what the target says. Source: PostgreSQL manual, "COPY Operations".

What a target does with d c f H S depends on a moment that only it knows: while it takes rows it
ignores Sync, after an error it answers each. So:

    state     from            what the client may do meanwhile
    QUIET                     everything: no COPY FROM STDIN is open
    AWAITED   release         nothing goes out until CopyInResponse, an error or an end tells
    TAKING    CopyInResponse  d c f S go out as they come (H means nothing here); c and f end it;
                              anything else breaks the protocol
    ENDING    c or f is out   nothing goes out until the target says how it ended
    SORTING   an error, while a Sync was out that may have been ignored or not: nothing goes out
              but the rest of a CopyData; the target is asked (see `sorting_out`)

An end that the target tells in TAKING, before CopyDone, is its fault; an error is not.
"""

from __future__ import annotations

from typing import Final, Literal

from gatekeep.errors import ClientFault, TargetFault
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.frames import (
    COPY_DATA,
    FLUSH,
    SYNC,
    TERMINATE,
    shown,
    skip_rows,
)
from gatekeep.protocols.postgres.messages import HEADER
from gatekeep.protocols.postgres.turns import Execution, Segment

QUIET, AWAITED, TAKING, ENDING, SORTING = range(5)

DONE, FAIL = b"cf"
_BARE: Final = 4  # a length counts itself
_LONGEST_FAIL: Final = 10_000  # the target's own limit
_READY_SIZE: Final = 1

News = Literal["", "onward", "sort out"]


class CopyIn:
    """Where one conversation stands with COPY FROM STDIN.

    `news` is what the conversation has to act on since it last looked: `onward` (what waits of the
    client may be read), `sort out` (send `sorting_out`).
    """

    __slots__ = ("_execution", "_extended", "_left", "_pending", "_relayed", "_uncertain", "news", "state")

    def __init__(self) -> None:
        self.state = QUIET
        self.news: News = ""
        self._execution: Execution | None = None
        self._extended = False
        self._left = 0  # bytes to come of a CopyData that is half sent
        self._uncertain = 0  # Syncs sent that the target ignores if it still takes rows
        self._pending = b""  # a ReadyForQuery that may be the answer to a Sync of ours
        self._relayed = 0

    @property
    def blocked(self) -> bool:
        """Whether nothing of the client may be read as a new segment."""
        return self.state != QUIET or self._left > 0

    @property
    def streaming(self) -> bool:
        """Whether the client's bytes are for `forward`."""
        return self.state == TAKING or self._left > 0

    # --- from the client --------------------------------------------------------------------------

    def await_answer(self, execution: Execution) -> None:
        """A COPY FROM STDIN goes out."""
        self.state = AWAITED
        self._execution = execution
        self._extended = execution.mode == "extended"
        self._uncertain = 0

    def forward(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """What of the client's bytes goes to the target now, what is left of them, and its good-bye.

        What is left is to be given again with what follows, or belongs to what comes after the
        rows. The good-bye (Terminate, true) leaves the COPY without an end. Raises ClientFault.
        """
        size = len(data)
        at = min(self._left, size)
        self._left -= at
        pieces: list[bytes] = []
        start = 0
        while self.state == TAKING and not self._left:
            _, at = skip_rows(data, at, size, COPY_DATA)
            if at > size:
                self._left = at - size
                at = size
            if size - at < HEADER.size:
                break
            kind, length = HEADER.unpack_from(data, at)
            if kind == TERMINATE:
                return self._sent(pieces, data, start, at), b"", True
            end = at + length + 1
            _check(kind, length)
            if end > size:
                break
            if kind == FLUSH:
                pieces.append(data[start:at])
                start = end
            self._passes(kind)
            at = end
        out = self._sent(pieces, data, start, at)
        if self.state == ENDING and self._extended:
            out += messages.FLUSH  # the target keeps its answer back otherwise
        if not self._left:
            self._row_is_whole()
        return out, data[at:], False

    def _passes(self, kind: int) -> None:
        if kind == SYNC:
            self._uncertain += 1
        elif kind != FLUSH:
            self.state = ENDING

    def _row_is_whole(self) -> None:
        """What an error had to wait for, if there was one meanwhile."""
        if self.state == SORTING:
            self.news = "sort out"
        elif self.state == QUIET:
            self.news = "onward"

    def _sent(self, pieces: list[bytes], data: bytes, start: int, at: int) -> bytes:
        if pieces or start:
            pieces.append(data[start:at])
            out = b"".join(pieces)
        else:
            out = data if at == len(data) else data[:at]
        if self._execution is not None:
            self._execution.bytes_in += len(out)
        return out

    def abandon(self, why: str) -> bytes | None:
        """A CopyFail of ours, if the target takes rows; None if one is half sent."""
        if self._left:
            return None
        if self.state != TAKING:
            return b""
        self.state = ENDING
        return messages.copy_fail(why) + (messages.FLUSH if self._extended else b"")

    # --- from the target --------------------------------------------------------------------------

    def begins(self, execution: Execution) -> None:
        """CopyInResponse. Raises TargetFault unless a COPY FROM STDIN of it is still owed."""
        awaited = execution is self._execution and self.state in {AWAITED, ENDING}
        if not awaited or not execution.copies_in:
            raise TargetFault("CopyInResponse to what is no COPY FROM STDIN")
        execution.copies_in -= 1
        self.state = TAKING
        self.news = "onward"

    def completes(self) -> None:
        """The target took all rows. Raises TargetFault if the client has not said so."""
        if self.state != ENDING:
            raise TargetFault("CommandComplete before the end of a COPY FROM STDIN")
        self._uncertain = 0
        if self._extended:
            self._over()

    def ends(self, execution: Execution | None) -> None:
        """What held the COPY is answered (None: its Query): it ended, or there was none."""
        if self.state in {AWAITED, ENDING} and (execution is None or execution is self._execution):
            self._over()

    def fails(self) -> Segment | None:
        """An error to the open COPY, or instead of it; a segment that sorts out what is uncertain."""
        if self.state == QUIET:
            return None
        self._over()
        if not self._uncertain:
            return None
        self.state = SORTING
        self.news = "" if self._left else "sort out"
        self._pending = b""
        self._relayed = 0
        return Segment((), "sorting", b"", (g.SORTING,))

    def _over(self) -> None:
        self.state = QUIET
        self.news = "onward"
        self._execution = None

    # --- sorting out ------------------------------------------------------------------------------

    def sorting_out(self, nonce: str) -> bytes:
        """Asks the target how many of the uncertain Syncs it answers.

        A Sync of ours and a Close of a name that never was: the ReadyForQuery right before the
        CloseComplete is ours, all those before it are the client's. The target stands between
        transactions or in a failed one: this Sync commits nothing.
        """
        return messages.SYNC + messages.close("S", f"gk_{nonce}") + messages.FLUSH

    def sorted_in(self, kind: int, body: bytes) -> bytes:
        """A reply while sorting out; answers the bytes that are the client's. Raises TargetFault."""
        if kind == ord("Z"):
            if len(body) != _READY_SIZE or self._relayed > self._uncertain:
                raise TargetFault("ReadyForQuery: more than there were Syncs")
            relayed, self._pending = self._pending, messages.frame(b"Z", body)
            self._relayed += 1
            return relayed
        if not self._pending or body:
            raise TargetFault("CloseComplete where none belongs")
        self._over()
        return b""

    @property
    def skips(self) -> bool:
        """After sorting out: whether the client is still to send the Sync that ends the error."""
        return self._extended and self._relayed <= 1


def _check(kind: int, length: int) -> None:
    """Raises ClientFault for what may not come while rows are taken."""
    if kind in {DONE, SYNC, FLUSH}:
        good = length == _BARE
    elif kind == FAIL:
        good = _BARE < length <= _LONGEST_FAIL
    elif kind == COPY_DATA:
        good = False  # rows of possible length were skipped before
    else:
        raise ClientFault(f"message {shown(kind)} in the middle of COPY FROM STDIN")
    if not good:
        raise ClientFault(f"message '{chr(kind)}' of impossible length {length}")
