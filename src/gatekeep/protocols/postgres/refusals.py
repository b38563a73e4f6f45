"""Refusing in place: the message that must fail at the target instead of what was refused.

The target raises the error itself, so order, transaction state and skipping to Sync are its own;
`replies` puts our words where the nonce comes back. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.messages import WireMessage, after_vector_change
from gatekeep.protocols.postgres import grammar as g
from gatekeep.protocols.postgres import messages
from gatekeep.protocols.postgres.turns import Execution, Refused, Segment, SegmentKind, Verdict

_TAILS: Final[dict[SegmentKind, bytes]] = {"sync": messages.SYNC, "flush": messages.FLUSH}


def first_refused(segment: Segment, verdicts: Sequence[Verdict]) -> tuple[int, WireMessage | None]:
    """Position and words of the first refusal, -1 when all may go; what is forced is refused."""
    for position, (execution, verdict) in enumerate(zip(segment.executions, verdicts, strict=False)):
        if isinstance(verdict, Refused):
            return position, verdict.message
        if execution.forced is not None:
            return position, execution.forced
    return -1, None


def refuse(
    segment: Segment, position: int, message: WireMessage | None, nonce: str, status: str
) -> list[Execution]:
    """Change the segment so that its execution at `position` fails at the target.

    Everything after it goes too; so does everything that comes after the *first* message of a
    refused execution: its Bind, because planning can run code, and a Parse right before that, so
    that the target never hears of the statement. Answers the executions before `position` that
    are lost in this way. `message` None leaves the target's own error of a
    failed transaction (`status` E) unchanged; in another state there is no such error.
    """
    unchanged = message is None and status == "E"
    word = f"gk_{nonce}"
    if not unchanged:
        segment.message = message or after_vector_change()
        segment.nonce = word.encode()
    if segment.kind in {"query", "function_call"}:
        segment.raw = messages.query("SELECT 1" if unchanged else word)
        segment.codes = (g.FAIL_QUERY,)
        segment.owners = (None,)
        return []
    refused = {execution.key for execution in segment.executions[position:]}
    end = _first_message(segment, refused)
    lost = [
        owner
        for code, owner in zip(segment.codes[end:], segment.owners[end:], strict=True)
        if isinstance(owner, Execution)
        and owner.key not in refused
        and (code == g.EXECUTE or owner.bind_only)
    ]
    failing = messages.parse(word, "SELECT 1") if unchanged else messages.execute(word)
    tail = (g.SYNC,) if segment.kind == "sync" else ()
    segment.raw = segment.raw[: segment.starts[end]] + failing + _TAILS.get(segment.kind, b"")
    segment.codes = (*segment.codes[:end], g.FAIL, *tail)
    segment.owners = (*segment.owners[:end], None, *(None for _ in tail))
    return lost


def _first_message(segment: Segment, refused: set[int]) -> int:
    """The step where the first message of a refused execution stands."""
    codes, owners = segment.codes, segment.owners
    first = next(
        at
        for at, owner in enumerate(owners)
        if isinstance(owner, Execution) and owner.key in refused
    )
    at = first
    while at and codes[at - 1] in {g.PARSE, g.DESCRIBE_STATEMENT}:
        at -= 1
        if codes[at] == g.PARSE:
            return at if owners[at].name == owners[first].statement_name else first
    return first
