"""A journal with its real writer process: opened, owned, killed, opened again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import appending_child
from support.live_journal import ORIGIN, SMALL, read_events
from support.wrapped_keys import MemoryKeys

from gatekeep.domain.events import EventKind
from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import Sealing
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.journal.recovery import recover
from gatekeep.journal.segments import Sizes
from gatekeep.journal.spool import SpoolLock, read_acked, segment_path
from gatekeep.runtime.clock import SystemClock


def _sealing(keys: MemoryKeys | None = None) -> Sealing:
    return Sealing(ORIGIN, KeyRing(bytes(32)), keys or MemoryKeys(), SystemClock())


async def test_a_journal_opens_closes_and_opens_again(tmp_path: Path) -> None:
    """Two runs, one log; the writer ends with its run, and the spool is free again."""
    opening = Opening(tmp_path / "state" / "spool", "vkey", "0", sizes=SMALL)
    sealing = _sealing()
    writers = []
    for run in range(2):
        journal, found = await open_journal(opening, sealing)
        assert journal.accepting
        receipt = await journal.append(journal.system, EventKind.AUDIT_READ, b"{}").durable()
        assert receipt.n == (1, 4)[run]
        assert found.torn_bytes == 0
        writers.append(journal.writer_pid)
        await journal.close()
        assert not journal.accepting
    for pid in writers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    SpoolLock(opening.spool, wait_s=0).release()
    assert [event.kind for event in read_events(opening.spool)] == [
        "log.genesis",
        "audit.read",
        "session.closed",
        "recovery.done",
        "audit.read",
        "session.closed",
    ]
    assert (opening.spool.stat().st_mode & 0o777) == 0o700


async def test_a_writer_that_is_killed_ends_the_journal(tmp_path: Path) -> None:
    """No new writer is tried: what is on disk is decided by the next start."""
    deaths: list[JournalUnavailable] = []
    died = asyncio.Event()

    def on_dead(error: JournalUnavailable) -> None:
        deaths.append(error)
        died.set()

    opening = Opening(tmp_path / "spool", "vkey", "0", sizes=SMALL)
    sealing = _sealing()
    journal, _ = await open_journal(opening, sealing, on_dead=on_dead)
    os.kill(journal.writer_pid, signal.SIGKILL)
    await died.wait()
    assert deaths[0].fatal
    with pytest.raises(JournalUnavailable):
        journal.append(journal.system, EventKind.AUDIT_READ, b"{}")
    await journal.close()
    journal, _ = await open_journal(opening, sealing)
    await journal.close()


async def test_a_damaged_spool_is_not_opened_and_not_kept_locked(tmp_path: Path) -> None:
    """The refusal leaves files and lock as they were, so that somebody can look."""
    opening = Opening(tmp_path / "spool", "vkey", "0", sizes=SMALL)
    sealing = _sealing()
    journal, _ = await open_journal(opening, sealing)
    await journal.close()
    path = segment_path(opening.spool, 0)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(EvidenceBroken):
            await open_journal(opening, sealing)
    assert path.read_bytes() == data


async def test_a_place_that_cannot_be_written_is_a_refusal(tmp_path: Path) -> None:
    """A file where the directory should be: the journal is unavailable, for good."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JournalUnavailable) as refused:
        await open_journal(Opening(tmp_path / "state" / "spool", "vkey", "0"), _sealing())
    assert refused.value.fatal


def _kill_rounds(where: Path, rounds: int, source: random.Random) -> None:
    acked = -1
    for _ in range(rounds):
        child = subprocess.Popen(
            [sys.executable, appending_child.__file__, str(where), str(1 << 17)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        with child.stdout as lines:
            writer = int(lines.readline())
            for _ in range(source.randrange(20, 400)):
                acked = max(acked, int(lines.readline()))
            if source.random() < 0.5:
                os.kill(writer, signal.SIGKILL)
            child.kill()
            for line in lines.read().split("\n")[:-1]:
                acked = max(acked, int(line))
        child.wait()
        lock = SpoolLock(where)
        found = recover(where, sizes=Sizes(segment=1 << 17, reserve=1 << 16))
        lock.release()
        assert found.position.next_n > acked
        assert read_acked(where).next_n == found.position.next_n
        events = read_events(where)
        assert [event.n for event in events] == list(range(found.position.next_n))


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Gateway, or gateway and writer, killed at any moment: every acknowledged event is there."""
    _kill_rounds(tmp_path / "spool", 5, random.Random(11))


@pytest.mark.soak
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    """The same, a hundred times on one growing log."""
    _kill_rounds(tmp_path / "spool", 100, random.Random(12))
