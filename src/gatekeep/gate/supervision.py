"""Who is connected now, and the one way to end a session from outside.

Proxies register; web and API call; neither sees the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gatekeep.domain.sessions import Session
from gatekeep.gate.ports import EventStream

EndSession = Callable[[str], None]


@dataclass(slots=True)
class LiveSession:
    """A session that is open, with what changes during its life.

    `end(reason)` asks its proxy to stop once the running segment has ended; `events` is its chain;
    `token` is the id of the token that it was opened with, empty if none was;
    `ended_by` is the person who ended it, whose name then also stands behind the reason.
    """

    session: Session
    events: EventStream
    opened_ns: int
    end: EndSession
    statements: int = 0
    refusals: int = 0
    token: str = ""
    ended_by: str = ""


class Supervision:
    """The register of live sessions."""

    def __init__(self) -> None:
        self._live: dict[str, LiveSession] = {}

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(list(self._live.values()))

    def register(self, live: LiveSession) -> None:
        """Take up a session that has begun."""
        self._live[live.session.id] = live

    def forget(self, session_id: str) -> None:
        """Drop a session that has ended."""
        self._live.pop(session_id, None)

    def end(self, session_id: str, reason: str) -> bool:
        """End one session; false when it is not live."""
        live = self._live.get(session_id)
        if live is None:
            return False
        live.end(reason)
        return True

    def end_all(self, reason: str) -> int:
        """End every session; how many there were."""
        ended = 0
        for live in self:
            live.end(reason)
            ended += 1
        return ended

    def end_where(self, no_longer: Callable[[LiveSession], bool], reason: str) -> int:
        """End the sessions of which something no longer holds; how many there were."""
        ended = 0
        for live in self:
            if no_longer(live):
                live.end(reason)
                ended += 1
        return ended
