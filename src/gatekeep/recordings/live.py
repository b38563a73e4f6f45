"""Lossless live view of a recording, and the register of those that are being made.

The invariant: a recording is the durable chunks, then the sealed ones, then the open one, then what
comes. `ChannelRecorder.join` copies the second and third and attaches the listener in one step of
the event loop, so every record is either read, handed over, or heard, once. A watcher first reads
what is stored without being attached, however long that takes, joins, and reads the chunks that
became durable meanwhile. Who is too slow is dropped; the session never waits for a watcher.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from gatekeep.recordings.chunks import HEAD, Chunk, Record, Terminal, pack
from gatekeep.recordings.recorder import Joined, Listener

WATCHER_BYTES: Final = 4 << 20
DROPPED: Final = "dropped"

StoredChunks = Callable[[int], AsyncIterator[Chunk]]
"""The durable chunks of the channel from this number on, in order; it ends at the last one.

Everything that was durable at the call is found.
"""


class LiveRecorder(Protocol):
    """A recording that is being made."""

    channel: int
    started_us: int

    def join(self, listener: Listener) -> Joined:
        """Attach a listener, and say what it does not hear."""

    def leave(self, listener: Listener) -> None:
        """Detach it."""


class LiveRecordings:
    """The recordings that are being made, by session and channel. Proxies fill it."""

    def __init__(self) -> None:
        self._live: dict[str, dict[int, LiveRecorder]] = {}

    def register(self, session_id: str, channel: int, recorder: LiveRecorder) -> None:
        """A channel's recording has begun."""
        self._live.setdefault(session_id, {})[channel] = recorder

    def forget(self, session_id: str, channel: int) -> None:
        """It has ended; one that is not here is no matter."""
        channels = self._live.get(session_id, {})
        channels.pop(channel, None)
        if not channels:
            self._live.pop(session_id, None)

    def channels(self, session_id: str) -> Sequence[int]:
        """The channels of a session that are being recorded, lowest first."""
        return sorted(self._live.get(session_id, {}))

    def recorder(self, session_id: str, channel: int) -> LiveRecorder | None:
        """The recording of this channel, while it is being made."""
        return self._live.get(session_id, {}).get(channel)


class Watcher:
    """One who watches: a bounded queue of records. Made and read on the event loop's thread."""

    def __init__(self, limit: int = WATCHER_BYTES) -> None:
        self.ending = ""
        self._limit = limit
        self._records: deque[Record] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def heard(self, record: Record) -> None:
        """A record as it is made. Too many unread ones drop the watcher."""
        if self.ending:
            return
        self._bytes += HEAD.size + len(record.data)
        if self._bytes > self._limit:
            self._records.clear()
            self.ended(DROPPED)
            return
        self._records.append(record)
        self._news.set()

    def ended(self, word: str) -> None:
        """Nothing follows; the first word counts."""
        self.ending = self.ending or word
        self._news.set()

    async def take(self) -> list[Record]:
        """What was heard since the last time, at least one; empty at the end."""
        while not self._records and not self.ending:
            self._news.clear()
            await self._news.wait()
        records = list(self._records)
        self._records.clear()
        self._bytes = 0
        return records


class View:
    """One watcher's view of one recording, from its beginning to its end.

    `ending` says why it ended: `closed`, `failed`, or `dropped` when the reader was too slow.
    `terminal` is the one that the first records behind the stored chunks meet.
    """

    def __init__(
        self, recorder: LiveRecorder, stored: StoredChunks, *, limit: int = WATCHER_BYTES
    ) -> None:
        self.ending = ""
        self.terminal = Terminal()
        self._recorder = recorder
        self._stored = stored
        self._watcher = Watcher(limit)

    async def pieces(self) -> AsyncIterator[Chunk | list[Record]]:
        """Stored chunks, then records as they come."""
        seq = 0
        async for chunk in self._stored(seq):
            yield chunk
            seq = chunk.seq + 1
        joined = self._recorder.join(self._watcher)
        self.terminal = joined.terminal
        try:
            if seq < joined.stored:
                async for chunk in self._stored(seq):
                    if chunk.seq >= joined.stored:
                        break  # became durable after the joining, so it was handed over
                    yield chunk
            if joined.handed:
                yield list(joined.handed)
            if joined.ending:
                self._watcher.ended(joined.ending)
            while records := await self._watcher.take():
                yield records
            self.ending = self._watcher.ending
        finally:
            self._recorder.leave(self._watcher)


def live_bytes(records: Sequence[Record]) -> bytes:
    """Records as the bytes of a chunk."""
    return b"".join(map(pack, records))
