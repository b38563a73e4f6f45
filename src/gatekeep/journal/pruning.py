"""Removes spool segments that the archive holds whole. Decides nothing about age: the caller does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from gatekeep.errors import EvidenceBroken
from gatekeep.journal.archive import LOG_DIR, SPOOL_DIR, signed_checkpoint
from gatekeep.journal.opened import read_open_things
from gatekeep.journal.spool import list_segments, read_acked, segment_path, sync_directory
from gatekeep.journal.staging import append_durably
from gatekeep.journal.tiles import TILE_WIDTH
from gatekeep.journal.verify_spool import DELETED_NAME, Stretch, deleted_line, verify_segment


def deletable_segments(journal: Path, *, older_than_ns: int) -> Iterator[tuple[int, int]]:
    """(first index, next index) of segments that may go, oldest first; nothing is removed here.

    A segment may go when it was last written before `older_than_ns` (ns since 1970), when every
    event of it is in whole bundles and blobs below a signed checkpoint, read again and equal byte
    for byte, and when `spool/open` was written after it, so that recovery needs it no more.
    Raises EvidenceBroken if archive and spool differ.
    """
    signed = signed_checkpoint(journal)
    if signed is None:
        return
    spool = journal / SPOOL_DIR
    whole = min(signed.size // TILE_WIDTH * TILE_WIDTH, read_open_things(spool).n)
    firsts = list_segments(spool)
    for first, following in pairwise(firsts):
        path = segment_path(spool, first)
        if following > whole or path.stat().st_mtime_ns >= older_than_ns:
            return
        stretch = Stretch(
            spool, journal / LOG_DIR, signed.origin, first, following, signed.size,
            read_acked(spool),
        )
        result = verify_segment(stretch)
        if result.examined.findings or not result.in_archive:
            found = [finding.line() for finding in result.examined.findings]
            raise EvidenceBroken("a segment and the archive differ", cause="; ".join(found[:3]))
        yield first, following


def delete_segment(journal: Path, first: int, following: int) -> None:
    """Remove one segment that `deletable_segments` named; durably recorded before it goes."""
    spool = journal / SPOOL_DIR
    append_durably(spool / DELETED_NAME, deleted_line(first, following).encode())
    segment_path(spool, first).unlink()
    sync_directory(spool)
