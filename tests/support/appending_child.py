"""A gateway's journal alone, in a process to be killed: appends and prints what is acknowledged.

Run: `python appending_child.py SPOOL SEGMENT_BYTES`. First line: the writer's process id; then
one acknowledged event index per line.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.wrapped_keys import MemoryKeys

from gatekeep.domain.events import EventKind
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.journal.segments import Sizes
from gatekeep.runtime.clock import SystemClock

ORIGIN = "example.com/gatekeep/test"


async def _appender(journal: LiveJournal, number: int) -> None:
    stream = journal.open_stream(session_id=f"{number:032x}", subject="alice", target="shop")
    while True:
        receipt = await journal.append(
            stream, EventKind.ACTION_REQUESTED, b"{}" + b" " * (number * 97)
        ).durable()
        sys.stdout.write(f"{receipt.n}\n")
        sys.stdout.flush()


async def _main(spool: Path, segment_bytes: int) -> None:
    sealing = Sealing(ORIGIN, KeyRing(bytes(32)), MemoryKeys(), SystemClock())
    sizes = Sizes(segment=segment_bytes, reserve=segment_bytes // 2)
    journal, _ = await open_journal(Opening(spool, "vkey", "0", sizes=sizes), sealing)
    sys.stdout.write(f"{journal.writer_pid}\n")
    await asyncio.gather(*(_appender(journal, number) for number in range(8)))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
