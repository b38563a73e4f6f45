"""Records one channel whole: what was shown goes into the session's chain, chunk by chunk.

Bytes that a client types are never given to it. What cannot be recorded ends the session.

| state | output, resize, words | flush (64 KiB, or 0.5 s after the first byte) | `close` |
|---|---|---|---|
| recording | into the open chunk, then to watchers | append, keep until durable | final chunk, closed |
| failed | dropped | nothing | raises what failed |
| closed | dropped | nothing | waits for the same end |

Whoever feeds it shows nothing more while a byte that was shown is older than a second and not
durable: what a fault can lose is the last second of what somebody saw, however slow the disk is.

A failed append, a failed fsync, or more than 8 MiB that the disk did not take lead to `failed`,
and `on_failure` is told once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.errors import JournalUnavailable
from gatekeep.recordings.chunks import (
    ERRORS,
    EXITED,
    HEAD,
    MARKER,
    OUTPUT,
    RESIZED,
    TOLD,
    Chunk,
    Record,
    Terminal,
    encode_chunk,
    pack,
    resize_data,
)
from gatekeep.runtime.clock import Clock
from gatekeep.runtime.tasks import TaskOwner

CHUNK_BYTES: Final = 64 * 1024
FLUSH_S: Final = 0.5
OWED_S: Final = 1.0
BEHIND_BYTES: Final = 256 * 1024
GIVE_UP_BYTES: Final = 8 << 20
MAX_WORDS: Final = 4096
CLOSED: Final = "closed"
FAILED: Final = "failed"


class PendingChunk(Protocol):
    """An appended event that is not yet durable."""

    async def durable(self) -> Receipt:
        """Wait for the fsync. Raises JournalUnavailable."""


class ChunkJournal(Protocol):
    """The part of the journal that a recording needs."""

    def append(
        self,
        stream: Any,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> PendingChunk:
        """Append one event to a session's chain. Raises JournalUnavailable."""


class Listener(Protocol):
    """Who watches. Both calls return at once, whatever the watcher does."""

    def heard(self, record: Record) -> None:
        """A record, as it is recorded."""

    def ended(self, word: str) -> None:
        """Nothing follows: `closed` or `failed`."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a listener's part begins.

    The first `stored` chunks are durable and can be read; `handed` are the records behind those,
    up to the first one that the listener hears. `ending` says why nothing will follow, where so.
    `terminal` is the one that the first of these records meets.
    """

    stored: int
    handed: tuple[Record, ...]
    ending: str
    terminal: Terminal


@dataclass(slots=True)
class _Sealed:
    began_ns: int
    pending: PendingChunk
    records: tuple[Record, ...]
    terminal: Terminal
    size: int


