"""A recorded channel on a real journal, in a process to be killed: prints what became durable.

Run: `python recording_child.py SPOOL`. First the writer's process id and the wrapped key of
the person; then, for each chunk that is durable, the output up to its end in bytes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.wrapped_keys import MemoryKeys

from gatekeep.domain.events import EventKind, Receipt
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.recordings.chunks import Terminal
from gatekeep.recordings.recorder import ChannelRecorder, PendingChunk
from gatekeep.runtime.clock import SystemClock

ORIGIN = "example.com/gatekeep/test"
SESSION = "ab" * 16


def line_of(number: int) -> bytes:
    """The output that is recorded: numbered lines that compress badly enough."""
    return b"%08d %b\r\n" % (number, bytes((number * 7 + at * 31) % 251 for at in range(64)))


class Telling:
    """Passes on to the journal and prints what became durable."""

    def __init__(self, journal: LiveJournal) -> None:
        self._journal = journal
        self.written = 0

    def append(
        self,
        stream: Any,
        kind: EventKind,
        payload: bytes,
        *,
        decision: bytes = b"",
        counters: bytes = b"",
    ) -> PendingChunk:
        """Append, and remember how much was shown so far."""
        pending = self._journal.append(stream, kind, payload, decision=decision, counters=counters)
        return _Told(pending, self.written)


class _Told:
    def __init__(self, pending: PendingChunk, written: int) -> None:
        self._pending = pending
        self._written = written

    async def durable(self) -> Receipt:
        """Wait, then say so."""
        receipt = await self._pending.durable()
        sys.stdout.write(f"{self._written}\n")
        sys.stdout.flush()
        return receipt


async def _main(spool: Path) -> None:
    keys = MemoryKeys()
    sealing = Sealing(ORIGIN, KeyRing(bytes(32)), keys, SystemClock())
    journal, _ = await open_journal(Opening(spool, "vkey", "0"), sealing)
    telling = Telling(journal)
    stream = journal.open_stream(session_id=SESSION, subject="alice", target="web-1")
    sys.stdout.write(f"{journal.writer_pid}\n{keys.subjects['alice'].hex()}\n")
    recorder = ChannelRecorder(
        telling, stream, SystemClock(), channel=0, terminal=Terminal(), on_failure=sys.exit
    )
    number = 0
    while True:
        for _ in range(40):
            line = line_of(number)
            telling.written += len(line)
            recorder.output(line)
            number += 1
        recorder.flush()
        await recorder.keep_pace()
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
