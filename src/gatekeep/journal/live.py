"""The running journal: seals and chains events on the event loop, commits them in groups.

No thread, no file and no blocking call: bytes go to the writer through `link`. How a journal is
opened and what recovery writes is `opening`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gatekeep.domain.events import EventKind
from gatekeep.errors import JournalUnavailable
from gatekeep.journal import writer as wire
from gatekeep.journal.books import Books, is_ending, may_end_again
from gatekeep.journal.chain import Batch, Chain, Pending
from gatekeep.journal.encoding import canonical_json
from gatekeep.journal.frames import MAX_BODY_BYTES
from gatekeep.journal.keys import KeyRing, WrappedKeys
from gatekeep.journal.link import WriterLink
from gatekeep.journal.opened import OpenSession, OpenThings
from gatekeep.journal.pacing import Deadlines, Pacing
from gatekeep.journal.segments import Sizes
from gatekeep.journal.spool import Position
from gatekeep.journal.streams import GATEWAY_SUBJECT, Streams
from gatekeep.journal.timekeeping import Timekeeper
from gatekeep.runtime.clock import Clock, random_bytes
from gatekeep.runtime.tasks import TaskOwner

IN_FLIGHT = 2
DEADLINE_S = 5.0
HEARTBEAT_S = 60.0
_BATCH_BYTES = 1 << 20
_WAITING_BYTES = 64 << 20
_RECORD_OVERHEAD = 70_000  # the longest leaf, and what surrounds it

_CLOSED = EventKind.SESSION_CLOSED
_ABORTED = EventKind.SESSION_ABORTED

OnDead = Callable[[JournalUnavailable], None]


@dataclass(frozen=True, slots=True)
class Sealing:
    """What sealing takes: the log's origin, the key ring, where wrapped keys are kept, the clock."""

    origin: str
    ring: KeyRing
    keys: WrappedKeys
    clock: Clock


