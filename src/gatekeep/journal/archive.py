"""The archivist's work: durable bytes of the spool become tiles, bundles, blobs and checkpoints.

No process, no loop and no clock here: `step` and `checkpoint` are called by whoever paces them.
Every byte is read back from the spool and hashed again before anything is signed.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from binascii import hexlify
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from gatekeep.domain.checkpoints import Checkpoint
from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal.checkpoint import CheckpointSigner, parse_checkpoint
from gatekeep.journal.encoding import RECORD_HEADER_BYTES, parse_leaf
from gatekeep.journal.recent import Event, RecentEvents
from gatekeep.journal.spool import (
    AckedCursor,
    Batch,
    Position,
    SpoolReader,
    sync_directory,
)
from gatekeep.journal.staging import StagedFiles, append_durably, is_unfinished, replace_file
from gatekeep.journal.tiles import (
    TILE_WIDTH,
    GrowingTree,
    TileReader,
    blob_path,
    bundle_path,
    partial_widths,
    tile_path,
)

SPOOL_DIR: Final = "spool"
LOG_DIR: Final = "log"
SIGNED_NAME: Final = "signed"
CHECKPOINT_NAME: Final = "checkpoint"
HISTORY_NAME: Final = "checkpoints"
_LOCK_NAME: Final = "archive.lock"
_LOCK_WAIT_S: Final = 30.0
_LOCK_PAUSE_S: Final = 0.05
_MAX_NOTE: Final = 4096

_LENGTHS = struct.Struct(">III")
_BUNDLE_PARTS: Final = 2 * TILE_WIDTH  # a length and a leaf, or lengths and a payload, an event

KeepSessionKey = Callable[[str, bytes], None]


def signed_checkpoint(journal: Path) -> Checkpoint | None:
    """The last checkpoint that the archivist made durable (its signature is not checked here).

    Every event below its size was durable when it was signed. Raises EvidenceBroken if damaged.
    """
    try:
        note = (journal / SIGNED_NAME).read_bytes()
    except FileNotFoundError:
        return None
    return parse_checkpoint(note)[0]


class Archivist:
    """Follows one spool and grows one log. One instance at a time, held by a lock.

    `keep_session_key(session, extra)` stores a wrapped session key durably; it is called again
    with the same values after a restart. `size` is the number of events taken into the tree,
    `signed` the last checkpoint.
    """

    def __init__(
        self, journal: Path, signer: CheckpointSigner, keep_session_key: KeepSessionKey
    ) -> None:
        self._journal = journal
        self._log = journal / LOG_DIR
        self._signer = signer
        self._keep_session_key = keep_session_key
        origin = signer.origin.encode()
        self._origin_member = b',"o":"%b"' % origin
        self._recent = RecentEvents()
        self._staged = StagedFiles(self._log)
        self._synced = (-1, -1)
        self._leaves: list[bytes] = []
        self._sealed: list[bytes] = []
        self._stale: list[Path] = []
        self._filled: list[Path] = []
        self._emptied: list[Path] = []
        self._lock = _lock(journal)
        try:
            self._log.mkdir(mode=0o750, exist_ok=True)
            sync_directory(journal)
            self._cursor = AckedCursor(journal / SPOOL_DIR)
            self.signed = self._last_signed()
            self._tree = self._resume_tree()
            self._reader = SpoolReader.at_start(journal / SPOOL_DIR, self._tree.size)
            self._resume_leaves()
            self._publish_again()
            self._tidy()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def size(self) -> int:
        """Events in the tree, signed or not."""
        return self._tree.size

    def acked(self) -> int:
        """Index of the next event that the writer will acknowledge."""
        return self._cursor.read().next_n

    def step(self, limit: int = 4096) -> int:
        """Take durable events into the tree, about `limit` of them; returns how many.

        Raises EvidenceBroken if what was read back is not what was written; all files stay.
        """
        begun = self._tree.size
        acked = self._cursor.read().next_n
        while self._reader.position.next_n < acked and self._tree.size - begun < limit:
            batch = self._reader.next_valid()
            if batch is None:
                raise EvidenceBroken("an acknowledged batch is damaged", cause=self._where())
            self._take(batch, min(batch.end.next_n, acked))
            if batch.end.next_n > acked:  # cannot be: batches are acknowledged whole
                raise EvidenceBroken("the acked cursor points into a batch", cause=self._where())
        return self._tree.size - begun

    def recent(self, first: int, limit: int) -> list[Event]:
        """Events from `first` on, as they were taken, while they are still at hand; else none.

        For whoever indexes right after: nothing needs to be read again. Asked in rising order.
        """
        return self._recent.take(first, limit)

    def sync_cursor(self) -> None:
        """Make the acked cursor durable (called each 100 ms), if it moved."""
        acked = self._cursor.read()
        if (acked.batch, acked.next_n) != self._synced:
            self._cursor.sync()
            self._synced = (acked.batch, acked.next_n)

    def checkpoint(self) -> Checkpoint | None:
        """Sign and publish the tree as it stands; None if it has not grown.

        Order: files durable → the record `signed` replaced if it is still the one we wrote →
        history → the public name. Nothing is signed that is not durable.
        """
        self._drop_stale()
        before = self.signed
        if self._tree.size == (before.size if before else 0):
            return None
        self._put_partials()
        self._staged.settle()
        if signed_checkpoint(self._journal) != before:
            raise EvidenceBroken("the archivist's record was changed by somebody else")
        self.signed = self._signer.sign(self._tree.size, self._tree.root())
        replace_file(self._journal / SIGNED_NAME, self.signed.note)
        append_durably(self._log / HISTORY_NAME, self.signed.note)
        replace_file(self._log / CHECKPOINT_NAME, self.signed.note)
        self._stale += _partial_files(self._log, self.signed.size)
        self._emptied, self._filled = self._filled, []
        return self.signed

    def close(self) -> None:
        """Let go of files and lock; what was not settled is dropped."""
        self._staged.discard()
        self._reader.close()
        self._cursor.close()
        os.close(self._lock)

    def _take(self, batch: Batch, end_n: int) -> None:
        """Check the records of a batch that are not in the tree yet, below `end_n`; add them."""
        body, n, offset = batch.body, batch.first_n, 0
        known, end, origin = self._tree.size, len(batch.body), self._origin_member
        leaves, sealed, hashes = self._leaves, self._sealed, []
        recent = self._recent.begin(len(body))
        while offset < end and n < end_n:
            leaf_length, sealed_length, extra_length = _LENGTHS.unpack_from(body, offset)
            first = offset + RECORD_HEADER_BYTES
            second = first + leaf_length
            third = second + sealed_length
            following = third + extra_length
            if n >= known:
                leaf = body[first:second]
                ciphertext = body[second:third]
                digest = hexlify(sha256(ciphertext).digest())
                if (
                    not leaf.endswith(b'"ct":"%b","len":%d}}' % (digest, sealed_length))
                    or b'"n":%d%b' % (n, origin) not in leaf
                ):
                    raise EvidenceBroken(
                        f"event {n} is not what its place or its hash says", cause=self._where()
                    )
                hashes.append(sha256(b"\0" + leaf).digest())
                # a leaf is below 64 KiB, so the last two bytes of its length are the bundle's u16
                leaves += (body[offset + 2 : offset + 4], leaf)
                extra = body[third:following]
                sealed += (body[offset + 4 : first], ciphertext + extra)
                recent.append((n, leaf, ciphertext, extra))
                if extra:
                    self._keep_session_key(parse_leaf(leaf)["s"], extra)
            offset = following
            n += 1
        self._grow(hashes)

    def _grow(self, hashes: list[bytes]) -> None:
        number = self._tree.size // TILE_WIDTH
        for tile in self._tree.extend(hashes):
            self._staged.put(tile.path, tile.content)
            self._filled.append(self._log / f"{tile.path}.p")
        while len(self._leaves) >= _BUNDLE_PARTS:
            for name, parts in (
                (bundle_path(number), self._leaves), (blob_path(number), self._sealed),
            ):
                self._staged.put(name, b"".join(parts[:_BUNDLE_PARTS]))
                del parts[:_BUNDLE_PARTS]
            self._filled.append(self._log / f"{bundle_path(number)}.p")
            number += 1

    def _put_partials(self) -> None:
        for tile in self._tree.partials():
            self._staged.put(tile.path, tile.content)
        if self._leaves:
            number, width = divmod(self._tree.size, TILE_WIDTH)
            self._staged.put(bundle_path(number, width), b"".join(self._leaves))

    def _drop_stale(self) -> None:
        """Remove the partial tiles before the last checkpoint's, and those of tiles now whole.

        One checkpoint later than possible: a reader may have just read the one before.
        """
        kept = set(_partial_files(self._log, self.signed.size)) if self.signed else set()
        for path in self._stale:
            if path not in kept:
                path.unlink(missing_ok=True)
        self._stale = [path for path in self._stale if path in kept]
        for folder in self._emptied:
            _remove_folder(folder)
        self._emptied = []

    def _last_signed(self) -> Checkpoint | None:
        signed = signed_checkpoint(self._journal)
        if signed is None and (self._log / CHECKPOINT_NAME).exists():
            raise EvidenceBroken("the archivist's record of its last checkpoint is missing")
        if signed is not None and signed.origin != self._signer.origin:
            raise EvidenceBroken("this log belongs to another origin", cause=signed.origin)
        return signed

    def _resume_tree(self) -> GrowingTree:
        """The tree up to the last whole bundle, after checking its stored hashes."""
        if self.signed is None:
            return GrowingTree()
        reader = TileReader(self._log, self.signed.size)
        if reader.root() != self.signed.root:
            raise EvidenceBroken("the tiles do not lead to the last signed root")
        edges = reader.edges()
        edges[0] = []
        return GrowingTree(self.signed.size // TILE_WIDTH * TILE_WIDTH, edges)

    def _resume_leaves(self) -> None:
        """Read the events after the last whole bundle again and compare with the signed root."""
        base, signed = self._tree.size, self.signed
        end = signed.size if signed else 0
        start: Position = self._reader.position
        while start.next_n < base or self._tree.size < end:
            batch = self._reader.next_valid()
            if batch is None:
                raise EvidenceBroken("the spool lacks events that were archived", cause=self._where())
            if batch.end.next_n > base:
                self._take(batch, max(base, end))
            if batch.end.next_n > max(base, end):
                self._reader.position = batch.start
                break
            start = self._reader.position
        if signed is not None and self._tree.root() != signed.root:
            raise EvidenceBroken("the spool does not lead to the last signed root")

    def _publish_again(self) -> None:
        """Finish a checkpoint that was signed durably and perhaps not published."""
        if self.signed is None:
            return
        note, history = self.signed.note, self._log / HISTORY_NAME
        published = self._log / CHECKPOINT_NAME
        if not published.exists() or published.read_bytes() != note:
            _end_with(history, note)
            replace_file(published, note)

    def _tidy(self) -> None:
        """Remove what a crash left behind: unfinished files, partial tiles of older checkpoints."""
        kept = set(_partial_files(self._log, self.signed.size)) if self.signed else set()
        for folder, _, names in os.walk(self._log, topdown=False):
            here = Path(folder)
            for name in names:
                path = here / name
                if is_unfinished(path) or (here.name.endswith(".p") and path not in kept):
                    path.unlink()
            if here.name.endswith(".p") and not any(here.iterdir()):
                here.rmdir()
        self._stale = list(kept)

    def _where(self) -> str:
        here = self._reader.position
        return f"segment {here.segment} offset {here.offset}"


def _partial_files(log: Path, size: int) -> list[Path]:
    files = [log / tile_path(*place) for place in partial_widths(size)]
    number, width = divmod(size, TILE_WIDTH)
    return [*files, log / bundle_path(number, width)] if width else files


def _remove_folder(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _end_with(history: Path, note: bytes) -> None:
    """Let the history end with this note, which may be there in part or not at all."""
    content = b""
    if history.exists():
        with history.open("rb") as file:
            file.seek(max(0, history.stat().st_size - _MAX_NOTE))
            content = file.read()
    if content.endswith(note):
        return
    for length in range(len(note) - 1, 0, -1):
        if content.endswith(note[:length]) and not _is_whole(content):
            append_durably(history, note[length:])
            return
    append_durably(history, note)


def _is_whole(content: bytes) -> bool:
    """Whether the last line is a whole signature line."""
    last = content.rstrip(b"\n").rpartition(b"\n")[2]
    return content.endswith(b"\n") and last.startswith("— ".encode())


def _lock(journal: Path) -> int:
    """The archive's lock. Waits: the archivist of a killed gateway first finishes what it has."""
    handle = os.open(journal / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                os.close(handle)
                raise JournalUnavailable(
                    "another archivist works on this journal", fatal=True
                ) from error
            time.sleep(_LOCK_PAUSE_S)
        else:
            return handle
