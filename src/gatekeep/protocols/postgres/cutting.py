"""Cutting a pipeline behind a statement that may change how the rest of it is read (12-threats C2).

Says where the cut is and keeps what waits behind it; sends nothing, judges nothing.

Invariant: nothing is forwarded that was read under a session vector other than the one that the
target has when it analyses it; no Sync of ours commits; the client meets the unnamed statement,
portals, transaction state and order of replies of a direct connection; each execution that was
released has exactly one outcome, and what was dropped undecided was never released.

What the conversation knows, and what it then does with the client's messages:

    state     from                                        what the client sent meanwhile
    KNOWN     the vector was read back                    is submitted
    OWED      a part went out that may change it, and     waits: not even the question goes out
              may be a COPY or end the transaction        before that part is answered to its end
    ASKED     the question went out behind such a part    waits
    LENT      the answer to it came                       is submitted; at the next ReadyForQuery
                                                          the vector is UNKNOWN: what was set may
                                                          have ended with its transaction
    UNKNOWN   a segment with its Sync went out that may   waits for the answer to that question; in
              change it: asked at ReadyForQuery;          a failed transaction it is submitted with
              or a failed transaction is open             no vector: the gate lets its end pass
    SKIPS     an error came in OWED or ASKED              is dropped, undecided, up to its Sync
                                                          (which goes out: it is the client's)

The question is our own Parse, Bind, Execute and two Close under a name of ours, with a Flush: it
leaves the client's unnamed statement and portal alone, and commits nothing. Where it fails itself
(a cancel may meet it), the client gets that error in answer to its next message.

It is asked with a Sync where none commits: at a ReadyForQuery in UNKNOWN (but not where a Query
stood among messages without a Sync, whose transaction it leaves open), and in OWED once the
part has ended with the tag COMMIT, ROLLBACK or PREPARE TRANSACTION: then no transaction is open, or
one that only a COMMIT commits. Without that Sync the question would begin the implicit transaction
of the rest, and what must come first in one (BEGIN ISOLATION LEVEL …, VACUUM) would fail. Elsewhere it takes a snapshot and counts as a statement
of the pipeline: what needs a transaction block (DECLARE) finds one where it is the first to run.

Source: PostgreSQL manual, "Message Flow", "Pipelining".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres.frames import EXECUTE, Cut
from gatekeep.protocols.postgres.turns import Execution, Released, Segment, SegmentKind, Verdict

KNOWN, OWED, ASKED, LENT = range(4)
"""States; in UNKNOWN and SKIPS it is KNOWN or LENT, and there is no vector to go by."""

# The target may analyse or run something at these; not at a Close or the Describe of a portal.
_MEETS_MEANING: Final = frozenset((g.PARSE, g.BIND, g.EXECUTE, g.DESCRIBE_STATEMENT))
_ALL: Final = 1 << 30
_ENDS: Final = re.compile(
    r"\s*(?:rollback|commit|end|abort|prepare\s+transaction)\b", re.IGNORECASE
)
ENDED: Final = frozenset(("COMMIT", "ROLLBACK", "PREPARE TRANSACTION"))
"""Tags after which a Sync commits nothing."""


def fits(segment: Segment, verdicts: Sequence[Verdict]) -> bool:
    """Whether verdicts answer a segment: one an execution, or fewer if the last is Released.

    Behind a released one that may change how the rest is read there is none.
    """
    if any(isinstance(one, Released) and one.probe_after for one in verdicts[:-1]):
        return False
    most = len(segment.executions)
    return len(verdicts) == most or (0 < len(verdicts) < most and isinstance(verdicts[-1], Released))


def asks_after(segment: Segment, verdicts: Sequence[Verdict]) -> bool:
    """Whether the vector is not known once what these verdicts release has run."""
    last = verdicts[-1] if verdicts else None
    return isinstance(last, Released) and (
        last.probe_after or len(verdicts) < len(segment.executions)
    )


def cut_behind(segment: Segment, count: int) -> int:
    """Leave in a segment what goes out before the meaning may have changed.

    That is its messages up to the end of execution number `count` (from 1): up to its Execute, or
    only to its Bind (planning runs code) if something else comes between the two. Answers the
    position of the first message that waits, 0 if none there turns on the meaning.
    """
    codes, owners = segment.codes, segment.owners
    execution = segment.executions[count - 1]
    step = owners.index(execution) + 1
    while step < len(codes) and codes[step] not in _MEETS_MEANING:
        step += 1
    if step < len(codes) and codes[step] == g.EXECUTE and owners[step] is execution:
        step += 1
    if not any(code in _MEETS_MEANING for code in codes[step:]):
        return 0
    _keep(segment, count, step)
    return step


def _keep(segment: Segment, count: int, step: int) -> None:
    """Leave the first `count` executions and the messages before `step`."""
    if segment.kind == "sync":
        segment.kind = "part"
    elif segment.kind == "flush":
        segment.kind = "cut"
    segment.raw = segment.raw[: segment.starts[step]]
    segment.codes, segment.owners = segment.codes[:step], segment.owners[:step]
    segment.starts = segment.starts[:step]
    segment.executions = segment.executions[:count]
    ends = {
        owner.key
        for code, owner in zip(segment.codes, segment.owners, strict=True)
        if code == g.EXECUTE
    }
    for one in segment.executions:
        if one.key not in ends:
            one.bind_only = True  # its Execute, if there is one, is another execution
            one.copies_in = one.copies_out = 0


def may_end(execution: Execution) -> bool:
    """Whether an execution may end its transaction, and with its success leaves no failed one.

    The first word decides, and no string syntax reads that otherwise.
    """
    return not execution.bind_only and _ENDS.match(execution.text) is not None


class Unsent:
    """The messages of one cut that were not sent, given out in pieces.

    After each cut the next piece is one Execute long and then twice the one before, so that a
    pipeline of a thousand statements that each end a piece is not read a thousand times.
    """

    __slots__ = ("_cut", "_from", "_next", "_stride")

    def __init__(self) -> None:
        self._cut: Cut | None = None
        self._from = 0  # positions in the cut: of the piece that is out,
        self._next = 0  # and of what comes behind it
        self._stride = 1

    @property
    def held(self) -> int:
        """Bytes that wait here."""
        cut = self._cut
        if cut is None or self._next >= len(cut.types):
            return 0
        return len(cut.raw) - cut.starts[self._next]

    @property
    def around(self) -> tuple[int, int]:
        """How many Executes of the cut stand before the piece that is out, and behind it."""
        cut = self._cut
        if cut is None:
            return 0, 0
        return cut.types[: self._from].count(EXECUTE), cut.types[self._next :].count(EXECUTE)

    def whole(self, cut: Cut) -> None:
        """A cut is read as one piece."""
        self._cut = cut
        self._from, self._next = 0, len(cut.types)

    def again_from(self, step: int, *, whole: bool = False) -> None:
        """Of the piece that is out, the messages from `step` on are to be given out again.

        `whole`: as they are, because nothing says that they will be cut again and again.
        """
        self._next = self._from + step
        self._stride = _ALL if whole else 1

    def take(self) -> bytes:
        """All that waits, as bytes that are another's to read."""
        cut, begin = self._cut, self._next
        self._cut = None
        return b"" if cut is None or begin >= len(cut.types) else cut.raw[cut.starts[begin] :]

    def piece(self) -> Cut | None:
        """The next piece, as a cut of its own; None when nothing waits."""
        cut = self._cut
        if cut is None:
            return None
        begin, most = self._next, len(cut.types)
        if begin >= most:
            self._cut = None
            return None
        end = self._end(cut.types, begin)
        kind: SegmentKind | None = cut.kind
        if end < most:
            kind = "part" if cut.kind == "sync" else "cut"
        start = cut.starts[begin]
        stop = cut.starts[end] if end < most else len(cut.raw)
        self._from, self._next = begin, end
        return Cut(
            kind,
            cut.raw[start:stop],
            cut.types[begin:end],
            [one - start for one in cut.starts[begin:end]],
            frozenset(at - begin for at in cut.too_large if begin <= at < end),
        )

    def _end(self, types: list[int], begin: int) -> int:
        """Where the next piece ends: behind so many Executes, or with the cut."""
        left, self._stride = self._stride, self._stride * 2
        for at in range(begin, len(types) - 2):
            left -= types[at] == EXECUTE
            if not left:
                return at + 1
        return len(types)
