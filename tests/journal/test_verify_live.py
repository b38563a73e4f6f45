"""The real writer, the archivist and the verifier together, while the log grows and after kills."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.spool_builder import ORIGIN, SpoolBuilder, opened_payload
from support.wrapped_keys import MemoryKeys

from gatekeep.domain.events import EventKind
from gatekeep.journal.archive import Archivist
from gatekeep.journal.checkpoint import CheckpointSigner, VerifierKey
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.live import LiveJournal, Sealing
from gatekeep.journal.logkey import vkey_of
from gatekeep.journal.opening import Opening, open_journal
from gatekeep.journal.segments import Sizes
from gatekeep.journal.unsealing import Unsealer
from gatekeep.journal.verify import Trust, verify
from gatekeep.runtime.clock import SystemClock

KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
TRUST = Trust(
    [VerifierKey.parse(vkey_of(ORIGIN, KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)))]
)
SMALL = Sizes(segment=1 << 18, reserve=1 << 18, slice=1 << 16)


async def append_some(journal: LiveJournal, number: int, count: int) -> None:
    """One session of `count` statements with outcomes."""
    stream = journal.open_stream(session_id=f"{number:032x}", subject="alice", target="shop")
    journal.append(stream, EventKind.SESSION_OPENED, b'{"principal":"alice"}')
    for _ in range(count):
        released = journal.append(stream, EventKind.ACTION_RELEASED, b'{"text":"select 1"}')
        of = (await released.durable()).n
        journal.append(
            stream, EventKind.ACTION_FINISHED, b'{"outcome":"done"}', counters=b'{"of":%d}' % of
        )
    if number % 2:
        last = journal.append(stream, EventKind.SESSION_CLOSED, b"{}")
        await last.durable()
        journal.close_stream(stream)


async def test_runs_and_kills_leave_a_journal_that_verifies(tmp_path: Path) -> None:
    """Orderly ends, a killed writer, open sessions, recovery: with keys the report is 0."""
    place = tmp_path / "journal"
    opening = Opening(place / "spool", "vkey", "0", sizes=SMALL)
    keys, ring = MemoryKeys(), KeyRing(bytes(32))
    for run in range(4):
        journal, _ = await open_journal(opening, Sealing(ORIGIN, ring, keys, SystemClock()))
        for session in range(3):
            await append_some(journal, 10 * run + session, 60)
        if run % 2:
            os.kill(journal.writer_pid, signal.SIGKILL)
        await journal.close()
        archivist = Archivist(place, CheckpointSigner(ORIGIN, KEY), keys.put_session_key)
        while archivist.step():
            pass
        archivist.checkpoint()
        archivist.close()
        report = verify(place, TRUST, unsealer=Unsealer(ring, keys))
        assert report.exit_code == 0, report.as_text()
        assert report.states["OK"] == report.end > 300 * run
    assert len(list((place / "spool").glob("*.seg"))) > 2


async def test_a_growing_log_verifies_at_any_moment(tmp_path: Path) -> None:
    """A consistent prefix is taken: verify is 0 however writer and archivist go on beside it."""
    place = tmp_path / "journal"
    opening = Opening(place / "spool", "vkey", "0", sizes=SMALL)
    keys, ring = MemoryKeys(), KeyRing(bytes(32))
    journal, _ = await open_journal(opening, Sealing(ORIGIN, ring, keys, SystemClock()))
    archivist = Archivist(place, CheckpointSigner(ORIGIN, KEY), lambda _session, _extra: None)
    await append_some(journal, 0, 1)
    archivist.step()
    archivist.checkpoint()
    growing = asyncio.ensure_future(grow(journal, archivist))
    while not growing.done():
        report = await asyncio.to_thread(verify, place, TRUST)
        assert report.exit_code == 0, report.as_text()
    await growing
    await journal.close()
    archivist.close()


async def grow(journal: LiveJournal, archivist: Archivist) -> None:
    """Sessions, archiving and signing in turn."""
    for number in range(1, 9):
        await append_some(journal, number, 40)
        archivist.step(50)
        archivist.checkpoint()
        await append_some(journal, 100 + number, 5)
        archivist.step()


def test_every_state_between_two_steps_verifies(tmp_path: Path) -> None:
    """Events appended, archived or signed, in any order: each state on disk is valid."""
    builder = SpoolBuilder(tmp_path / "journal", segment_bytes=100_000)
    session = builder.session(1)
    builder.append(session, "session.opened", opened_payload())
    builder.statements(session, 5)
    archivist = builder.archivist()
    archivist.step()
    archivist.checkpoint()
    for turn in range(24):
        builder.statements(session, 9 + turn)
        if turn % 3:
            archivist.step(20 + turn)
        if turn % 2:
            archivist.checkpoint()
        report = verify(builder.journal, Trust([builder.vkey]))
        assert report.exit_code == 0, (turn, report.as_text())
    archivist.close()