class ChannelRecorder:
    """Records one channel that is recorded whole.

    All calls are made on the event loop's thread. Memory is bounded by GIVE_UP_BYTES; whoever
    feeds it looks at `behind` and awaits `keep_pace` before it reads more of the target;
    `on_behind` is called when it comes to be behind by the mere passing of time.
    """

    def __init__(
        self,
        journal: ChunkJournal,
        stream: Any,
        clock: Clock,
        *,
        channel: int,
        terminal: Terminal,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.channel = channel
        self.started_us = clock.wall_us()
        self.terminal = self._first_terminal = terminal
        self._journal = journal
        self._stream = stream
        self._clock = clock
        self._on_failure = on_failure
        self.on_behind: Callable[[], None] = _nobody_waits
        self._started_ns = clock.monotonic_ns()
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskOwner("recording")
        self._open: list[Record] = []
        self._open_bytes = 0
        self._began_ns = 0
        self._late = False
        self._last_us = 0
        self._seq = 0
        self._counts = {"errors": 0, "output": 0, "records": 0}
        self._hash = hashlib.sha256()
        self._sealed: deque[_Sealed] = deque()
        self._sealed_bytes = 0
        self._settling = False
        self._moved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: list[Listener] = []
        self._closed = False
        self._failure: JournalUnavailable | None = None

    # -- what happens --------------------------------------------------------------------------

    def output(self, data: bytes) -> None:
        """What the client's terminal shows: bytes of the target."""
        self._shown(OUTPUT, "output", data)

    def errors(self, data: bytes) -> None:
        """Standard error of a channel without a terminal."""
        self._shown(ERRORS, "errors", data)

    def told(self, text: str) -> None:
        """Our own words to the client; they are no output of the target."""
        self._take(TOLD, text[:MAX_WORDS].encode("utf-8", "backslashreplace"))

    def marker(self, label: str) -> None:
        """A place in the recording, such as the index of a command's event."""
        self._take(MARKER, label[:MAX_WORDS].encode("utf-8", "backslashreplace"))

    def resized(self, columns: int, rows: int) -> None:
        """The client's terminal has another size."""
        if self._failure is None and not self._closed:
            terminal = Terminal(columns, rows, self.terminal.term)
            self._take(RESIZED, resize_data(terminal))
            self.terminal = terminal

    def exited(self, status: int) -> None:
        """The channel's program ended with this status."""
        self._take(EXITED, b"%d" % status)

    # -- pace and end --------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether this can no longer be recorded; the session must end."""
        return self._failure is not None

    @property
    def behind(self) -> bool:
        """Whether the disk owes so much, or for so long, that no more should be shown."""
        return self._late or self._sealed_bytes > BEHIND_BYTES

    async def keep_pace(self) -> None:
        """Wait until the disk has caught up. Raises JournalUnavailable once recording failed."""
        await self._until(lambda: not self.behind)

    def flush(self) -> None:
        """Append what is in the open chunk, if anything is."""
        if self._open and self._failure is None:
            self._seal(final=False)

    async def close(self) -> None:
        """Append the last chunk and wait until all of it is durable. Raises JournalUnavailable."""
        if not self._closed and self._failure is None:
            self._closed = True
            self._seal(final=True)
            self._say_ended(CLOSED)
        await self._until(lambda: not self._sealed)

    # -- watching ------------------------------------------------------------------------------

    def join(self, listener: Listener) -> Joined:
        """Attach a listener; what it does not hear is what it is told to read.

        One step of the event loop, without an await: what is durable, what is sealed and what is
        open cannot change between the copy and the attaching, so nothing is lost or repeated.
        """
        handed = tuple(record for sealed in self._sealed for record in sealed.records)
        ending = FAILED if self._failure is not None else CLOSED if self._closed else ""
        if not ending:
            self._listeners.append(listener)
        terminal = self._sealed[0].terminal if self._sealed else self._terminal_met
        return Joined(self._seq - len(self._sealed), handed + tuple(self._open), ending, terminal)

    def leave(self, listener: Listener) -> None:
        """Detach a listener; one that is not attached is no matter."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(listener)

    # -- inside --------------------------------------------------------------------------------

    def _shown(self, code: str, name: str, data: bytes) -> None:
        for begin in range(0, len(data), CHUNK_BYTES):
            piece = data[begin : begin + CHUNK_BYTES]
            if self._failure is not None or self._closed:
                return
            self._hash.update(piece)
            self._counts[name] += len(piece)
            self._take(code, piece)

    def _take(self, code: str, data: bytes) -> None:
        if self._failure is not None or self._closed:
            return
        now_ns = self._clock.monotonic_ns()
        since = (now_ns - self._started_ns) // 1000
        self._last_us = max(self._last_us, since)
        record = Record(self._last_us, code, data)
        self._counts["records"] += 1
        if not self._open:
            self._first_terminal = self.terminal
            self._began_ns = now_ns
            self._timer = self._loop.call_later(FLUSH_S, self.flush)
        self._open.append(record)
        self._open_bytes += HEAD.size + len(data)
        for listener in tuple(self._listeners):
            listener.heard(record)
        if self._open_bytes >= CHUNK_BYTES:
            self._seal(final=False)

    @property
    def _terminal_met(self) -> Terminal:
        """The terminal that the open chunk's first record meets."""
        return self._first_terminal if self._open else self.terminal

    def _seal(self, *, final: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, terminal = tuple(self._open), self._terminal_met
        payload = encode_chunk(
            Chunk(
                self.channel,
                self._seq,
                self.started_us,
                records[0].at_us if records else self._last_us,
                self._last_us,
                terminal,
                b"".join(map(pack, records)),
                self._counts,
                self._hash.hexdigest(),
                final,
            )
        )
        counters = b'{"channel":%d,"final":%b,"seq":%d}' % (
            self.channel,
            b"true" if final else b"false",
            self._seq,
        )
        try:
            if self._sealed_bytes > GIVE_UP_BYTES:
                raise JournalUnavailable(  # noqa: TRY301 - one way for all that ends a recording
                    "the journal is too slow", cause="8 MiB of a recording wait for the disk"
                )
            pending = self._journal.append(
                self._stream, EventKind.RECORDING_CHUNK, payload, counters=counters
            )
        except Exception as error:  # noqa: BLE001 - fail closed: whatever it was, this is not recorded
            self._fail(error)
            return
        self._open.clear()
        self._open_bytes = 0
        self._seq += 1
        self._sealed.append(_Sealed(self._began_ns, pending, records, terminal, len(payload)))
        self._sealed_bytes += len(payload)
        if not self._settling:
            self._settling = True
            self._tasks.spawn(self._settle(), name=f"channel {self.channel}")

    async def _settle(self) -> None:
        """Follow the oldest chunk to the disk, then the next."""
        try:
            while self._sealed and self._failure is None:
                await self._settled(self._sealed[0])
                self._late = False
                self._sealed_bytes -= self._sealed.popleft().size
                self._moved.set()
        except Exception as error:  # noqa: BLE001 - fail closed: whatever it was, this is not recorded
            self._fail(error)
        finally:
            self._settling = False

    async def _settled(self, chunk: _Sealed) -> None:
        """Wait until a chunk is durable, and say so once its first byte is owed for too long."""
        left_s = OWED_S - (self._clock.monotonic_ns() - chunk.began_ns) / 1e9
        if left_s <= 0:
            self._fall_behind()
        timer = self._loop.call_later(max(0.0, left_s), self._fall_behind)
        try:
            await chunk.pending.durable()
        finally:
            timer.cancel()

    def _fall_behind(self) -> None:
        if not self._late:
            self._late = True
            self.on_behind()

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None:
            return
        if not isinstance(error, JournalUnavailable):
            error = JournalUnavailable("the recording cannot be written", cause=repr(error))
        self._failure = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._open.clear()
        self._sealed.clear()
        self._moved.set()
        self._say_ended(FAILED)
        self._on_failure(error)

    def _say_ended(self, word: str) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.ended(word)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while self._failure is None and not reached():
            self._moved.clear()
            await self._moved.wait()
        if self._failure is not None:
            raise JournalUnavailable(
                self._failure.public, cause=self._failure.cause, fatal=self._failure.fatal
            )


def _nobody_waits() -> None:
    """Who feeds a recorder at their own pace looks at `behind` alone."""
