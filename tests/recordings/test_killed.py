"""A recording whose gateway is killed: what was acknowledged is there, readable and in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from support import recording_child
from support.live_journal import ORIGIN, read_events
from support.recording_bench import shown
from support.wrapped_keys import MemoryKeys

from gatekeep.journal.keys import KeyRing
from gatekeep.journal.recovery import recover
from gatekeep.journal.sealing import RandomPool, SessionSealer, associated_data
from gatekeep.journal.spool import SpoolLock
from gatekeep.recordings.chunks import Chunk, ChunkOrder, decode_chunk


def _killed(spool: Path, source: random.Random, *, writer_too: bool) -> tuple[int, MemoryKeys]:
    """Run the child, kill it somewhere; how much output it said was durable, and its keys."""
    child = subprocess.Popen(
        [sys.executable, recording_child.__file__, str(spool)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout as lines:
        writer, keys = int(lines.readline()), MemoryKeys()
        keys.put_subject_key("alice", bytes.fromhex(lines.readline()))
        acknowledged = [int(lines.readline()) for _ in range(source.randrange(3, 60))]
        if writer_too:
            os.kill(writer, signal.SIGKILL)
        child.kill()
        acknowledged += [int(line) for line in lines.read().split("\n")[:-1]]
    child.wait()
    return max(acknowledged), keys


def _chunks(spool: Path, keys: MemoryKeys) -> list[Chunk]:
    """The chunks in a spool, opened with the key that travels with the session's first event."""
    ring = KeyRing(bytes(32))
    found: list[Chunk] = []
    sealer: SessionSealer | None = None
    for event in read_events(spool):
        if event.envelope["s"] != recording_child.SESSION:
            continue
        if event.extra:
            sealer = SessionSealer(_session_key(ring, keys, event.extra), RandomPool())
        assert sealer is not None
        payload = sealer.open(
            event.envelope["q"],
            associated_data(ORIGIN, event.n, event.kind),
            event.ciphertext,
            event.envelope["y"]["com"],
        )
        if event.kind == "recording.chunk":
            found.append(decode_chunk(orjson.loads(payload)))
    return found


def _session_key(ring: KeyRing, keys: MemoryKeys, extra: bytes) -> bytes:
    key = ring.open_session_key(recording_child.SESSION, extra, keys)
    assert key is not None
    return key


@pytest.mark.parametrize("writer_too", [False, True])
def test_a_kill_loses_nothing_acknowledged(tmp_path: Path, *, writer_too: bool) -> None:
    """Killed anywhere, every chunk that was acknowledged is readable, whole, and what was shown."""
    spool = tmp_path / "spool"
    acknowledged, keys = _killed(spool, random.Random(5 + writer_too), writer_too=writer_too)
    lock = SpoolLock(spool)
    recover(spool)
    lock.release()
    order = ChunkOrder()
    records = [record for chunk in _chunks(spool, keys) for record in order.check(chunk)]
    output = shown(records)
    assert len(output) >= acknowledged > 0
    assert not order.final
    lines = -(-len(output) // len(recording_child.line_of(0)))
    assert output == b"".join(map(recording_child.line_of, range(lines)))