class LiveJournal:
    """The gate's Journal.

    One batch is filled while up to two are on their way. All waiters of a batch share one future.
    When a batch goes out is `pacing`.
    `durable_n` is the number of events known to be durable.
    """

    def __init__(
        self,
        link: WriterLink,
        sealing: Sealing,
        position: Position,
        *,
        sizes: Sizes | None = None,
        on_dead: OnDead | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        sizes = sizes or Sizes()
        self._link = link
        self._on_dead = on_dead
        self._deadline_s = deadline_s
        self._payload_limit = min(sizes.segment, MAX_BODY_BYTES) - _RECORD_OVERHEAD
        self._batch_limit = min(_BATCH_BYTES, sizes.reserve // 2, sizes.segment // 2)
        self._time = Timekeeper(sealing.clock)
        self._streams = Streams(sealing.origin, sealing.ring, sealing.keys, self._time)
        self._loop = asyncio.get_running_loop()
        self._next_n = self.durable_n = position.next_n
        self._next_number = position.next_batch
        self._current: Batch | None = None
        self._queue: deque[Batch] = deque()
        self._in_flight: deque[Batch] = deque()
        self._stale_refusals = 0
        self._behind = False  # more was to be sent than may be in flight
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._writer_accepts = False
        self._full = False
        self._ended = False
        self._error: JournalUnavailable | None = None
        self._books = books = Books()
        self._pacing = Pacing(self._loop, self._send_waiting, lambda: books.sessions)
        self._deadlines = Deadlines(self._loop, self._undecided, self._late)
        self._books_complete = False
        self._snapshot: tuple[int, bytes] | None = None
        self.system = self.open_stream(
            session_id=random_bytes(16).hex(), subject=GATEWAY_SUBJECT, target=""
        )
        link.start(self._heard, self._lost)

    # -- the port ------------------------------------------------------------------------------

    @property
    def accepting(self) -> bool:
        """Whether new sessions may begin."""
        return self._writer_accepts and not self._full and not self._ended

    @property
    def next_n(self) -> int:
        """The index that the next event will get."""
        return self._next_n

    @property
    def writer_pid(self) -> int:
        """The writer's process id, for metrics."""
        return self._link.pid

    def open_stream(self, *, session_id: str, subject: str, target: str) -> Chain:
        """Begin a session's chain under a fresh key; its wrapped form travels with the first event.

        Raises JournalUnavailable if its key cannot be kept.
        """
        return self._streams.open(session_id, subject, target)

    def resume_stream(self, session_id: str, session: OpenSession) -> Chain:
        """Go on with a chain that an earlier run left open. Raises EvidenceBroken."""
        chain = self._streams.resume(session_id, session)
        self._books.resume(chain)
        return chain

    def adopt(self, opened: OpenThings) -> None:
        """Take over the released actions that an earlier run left without outcome."""
        self._books.adopt(opened)

    def append(
        self,
        stream: object,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> Pending:
        """Seal and append one event; see the port.

        `session.closed` and `session.aborted` get their counters here: the number of events of
        the session before this one, and the hash of the last.
        """
        if not isinstance(stream, Chain):
            raise TypeError("not a stream of this journal")
        if self._full or self._ended or stream.closed:
            self._refuse(stream, kind)
        pending = Pending()
        self._put(pending, stream, kind, payload, decision, counters)
        return pending

    def close_stream(self, stream: object) -> None:
        """Forget a stream. One without its closing event stays open in the log's own books."""

    def fail_if_dead(self) -> None:
        """Raise JournalUnavailable (fatal) if nothing can be recorded any more."""
        if self._error is not None:
            raise JournalUnavailable(
                self._error.public, cause=self._error.cause, fatal=self._error.fatal
            )

    # -- life ----------------------------------------------------------------------------------

    async def ready(self, timeout_s: float = 10.0) -> None:
        """Wait for the writer's first word. Raises JournalUnavailable if it does not come."""
        try:
            await asyncio.wait_for(asyncio.shield(self._started), timeout_s)
        except TimeoutError:
            self._die("the journal's writer does not answer", "start")
        self.fail_if_dead()

    def start_heartbeats(self, owner: TaskOwner, interval_s: float = HEARTBEAT_S) -> None:
        """Append `log.heartbeat` whenever nothing was appended for an interval: silence is signed."""
        owner.spawn(self._heartbeats(interval_s), name="heartbeats")

    def beat(self, since_n: int) -> int:
        """Append a heartbeat if nothing came since `since_n`; returns the count to compare with."""
        self._time.renew_boot()
        if self._next_n == since_n and self.accepting:
            self.append(self.system, EventKind.LOG_HEARTBEAT, b"{}")
        return self._next_n

    async def close(self) -> None:
        """End the gateway's stream, wait until everything is durable, and end the writer."""
        if not self._ended:
            if not self.system.closed and self.system.q:
                self.append(self.system, _CLOSED, b'{"reason":"stopped"}')
            self._ended = True
            if self._queue or self._in_flight:
                self._drained = self._loop.create_future()
                self._send_waiting()
                await asyncio.wait([self._drained], timeout=2 * self._deadline_s)
            if self._error is None and (self._queue or self._in_flight):
                self._die("the journal did not finish in time", "close")
            if self._error is None and self._books_complete:
                self._link.send_snapshot(self._books.encode(self._next_n))
        await self._link.finish()

    async def _heartbeats(self, interval_s: float) -> None:
        seen = self._next_n
        while self._error is None:
            await asyncio.sleep(interval_s)
            seen = self.beat(seen)

    # -- appending -----------------------------------------------------------------------------

    def _refuse(self, chain: Chain, kind: EventKind) -> None:
        self.fail_if_dead()
        if self._ended or chain.closed:
            raise JournalUnavailable("this session's record is closed", cause=chain.session_id)
        if not is_ending(kind):
            raise JournalUnavailable("the journal has no room", cause="disk full")

    def _put(
        self,
        pending: Pending,
        chain: Chain,
        kind: EventKind,
        payload: bytes,
        decision: bytes,
        counters: bytes,
    ) -> None:
        at = self._time.read()
        if self._time.step_us:
            self._note_step()
        if chain.boot is not self._time.boot:
            chain.new_boot(self._time.boot)
        if kind is _CLOSED or kind is _ABORTED:
            counters = counters or b'{"count":%d,"head":"%b"}' % (chain.q, chain.previous)
        n = self._next_n
        batch = self._current
        if batch is None or batch.size + len(payload) > self._batch_limit:
            batch = self._new_batch(len(payload))
        q, previous = chain.q, chain.previous
        record = chain.seal(n, kind, payload, decision, counters, at)
        if chain.batch is not batch:
            chain.batch = batch
            batch.before.append((chain, q, previous))
        batch.parts.append(record)
        batch.size += len(record)
        batch.events.append((pending, chain, kind, payload, decision, counters))
        self._pacing.appended(kind)
        pending.n, pending.batch = n, batch
        self._next_n = n + 1
        self._books.note(n, chain, kind, counters)

    def _new_batch(self, payload_length: int) -> Batch:
        """The batch to fill from now on. Raises JournalUnavailable if there can be none."""
        if payload_length > self._payload_limit:
            raise JournalUnavailable("this event is too large to be recorded")
        if sum(batch.size for batch in self._queue) > _WAITING_BYTES:
            raise JournalUnavailable("the journal is too slow", cause="64 MiB wait for the disk")
        late_at = self._loop.time() + self._deadline_s
        batch = Batch(self._next_n, self._loop, closing=self._full, late_at=late_at)
        self._current = self._pacing.batch = batch
        self._queue.append(batch)
        self._deadlines.watch(late_at)
        return batch

    def _note_step(self) -> None:
        step, self._time.step_us = self._time.step_us, 0
        if not (self._full or self._ended or self.system.closed):
            payload = canonical_json({"step_us": step})
            self._put(Pending(), self.system, EventKind.CLOCK_STEPPED, payload, b"", b"")

    # -- sending -------------------------------------------------------------------------------

    def _send_waiting(self) -> None:
        queue, in_flight = self._queue, self._in_flight
        while queue and len(in_flight) < IN_FLIGHT:
            batch = queue.popleft()
            if batch is self._current:
                self._current = None
            if not batch.parts:
                batch.resolve()
                continue
            batch.number = self._next_number
            self._next_number += 1
            in_flight.append(batch)
            self._pacing.last_size = len(batch.parts)
            self._link.send_batch(
                batch.number, b"".join(batch.parts), len(batch.parts), closing=batch.closing
            )
            batch.parts.clear()
        self._behind = bool(queue)

    def _undecided(self) -> list[Batch]:
        return [*self._in_flight, *self._queue]

    def _late(self, batch: Batch) -> None:
        batch.resolve(JournalUnavailable("the journal is too slow", cause="deadline"))

    def _heard(self, kind: bytes, number: int, value: int) -> None:
        if kind == wire.ACKED:
            self._acked(number)
        elif kind == wire.FULL:
            self._refused(number)
        elif kind in (wire.ACCEPTING, wire.NOT_ACCEPTING):
            self._writer_accepts = kind == wire.ACCEPTING
            if self._writer_accepts:
                self._full = False
            if not self._started.done():
                self._started.set_result(None)
        elif kind == wire.ROLLED:
            self._keep_snapshot()
        elif kind == wire.DEAD:
            self._die("the journal's disk failed", f"errno {value} at batch {number}")

    def _acked(self, number: int) -> None:
        if not self._in_flight or self._in_flight[0].number != number:
            self._die("the journal's writer answered out of turn", f"batch {number}")
            return
        batch = self._in_flight.popleft()
        self.durable_n = batch.first_n + len(batch.events)
        batch.resolve()
        batch.events.clear()
        if self._behind:
            self._send_waiting()
        elif self._drained is not None and not self._in_flight and not self._drained.done():
            self._drained.set_result(None)
        if self._snapshot is not None and self._snapshot[0] <= self.durable_n:
            self._link.send_snapshot(self._snapshot[1])
            self._snapshot = None

    def _lost(self) -> None:
        self._die("the journal's writer is gone", "its socket closed")

    def _die(self, public: str, cause: str) -> None:
        if self._error is not None:
            return
        error = self._error = JournalUnavailable(public, cause=cause, fatal=True)
        self._ended = True
        for batch in (*self._in_flight, *self._queue):
            batch.resolve(error)
        self._in_flight.clear()
        self._queue.clear()
        self._current = None
        for future in (self._started, self._drained):
            if future is not None and not future.done():
                future.set_result(None)
        if self._on_dead is not None:
            self._on_dead(error)

    def _refused(self, number: int) -> None:
        """Nothing from batch `number` on is in the log: take it back, then close what can close."""
        if self._stale_refusals:
            self._stale_refusals -= 1
            return
        if self._writer_accepts or not self._in_flight or self._in_flight[0].number != number:
            self._die("the journal's writer refused a batch without reason", f"batch {number}")
            return
        undone = [*self._in_flight, *self._queue]
        self._stale_refusals = len(self._in_flight) - 1
        self._in_flight.clear()
        self._queue.clear()
        self._current = self._snapshot = None
        self._full = True
        self._behind = False
        for batch in reversed(undone):
            self._books.undo(batch)
        first = self._next_n = undone[0].first_n
        self._next_number = number
        for batch in undone:
            if not batch.closing:
                for event in batch.events:
                    if may_end_again(event, first):
                        self._put(*event)
            batch.resolve(JournalUnavailable("the journal has no room", cause="disk full"))
        if self._drained is not None and not self._queue and not self._drained.done():
            self._drained.set_result(None)

    def begin_books(self) -> None:
        """All that an earlier run left open was taken over: from now on keep `spool/open`."""
        self._books_complete = True
        self._keep_snapshot()

    def _keep_snapshot(self) -> None:
        """Have what is open now written beside the spool once all events so far are durable."""
        if not self._books_complete:
            return
        content = self._books.encode(self._next_n)
        if self._next_n == self.durable_n:
            self._link.send_snapshot(content)
        else:
            self._snapshot = (self._next_n, content)
