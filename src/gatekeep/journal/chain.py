"""One session's chain of events, and the batches and receipts that appended events wait in.

In memory only: what is sent where is `live`, bytes are `encoding` and `sealing`.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from hashlib import sha256

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.errors import JournalUnavailable
from gatekeep.journal.batch_future import BatchFuture
from gatekeep.journal.encoding import (
    MAX_LEAF_BYTES,
    LeafStream,
    encode_leaf,
    encode_record,
)
from gatekeep.journal.sealing import OVERHEAD_BYTES, RandomPool, SessionSealer


@dataclass(frozen=True, slots=True)
class Place:
    """What a chain says of itself in every leaf."""

    boot: str
    origin: str
    session_id: str
    target: str


class Chain:
    """The gate's EventStream: session key, number of events so far, hash of the last leaf.

    `extra` (the wrapped session key) travels with the first event, or with every one while
    `carries_key` is set: a key that was made after the chain began.
    """

    __slots__ = (
        "_leaf",
        "_origin",
        "_sealer",
        "batch",
        "boot",
        "carries_key",
        "closed",
        "extra",
        "place",
        "previous",
        "q",
        "session_id",
    )

    def __init__(self, place: Place, session_key: bytes, extra: bytes, pool: RandomPool) -> None:
        self.place = place
        self.session_id = place.session_id
        self.extra = extra
        self.q = 0
        self.previous = b""
        self.closed = False
        self.carries_key = False
        self.boot = place.boot
        self.batch: Batch | None = None
        self._sealer = SessionSealer(session_key, pool)
        self._origin = place.origin.encode()
        self._leaf = LeafStream.of(
            boot=place.boot, origin=place.origin, session_id=place.session_id, target=place.target
        )

    def new_boot(self, boot: str) -> None:
        """From now on leaves carry this boot id."""
        self.boot = boot
        self._leaf = LeafStream.of(
            boot=boot,
            origin=self.place.origin,
            session_id=self.session_id,
            target=self.place.target,
        )

    def seal(
        self,
        n: int,
        kind: EventKind,
        payload: bytes,
        decision: bytes,
        counters: bytes,
        at: tuple[int, int],
    ) -> bytes:
        """The record of event `n`, appended `at` (wall µs, monotonic ns); the chain moves on by one.

        Raises JournalUnavailable if the leaf would be too long; the chain then stays as it was.
        """
        kind_bytes = kind.encode()
        ciphertext, commitment, ciphertext_hash = self._sealer.seal(
            self.q, b"%b|%d|%b" % (self._origin, n, kind_bytes), payload
        )
        leaf = encode_leaf(
            self._leaf,
            kind=kind_bytes,
            n=n,
            q=self.q,
            previous=self.previous,
            monotonic_ns=at[1],
            wall_us=at[0],
            decision=decision,
            counters=counters,
            commitment=commitment,
            ciphertext_hash=ciphertext_hash,
            length=OVERHEAD_BYTES + len(payload),
        )
        if len(leaf) > MAX_LEAF_BYTES:
            raise JournalUnavailable("this event's envelope is too large")
        record = encode_record(
            leaf, ciphertext, self.extra if self.q == 0 or self.carries_key else b""
        )
        self.q += 1
        self.previous = sha256(b"\x00" + leaf).hexdigest().encode()
        return record


class Batch:
    """Events that become durable together, or are given up at `late_at` (the loop's time)."""

    __slots__ = (
        "before",
        "closing",
        "error",
        "events",
        "first_n",
        "future",
        "late_at",
        "number",
        "parts",
        "size",
    )

    def __init__(
        self,
        first_n: int,
        loop: asyncio.AbstractEventLoop,
        *,
        closing: bool,
        late_at: float = math.inf,
    ) -> None:
        self.first_n = first_n
        self.closing = closing
        self.late_at = late_at
        self.number = 0
        self.size = 0
        self.parts: list[bytes] = []
        self.events: list[Appended] = []
        self.before: list[tuple[Chain, int, bytes]] = []
        self.error: JournalUnavailable | None = None
        self.future: asyncio.Future[None] = BatchFuture(loop=loop)

    def resolve(self, error: JournalUnavailable | None = None) -> None:
        """Let the waiters go on; the first word counts."""
        if not self.future.done():
            self.error = error
            self.future.set_result(None)


class Pending:
    """The gate's PendingReceipt. Index and batch are set when it is appended (again)."""

    __slots__ = ("batch", "n")

    n: int
    batch: Batch

    async def durable(self) -> Receipt:
        """Wait for the fsync. Raises JournalUnavailable if it fails or takes too long."""
        while True:
            batch = self.batch
            if not batch.future.done():
                await batch.future
            if batch is self.batch:  # else the event was appended again, to another batch
                break
        error = batch.error
        if error is not None:
            raise JournalUnavailable(error.public, cause=error.cause, fatal=error.fatal)
        return Receipt(self.n, batch.number)


# what was asked for, kept until it is durable, so that it can be undone or appended again:
# receipt, chain, kind, payload, decision, counters. A plain tuple: one is made for every event.
Appended = tuple[Pending, Chain, EventKind, bytes, bytes, bytes]
