"""What is open at one point of the log: sessions not closed, released actions without outcome.

Recovery needs it after a crash. It follows from the leaves alone; so that old segments need not be
read (or kept) for it, the running journal also writes it to `spool/open` at each new segment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gatekeep.domain.events import EventKind
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.encoding import iterate_leaves, leaf_hash
from gatekeep.journal.spool import OPEN_NAME, Batch

_RELEASED = EventKind.ACTION_RELEASED.value
_ENDED = frozenset({EventKind.ACTION_FINISHED.value, EventKind.ACTION_UNKNOWN.value})
_CLOSED = frozenset({EventKind.SESSION_CLOSED.value, EventKind.SESSION_ABORTED.value})
_FORMAT = 1


@dataclass(slots=True)
class OpenSession:
    """The end of one session's chain: events so far, hash of the last leaf (hex), wrapped key."""

    q: int
    previous: str
    target: str
    extra: bytes
    last_leaf: bytes = b""

    def head(self) -> str:
        """Hash of the last leaf in hex, computed only now."""
        return leaf_hash(self.last_leaf).hex() if self.last_leaf else self.previous


@dataclass(slots=True)
class OpenThings:
    """What is open after all events before `n`. `floor` is the `n` that it was read with."""

    n: int = 0
    floor: int = 0
    sessions: dict[str, OpenSession] = field(default_factory=dict)
    actions: dict[int, str] = field(default_factory=dict)

    def observe_batch(self, batch: Batch) -> None:
        """Follow a batch. Events before `n` are known already. Raises EvidenceBroken."""
        n = batch.first_n
        for leaf, extra in iterate_leaves(batch.body):
            if n >= self.n:
                self._observe(n, leaf, extra)
            n += 1
        self.n = max(self.n, n)

    def _observe(self, n: int, leaf: bytes, extra: bytes) -> None:
        try:
            envelope: dict[str, Any] = orjson.loads(leaf)
            index, kind, session_id = envelope["n"], envelope["k"], envelope["s"]
            number = envelope["q"] + 1
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise EvidenceBroken(
                "a leaf in the spool is not an envelope", cause=f"n {n}"
            ) from error
        if index != n:
            raise EvidenceBroken("a leaf is not in its place", cause=f"{index} at {n}")
        if kind in _CLOSED:
            self.sessions.pop(session_id, None)
            return
        session = self.sessions.get(session_id)
        if session is None:
            session = OpenSession(number, "", envelope.get("x", ""), extra)
            self.sessions[session_id] = session
        session.q = number
        session.last_leaf = leaf
        if kind == _RELEASED:
            self.actions[n] = session_id
        elif kind in _ENDED:
            self.actions.pop(envelope.get("r", {}).get("of", -1), None)


def encode_open_things(
    n: int, sessions: Iterable[tuple[str, OpenSession]], actions: dict[int, str]
) -> bytes:
    """The content of `spool/open`: JSON, without personal data."""
    return orjson.dumps(
        {
            "format": _FORMAT,
            "n": n,
            "sessions": {
                session_id: [session.q, session.head(), session.target, session.extra.hex()]
                for session_id, session in sessions
            },
            "actions": [[index, session_id] for index, session_id in actions.items()],
        }
    )


def read_open_things(spool: Path) -> OpenThings:
    """What `spool/open` says; nothing is open at 0 if there is no such file yet.

    Raises EvidenceBroken if it is damaged.
    """
    try:
        content = (spool / OPEN_NAME).read_bytes()
    except FileNotFoundError:
        return OpenThings()
    try:
        kept = orjson.loads(content)
        n = int(kept["n"])
        sessions = {
            session_id: OpenSession(int(q), str(head), str(target), bytes.fromhex(extra))
            for session_id, (q, head, target, extra) in kept["sessions"].items()
        }
        actions = {int(index): str(session_id) for index, session_id in kept["actions"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceBroken(
            "the list of open sessions beside the spool is damaged", cause=str(error)
        ) from error
    if kept["format"] != _FORMAT:
        raise EvidenceBroken("the list of open sessions is of another version")
    return OpenThings(n, n, sessions, actions)
