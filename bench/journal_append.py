"""Micro-figure of the journal's write side: events per second and CPU per event.

Run: `python bench/journal_append.py [events] [appenders] [directory]`. Two events a statement,
500-byte payloads, each statement waits for its first event to be durable, as the gate does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from gatekeep.domain.events import EventKind
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.runtime.clock import SystemClock

_PAYLOAD = json.dumps({"text": "x" * 488}).encode()
_DECISION = b'{"decision":"allow","policy":"0123456789ab","rule":"engineers-read"}'


class _Keys:
    """Wrapped keys, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def subject_key(self, person: str) -> bytes | None:
        return self.kept.get(person)

    def subject_key_by_id(self, key_id: bytes) -> bytes | None:
        return next((key for key in self.kept.values() if key[:16] == key_id), None)

    def put_subject_key(self, person: str, wrapped: bytes) -> None:
        self.kept[person] = wrapped

    def session_key(self, session_id: str) -> bytes | None:
        return self.kept.get(session_id)

    def put_session_key(self, session_id: str, wrapped: bytes) -> None:
        self.kept[session_id] = wrapped


def _writer_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def _statements(journal: LiveJournal, number: int, count: int, waits: list[float]) -> None:
    stream = journal.open_stream(session_id=f"{number:032x}", subject="alice", target="shop")
    await journal.append(stream, EventKind.SESSION_OPENED, b"{}").durable()
    for _ in range(count):
        begin = time.perf_counter()
        released = journal.append(stream, EventKind.ACTION_RELEASED, _PAYLOAD, decision=_DECISION)
        await released.durable()
        waits.append(time.perf_counter() - begin)
        journal.append(
            stream, EventKind.ACTION_FINISHED, _PAYLOAD, counters=b'{"of":%d}' % released.n
        )
    await journal.append(stream, EventKind.SESSION_CLOSED, b'{"reason":"bench"}').durable()


def _append_only(journal: LiveJournal, count: int) -> float:
    stream = journal.open_stream(session_id="f" * 32, subject="alice", target="shop")
    begin = time.process_time()
    for _ in range(count):
        journal.append(stream, EventKind.ACTION_REQUESTED, _PAYLOAD, decision=_DECISION)
    return (time.process_time() - begin) / count


async def _run(events: int, appenders: int, where: Path) -> None:
    ring = KeyRing.open(where / "keys", create=True)
    sealing = Sealing("bench/gatekeep", ring, _Keys(), SystemClock())
    journal, _ = await open_journal(Opening(where / "spool", "bench+0+0", "0"), sealing)
    print(f"append alone (seal, leaf, hash): {_append_only(journal, 20_000) * 1e6:.2f} µs CPU")
    await asyncio.sleep(1)
    pid = journal.writer_pid
    waits: list[float] = []
    before, writer_before = time.process_time(), _writer_cpu(pid)
    begin = time.perf_counter()
    each = events // 2 // appenders
    await asyncio.gather(*(_statements(journal, i, each, waits) for i in range(appenders)))
    took = time.perf_counter() - begin
    ours, writers = time.process_time() - before, _writer_cpu(pid) - writer_before
    done = each * appenders * 2
    waits.sort()
    print(
        f"{appenders} appenders: {done / took:,.0f} events/s; wait p50 "
        f"{waits[len(waits) // 2] * 1e3:.2f} ms, p99 {waits[len(waits) * 99 // 100] * 1e3:.2f} ms; "
        f"CPU per event: gateway {ours / done * 1e6:.1f} µs, writer {writers / done * 1e6:.1f} µs"
    )
    await journal.close()
    begin = time.perf_counter()
    journal, recovered = await open_journal(Opening(where / "spool", "bench+0+0", "0"), sealing)
    print(f"opened again in {time.perf_counter() - begin:.2f} s at {recovered.position.next_n}")
    await journal.close()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> None:
    """Measure once."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    appenders = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as where:
        uvloop.run(_run(events, appenders, Path(where)))


if __name__ == "__main__":
    main()
