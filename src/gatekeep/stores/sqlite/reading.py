"""The gate's EventArchive: search by `index.db`, events from the journal's files, tail from the spool.

File and database work happens on one thread of its own, so the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from gatekeep.domain.events import SearchQuery, StoredEvent
from gatekeep.errors import EvidenceBroken
from gatekeep.journal.encoding import parse_leaf
from gatekeep.journal.keys import KeyRing, WrappedKeys
from gatekeep.journal.reading import EventFiles, Held
from gatekeep.journal.unsealing import Unsealer
from gatekeep.stores.sqlite.index import SearchIndex, has_words, open_index, words_of

POLL_S: Final = 0.05
INDEX_WAIT_S: Final = 10.0
_TAIL_SLICE: Final = 256
_OPENED: Final = "OK"
_SEALED: Final = "SEALED"
_MISMATCH: Final = "MISMATCH"

Result = TypeVar("Result")


class EventBooks:
    """Reads events back and opens them with the key ring.

    `keys` must be usable from another thread (a connection of its own, or one guarded by SQLite's
    own mutex). `wait_s` is how long a search waits for the index before it answers without the
    newest events' help, which it does by raising EvidenceBroken.
    """

    def __init__(
        self, journal: Path, index: Path, ring: KeyRing, keys: WrappedKeys,
        *, wait_s: float = INDEX_WAIT_S,
    ) -> None:
        self._journal = journal
        self._index_path = index
        self._ring = ring
        self._keys = keys
        self._wait_s = wait_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._files = EventFiles(journal)
        self._unsealer = Unsealer(ring, keys)
        self._index: SearchIndex | None = None

    async def search(self, query: SearchQuery) -> Sequence[StoredEvent]:
        """Matches, newest first, actions with their outcome; waits for the index.

        Raises EvidenceBroken when the index does not come to hold what was durable at the call.
        """
        durable = await self._run(self._files.durable_n)
        deadline = asyncio.get_running_loop().time() + self._wait_s
        while await self._run(self._indexed) < durable:
            if asyncio.get_running_loop().time() > deadline:
                raise EvidenceBroken("the index is behind; is the archivist running?")
            await asyncio.sleep(POLL_S)
        return await self._run(lambda: self._find(query))

    async def event(self, n: int) -> StoredEvent | None:
        """One event by index, also while only the spool holds it."""
        return await self._run(lambda: self._event(n))

    def tail(self, from_n: int | None = None) -> AsyncIterator[StoredEvent]:
        """Durable events as they come, from `from_n` or from what is durable at this call."""
        return self._tail(from_n if from_n is not None else self._files.durable_n())

    async def _tail(self, following: int) -> AsyncIterator[StoredEvent]:
        files, unsealer = EventFiles(self._journal), Unsealer(self._ring, self._keys)
        try:
            while True:
                begin = following
                events = await self._run(lambda: _slice(files, unsealer, begin))  # noqa: B023 - awaited in this turn
                for event in events:
                    following = event.n + 1
                    yield event
                if not events:
                    await asyncio.sleep(POLL_S)
        finally:
            files.close()

    async def close(self) -> None:
        """Close files and index."""
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _close(self) -> None:
        self._files.close()
        if self._index is not None:
            self._index.close()
            self._index = None

    def _search_index(self) -> SearchIndex | None:
        if self._index is None:
            if not self._index_path.exists():
                return None  # never made by a reader: its maker may be replacing it right now
            self._index = SearchIndex(open_index(self._index_path, self._ring.index_db_key()))
        return self._index

    def _indexed(self) -> int:
        index = self._search_index()
        return index.index_n() if index is not None else 0

    def _find(self, query: SearchQuery) -> list[StoredEvent]:
        words = words_of(query.text)
        found: list[StoredEvent] = []
        index = self._search_index()
        for hit in index.hits(query) if index is not None else ():
            event = self._event(hit.n)
            if event is None or (words and not _says(event, words)):
                continue
            if hit.outcome_n is not None:
                outcome = self._event(hit.outcome_n)
                event = replace(
                    event, outcome_n=hit.outcome_n, outcome=outcome.payload if outcome else None
                )
            found.append(event)
            if len(found) >= query.limit:
                break
        return found

    def _event(self, n: int) -> StoredEvent | None:
        held = self._files.event(n)
        return None if held is None else stored_event(held, self._unsealer)


def stored_event(held: Held, unsealer: Unsealer) -> StoredEvent:
    """An event as the gate hands it out: state OK, SEALED (no key) or MISMATCH (does not open)."""
    envelope = parse_leaf(held.leaf)
    try:
        payload = unsealer.read(envelope, held.ciphertext, held.extra)
    except EvidenceBroken:
        return StoredEvent(held.n, envelope, None, _MISMATCH)
    return StoredEvent(held.n, envelope, payload, _SEALED if payload is None else _OPENED)


def _slice(files: EventFiles, unsealer: Unsealer, begin: int) -> list[StoredEvent]:
    end = min(files.durable_n(), begin + _TAIL_SLICE)
    return [stored_event(held, unsealer) for held in files.events(begin, end)]


def _says(event: StoredEvent, words: Sequence[str]) -> bool:
    text = (event.payload or {}).get("text")
    return isinstance(text, str) and has_words(text, words)
