"""The archivist as a process: it follows, signs, indexes, tells its status, and ends with its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from support.spool_builder import ORIGIN, SpoolBuilder, opened_payload

from gatekeep.journal.archive import signed_checkpoint
from gatekeep.journal.checkpoint import VerifierKey
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import ensure_log_key, load_log_key
from gatekeep.journal.spool import list_segments
from gatekeep.journal.verify import Trust, verify
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.index import SearchIndex, open_index
from gatekeep.stores.sqlite.state import StateStore


@dataclass
class World:
    """A state directory, its keys, and a spool that grows."""

    state: Path
    keys: Path
    builder: SpoolBuilder
    ring: KeyRing
    vkey: VerifierKey


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Real keys in a directory, wrapped keys in state.db."""
    state, keys = tmp_path / "state", tmp_path / "keys"
    state.mkdir()
    ring = KeyRing.open(keys, create=True)
    vkey = VerifierKey.parse(ensure_log_key(keys, ORIGIN))
    builder = SpoolBuilder(state / "journal")
    builder.ring = ring
    builder.signing_key = load_log_key(keys)
    store = StateStore.open(state / "state.db", ring.state_db_key(), SystemClock())
    builder.keys = store  # type: ignore[assignment] # both are WrappedKeys
    yield World(state, keys, builder, ring, vkey)
    store.close()


class Running:
    """An archivist process with its two pipes."""

    def __init__(self, world: World, keep_days: int = 7) -> None:
        life_here, self.life = os.pipe()
        told, status = os.pipe()
        self.lines = os.fdopen(told, "rb")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "gatekeep.archivist", "--state", str(world.state),
                "--keys", str(world.keys), "--checkpoint-s", "0.05",
                "--keep-days", str(keep_days),
                "--life-fd", str(life_here), "--status-fd", str(status),
            ],
            pass_fds=(life_here, status), stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(life_here)
        os.close(status)

    def until(self, size: int) -> dict[str, object]:
        """Read status lines until so many events are signed and indexed."""
        for line in self.lines:
            status: dict[str, object] = orjson.loads(line)
            if status.get("error") or (status["size"], status["indexed"]) == (size, size):
                return status
        raise AssertionError(self.process.communicate()[1])

    def end(self) -> int:
        """Close the parent's end of the pipe, and wait."""
        with contextlib.suppress(OSError):
            os.close(self.life)
        self.lines.read()
        self.process.communicate()
        self.lines.close()
        return self.process.returncode


def grow(world: World, number: int) -> None:
    """One session more."""
    session = world.builder.session(number)
    world.builder.append(session, "session.opened", opened_payload())
    world.builder.statements(session, 100)
    world.builder.close(session)
    world.builder.commit()


def test_it_follows_and_ends_with_its_parent(world: World) -> None:
    """What is durable is signed and indexed; at the end nothing is left unsigned."""
    grow(world, 1)
    running = Running(world)
    status = running.until(world.builder.n)
    assert (status["lag"], status["error"]) == (0, "")
    grow(world, 2)
    assert running.end() == 0
    signed = signed_checkpoint(world.state / "journal")
    assert signed is not None
    assert signed.size == world.builder.n
    assert verify(world.state / "journal", Trust([world.vkey])).exit_code == 0
    index = SearchIndex(open_index(world.state / "index.db", world.ring.index_db_key()))
    assert index.index_n() == world.builder.n
    index.close()


def test_sigterm_ends_it_after_a_last_checkpoint(world: World) -> None:
    """SIGTERM is an orderly end too."""
    running = Running(world)
    running.until(0)
    grow(world, 1)
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    signed = signed_checkpoint(world.state / "journal")
    assert signed is not None
    assert signed.size == world.builder.n


def test_killed_at_once_it_goes_on_later(world: World) -> None:
    """SIGKILL loses nothing: the next process completes the same log."""
    grow(world, 1)
    for number in range(2, 5):
        running = Running(world)
        running.until(world.builder.n)
        grow(world, number)
        running.process.kill()
        assert running.end() == -signal.SIGKILL
    running = Running(world)
    running.until(world.builder.n)
    assert running.end() == 0
    assert verify(world.state / "journal", Trust([world.vkey])).exit_code == 0


def test_broken_evidence_is_told_and_final(world: World) -> None:
    """A changed byte in the spool: the status says so, the process ends with 1, nothing is signed."""
    grow(world, 1)
    path = next(iter(world.builder.spool.glob("*.seg")))
    content = bytearray(path.read_bytes())
    content[3000] ^= 1
    path.write_bytes(content)
    running = Running(world)
    assert "damaged" in str(running.until(world.builder.n)["error"])
    assert running.end() == 1
    assert signed_checkpoint(world.state / "journal") is None


def test_a_damaged_index_is_made_anew(world: World) -> None:
    """index.db is derived: garbage in its place is replaced, evidence is not touched."""
    grow(world, 1)
    (world.state / "index.db").write_bytes(b"garbage" * 1000)
    running = Running(world)
    running.until(world.builder.n)
    assert running.end() == 0


def test_old_segments_go_once_they_are_archived_whole(world: World) -> None:
    """The spool does not grow for ever; what is younger than the days to keep stays."""
    world.builder.segment_bytes = 150_000
    grow(world, 1)
    for number in range(2, 8):
        grow(world, number)
    (world.builder.spool / "open").write_bytes(
        b'{"format":1,"n":%d,"sessions":{},"actions":[]}' % world.builder.n
    )
    before = len(list_segments(world.builder.spool))
    running = Running(world)
    running.until(world.builder.n)
    assert running.end() == 0
    assert len(list_segments(world.builder.spool)) == before > 2
    running = Running(world, keep_days=0)
    running.until(world.builder.n)
    assert running.end() == 0
    assert len(list_segments(world.builder.spool)) < before
    assert verify(world.state / "journal", Trust([world.vkey])).exit_code == 0
    index = SearchIndex(open_index(world.state / "index.db", world.ring.index_db_key()))
    assert index.index_n() == world.builder.n
    index.close()
