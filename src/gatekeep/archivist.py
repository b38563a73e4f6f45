"""The archivist's process: a second composition root, beside the gateway and never in its way.

It alone holds the signing key. One loop: archive, make the acked cursor durable, sign, index, and
now and then remove a spool segment that is old and archived whole.
It ends when its parent does (the pipe `--life-fd` closes) or on SIGTERM, after a last checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import apsw
import orjson

from gatekeep.errors import EvidenceBroken, GatekeepError, JournalUnavailable, SettingsError
from gatekeep.journal.archive import Archivist
from gatekeep.journal.checkpoint import CheckpointSigner
from gatekeep.journal.keys import KeyRing
from gatekeep.journal.logkey import load_log_key, read_vkey
from gatekeep.journal.pruning import deletable_segments, delete_segment
from gatekeep.journal.reading import EventFiles
from gatekeep.journal.recent import Event
from gatekeep.journal.unsealing import Unsealer
from gatekeep.runtime.clock import SystemClock
from gatekeep.stores.sqlite.index import open_index
from gatekeep.stores.sqlite.indexing import SLICE_EVENTS, IndexFiller, rebuild_index
from gatekeep.stores.sqlite.state import StateStore

EXIT_BROKEN: Final = 1
EXIT_LATER: Final = 75
EXIT_SETTINGS: Final = 78
_NICE: Final = 10
_STEP_EVENTS: Final = 2048
_CURSOR_S: Final = 0.1
_STATUS_S: Final = 1.0
_INDEX_S: Final = 0.25
_INDEX_BUSY_S: Final = 1.0  # larger transactions while events keep coming
_PRUNE_S: Final = 60.0
_IDLE_MS: Final = 50
_NS_IN_DAY: Final = 86_400 * 10**9


class Work:
    """What one turn of the loop does; holds everything that is open."""

    def __init__(self, state: Path, keys: Path, keep_days: int) -> None:
        vkey = read_vkey(keys)
        self._clock = SystemClock()
        self._keep_ns = keep_days * _NS_IN_DAY
        self._ring = KeyRing.open(keys)
        self._store = StateStore.open(state / "state.db", self._ring.state_db_key(), self._clock)
        self._journal = journal = state / "journal"
        signer = CheckpointSigner(vkey.partition("+")[0], load_log_key(keys))
        self.archivist = Archivist(journal, signer, self._store.put_session_key)
        self._files = EventFiles(journal)
        self._index_path = state / "index.db"
        self._filler = self._open_index()
        self._indexed = self._filler.index_n
        self._index_hurt = False

    @property
    def index_n(self) -> int:
        """Events in the index."""
        if not self._index_hurt:
            self._indexed = self._filler.index_n
        return self._indexed

    def index(self, limit: int = SLICE_EVENTS) -> int:
        """Index one slice of what is archived; returns how many events.

        A damaged index is left alone from then on: it is no evidence, and archiving goes on. It
        is not replaced here, because readers have it open.
        """
        if self._index_hurt:
            return 0
        try:
            begin = self._filler.index_n
            end = min(self.archivist.size, begin + limit)
            if begin >= end:
                return 0
            events: Iterable[Event] = self.archivist.recent(begin, end - begin)
            return self._filler.add(events or self._files.events(begin, end))
        except (apsw.CorruptError, apsw.SQLError) as error:
            self._index_hurt = True
            sys.stderr.write(
                f"archivist: index.db is damaged ({error}); nothing is indexed until the gateway"
                " is stopped and gatekeep audit rebuild-index was run\n"
            )
            return 0

    def prune(self) -> bool:
        """Remove the oldest spool segment if it may go; whether one went.

        It is read and compared with the archive before. Raises EvidenceBroken if they differ.
        """
        before = self._clock.wall_us() * 1000 - self._keep_ns
        for first, following in deletable_segments(self._journal, older_than_ns=before):
            delete_segment(self._journal, first, following)
            return True
        return False

    def finish(self) -> None:
        """Take the rest, sign a last checkpoint, index what can be, close."""
        while self.archivist.step(_STEP_EVENTS):
            pass
        self.archivist.sync_cursor()
        self.archivist.checkpoint()
        self.archivist.checkpoint()  # tidies what the one before left for late readers
        while self.index():
            pass

    def close(self) -> None:
        """Let go of files, databases and the lock."""
        self._files.close()
        self.archivist.close()
        self._store.close()

    def _open_index(self) -> IndexFiller:
        """The index, made anew if it cannot be read or knows more than the journal."""
        key, unsealer = self._ring.index_db_key(), Unsealer(self._ring, self._store)
        try:
            filler = IndexFiller(open_index(self._index_path, key), unsealer)
            if filler.index_n <= self._files.durable_n():
                return filler
        except (EvidenceBroken, SettingsError, apsw.SQLError, apsw.CorruptError):
            pass
        rebuild_index(self._index_path, key, self._files, unsealer)
        return IndexFiller(open_index(self._index_path, key), unsealer)


class Loop:
    """Paces the work. `run` returns when the parent is gone or SIGTERM came."""

    def __init__(self, work: Work, life: int, status: int, checkpoint_s: float) -> None:
        self._work = work
        self._status = status
        self._checkpoint_s = checkpoint_s
        self._ending = False
        self._poll = select.poll()
        if life >= 0:
            self._poll.register(life, select.POLLIN | select.POLLHUP)
        self._done: dict[str, float] = {}
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's to hear
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def run(self) -> None:
        """Work until the end. Raises EvidenceBroken if what was read back is not what was written."""
        while not self._ending:
            busy = self._turn()
            # one short rest even when busy: the writer and the gateway come first
            if self._poll.poll(1 if busy else _IDLE_MS):
                break
        self._work.finish()
        self.tell()

    def tell(self, error: str = "") -> None:
        """One status line to the gateway."""
        if self._status < 0:
            return
        archivist = self._work.archivist
        line: dict[str, Any] = {
            "size": archivist.signed.size if archivist.signed else 0,
            "archived": archivist.size,
            "lag": max(0, archivist.acked() - archivist.size),
            "indexed": self._work.index_n,
            "error": error,
        }
        _send(self._status, line)

    def _turn(self) -> bool:
        work = self._work
        taken = work.archivist.step(_STEP_EVENTS)
        if self._is_due("cursor", _CURSOR_S):
            work.archivist.sync_cursor()
        if self._is_due("checkpoint", self._checkpoint_s):
            work.archivist.checkpoint()
        behind = taken >= _STEP_EVENTS
        indexed = 0
        if not behind and (
            work.archivist.size - work.index_n >= SLICE_EVENTS // 2
            or self._is_due("index", _INDEX_BUSY_S if taken else _INDEX_S)
        ):
            indexed = work.index()
        if self._is_due("status", _STATUS_S):
            self.tell()
        busy = behind or indexed >= SLICE_EVENTS
        if not busy and self._is_due("prune", _PRUNE_S) and work.prune():
            del self._done["prune"]  # there may be more, one a turn
        return busy

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._done.get(name, -every_s) < every_s:
            return False
        self._done[name] = now
        return True

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True


def main(arguments: list[str] | None = None) -> int:
    """The process. Exit 0 after a last checkpoint, 1 when evidence is broken, 78 for settings.

    75 when there is no room, or another archivist still works: a later one may go on.
    """
    chosen = _parser().parse_args(arguments)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    try:
        with contextlib.closing(Work(chosen.state, chosen.keys, chosen.keep_days)) as work:
            loop = Loop(work, chosen.life_fd, chosen.status_fd, chosen.checkpoint_s)
            loop.tell()
            gc.collect()
            gc.freeze()  # what the start left is never looked through again
            gc.set_threshold(50_000, 20, 50)
            loop.run()
    except (GatekeepError, OSError, apsw.Error) as error:
        return _later(error) if _may_pass(error) else _fail(chosen.status_fd, error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gatekeep-archivist")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--checkpoint-s", type=float, default=1.0)
    parser.add_argument("--keep-days", type=int, default=7, help="of archived spool segments")
    parser.add_argument("--life-fd", type=int, default=-1, help="ends when this pipe closes")
    parser.add_argument("--status-fd", type=int, default=-1, help="status as JSON lines")
    return parser


def _may_pass(error: Exception) -> bool:
    """Whether nothing is wrong with the evidence: no room, or somebody before us."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, JournalUnavailable | apsw.Error)


def _later(error: Exception) -> int:
    words = error.public if isinstance(error, GatekeepError) else str(error)
    sys.stderr.write(f"archivist: {words}; to be tried again\n")
    return EXIT_LATER


def _fail(status: int, error: Exception) -> int:
    """Say what is wrong, to the gateway and on stderr; the cause is for diagnostics only."""
    words = error.public if isinstance(error, GatekeepError) else str(error)
    cause = error.cause if isinstance(error, GatekeepError) else ""
    if status >= 0:
        _send(status, {"error": words, "cause": cause})
    sys.stderr.write(f"archivist: {words}{f' ({cause})' if cause else ''}\n")
    return EXIT_SETTINGS if isinstance(error, SettingsError) else EXIT_BROKEN


def _send(handle: int, line: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(handle, orjson.dumps(line) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
