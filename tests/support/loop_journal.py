"""Days of a gateway as a real journal: sealed, archived and signed by our own code, without a gateway."""

from __future__ import annotations

from pathlib import Path

from support.loop_events import SYSTEM
from support.spool_builder import ORIGIN, SpoolBuilder

from gatekeep.domain.events import EventKind
from gatekeep.journal.chain import Chain, Place
from gatekeep.journal.sealing import RandomPool

BATCH = 64
STEP = 20_000


class Sealed:
    """Takes the events of a story and writes them as the gateway does."""

    def __init__(self, journal: Path) -> None:
        self.spool = SpoolBuilder(journal, segment_bytes=64 << 20)
        self._pool = RandomPool()
        self._chains: dict[str, Chain] = {}
        self._archivist = self.spool.archivist()
        self._due = STEP

    def __call__(  # noqa: PLR0917 - as Append
        self, session: str, target: str, kind: EventKind, payload: bytes, decision: bytes,
        counters: bytes, at_us: int,
    ) -> int:
        """Seal one event."""
        spool = self.spool
        n = spool.n + len(spool.waiting)
        chain = self._chains.get(session) or self._begin(session, target)
        if kind is EventKind.SESSION_CLOSED:
            counters = b'{"count":%d,"head":"%b"}' % (chain.q, chain.previous)
            del self._chains[session]
        record = chain.seal(n, kind, payload, decision, counters, (at_us, n * 1000))
        spool.waiting.append(record)
        if len(spool.waiting) >= BATCH:
            spool.commit()
        if spool.n >= self._due:
            self._due += STEP
            self.archive()
        return n

    def archive(self) -> None:
        """As the archivist's process does."""
        while self._archivist.step(2048):
            pass
        self._archivist.sync_cursor()
        self._archivist.checkpoint()

    def finish(self) -> None:
        """The last batch, archived and signed twice as at an end."""
        self.spool.commit()
        self.archive()
        self._archivist.checkpoint()
        self._archivist.close()

    def _begin(self, session: str, target: str) -> Chain:
        spool = self.spool
        owner = "gatekeep" if session == SYSTEM else f"person-{int(session, 16) % 40}"
        key, extra = spool.ring.new_session_key(session, owner, spool.keys)
        place = Place("b" * 32, ORIGIN, session, target)
        chain = self._chains[session] = Chain(place, key, extra, self._pool)
        return chain
