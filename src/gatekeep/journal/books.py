"""The running journal's own books: which chains are open and which released actions have no end.

Follows what is appended and what is taken back; in memory only.
"""

from __future__ import annotations

import orjson

from gatekeep.domain.events import EventKind
from gatekeep.journal.chain import Appended, Batch, Chain
from gatekeep.journal.opened import OpenSession, OpenThings, encode_open_things

_RELEASED = EventKind.ACTION_RELEASED
_FINISHED = EventKind.ACTION_FINISHED
_UNKNOWN = EventKind.ACTION_UNKNOWN
_CLOSED = EventKind.SESSION_CLOSED
_ABORTED = EventKind.SESSION_ABORTED
_ENDINGS = frozenset({_FINISHED, _UNKNOWN, _CLOSED, _ABORTED})


def is_ending(kind: EventKind) -> bool:
    """Whether an event of this kind only ends something, and so may use the reserve."""
    return kind in _ENDINGS


class Books:
    """Open chains by session id, released actions by index."""

    def __init__(self) -> None:
        self._open: dict[str, Chain] = {}
        self._actions: dict[int, str] = {}

    @property
    def sessions(self) -> int:
        """How many chains are open."""
        return len(self._open)

    def adopt(self, opened: OpenThings) -> None:
        """Take over the released actions that an earlier run left without outcome."""
        self._actions.update(opened.actions)

    def resume(self, chain: Chain) -> None:
        """Take over a chain that an earlier run left open."""
        self._open[chain.session_id] = chain

    def note(self, n: int, chain: Chain, kind: EventKind, counters: bytes) -> None:
        """Event `n` was appended to `chain`."""
        if chain.q == 1:
            self._open[chain.session_id] = chain
        if kind is _RELEASED:
            self._actions[n] = chain.session_id
        elif kind is _FINISHED or kind is _UNKNOWN:
            self._actions.pop(_of(counters), None)
        elif kind is _CLOSED or kind is _ABORTED:
            chain.closed = True
            self._open.pop(chain.session_id, None)

    def undo(self, batch: Batch) -> None:
        """Nothing of `batch` is in the log. Batches are undone in reverse order."""
        for pending, chain, kind, _, _, counters in reversed(batch.events):
            if kind is _RELEASED:
                self._actions.pop(pending.n, None)
            elif kind is _FINISHED or kind is _UNKNOWN:
                self._actions[_of(counters)] = chain.session_id
            elif kind is _CLOSED or kind is _ABORTED:
                chain.closed = False
                self._open[chain.session_id] = chain
        for chain, q, previous in batch.before:
            chain.q, chain.previous, chain.batch = q, previous, None
            if q == 0:
                self._open.pop(chain.session_id, None)

    def encode(self, n: int) -> bytes:
        """What is open after all events before `n`, for `spool/open`."""
        sessions = (
            (
                session_id,
                OpenSession(chain.q, chain.previous.decode(), chain.place.target, chain.extra),
            )
            for session_id, chain in self._open.items()
        )
        return encode_open_things(n, sessions, self._actions)


def may_end_again(event: Appended, first: int) -> bool:
    """Whether an event that was taken back is an ending that must be written all the same.

    Not if what it ends was itself taken back: its index is `first` or later.
    """
    _, chain, kind, _, _, counters = event
    if kind not in _ENDINGS or chain.q == 0:
        return False
    return kind in (_CLOSED, _ABORTED) or _of(counters) < first


def _of(counters: bytes) -> int:
    try:
        return int(orjson.loads(counters)["of"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return -1
