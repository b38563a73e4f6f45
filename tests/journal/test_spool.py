"""The spool's files: batches are read back in order, the cursor is whole, the lock is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.errors import EvidenceBroken, JournalUnavailable
from gatekeep.journal import encoding, frames, spool


def _body(*leaves: bytes) -> bytes:
    return b"".join(encoding.encode_record(leaf, b"c" * 9) for leaf in leaves)


def _segment(where: Path, first_n: int, *batches: tuple[int, bytes], size: int = 4096) -> None:
    data = b"".join(frames.encode_header(number, body) + body for number, body in batches)
    spool.segment_path(where, first_n).write_bytes(data.ljust(size, b"\0"))


def test_batches_are_read_across_segments(tmp_path: Path) -> None:
    """Indices run on from the segment's name through every batch and into the next segment."""
    _segment(tmp_path, 0, (1, _body(b"a", b"b")), (2, _body(b"c")))
    _segment(tmp_path, 3, (3, _body(b"d", b"e")))
    reader = spool.SpoolReader.at_start(tmp_path)
    found = [(b.number, b.first_n, b.count) for b in reader.batches(spool.Acked(3, 5))]
    assert found == [(1, 0, 2), (2, 2, 1), (3, 3, 2)]
    assert reader.next_valid() is None
    again = spool.SpoolReader(tmp_path, reader.position)
    _segment(tmp_path, 3, (3, _body(b"d", b"e")), (4, _body(b"f")))
    grown = again.next_valid()
    assert grown is not None
    assert (grown.number, grown.first_n) == (4, 5)
    reader.close()
    again.close()


def test_a_reader_begins_at_the_segment_of_an_index(tmp_path: Path) -> None:
    """From an index inside the second segment nothing of the first is read."""
    _segment(tmp_path, 0, (1, _body(b"a")))
    _segment(tmp_path, 1, (2, _body(b"b", b"c")))
    reader = spool.SpoolReader.at_start(tmp_path, from_n=2)
    batch = reader.next_valid()
    assert batch is not None
    assert (batch.number, batch.first_n) == (2, 1)
    reader.close()


def test_a_damaged_acknowledged_batch_is_broken_evidence(tmp_path: Path) -> None:
    """A reader that is promised three batches and finds two says so."""
    _segment(tmp_path, 0, (1, _body(b"a")), (2, _body(b"b")))
    path = spool.segment_path(tmp_path, 0)
    data = bytearray(path.read_bytes())
    data[len(_body(b"a")) + 60] ^= 1
    path.write_bytes(data)
    reader = spool.SpoolReader.at_start(tmp_path)
    with pytest.raises(EvidenceBroken):
        list(reader.batches(spool.Acked(2, 2)))
    reader.close()


def test_the_cursor_survives_a_torn_slot(tmp_path: Path) -> None:
    """Damage of the newest slot leaves the one before it; damage of both is found."""
    spool.AckedCursor.create(tmp_path)
    cursor = spool.AckedCursor(tmp_path, writable=True)
    assert cursor.read() == spool.NOTHING_ACKED
    for number in range(1, 5):
        cursor.move(spool.Acked(number, number * 10))
        assert spool.read_acked(tmp_path) == spool.Acked(number, number * 10)
    cursor.sync()
    cursor.close()
    path = tmp_path / "acked"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    assert spool.read_acked(tmp_path) == spool.Acked(3, 30)
    data[35] ^= 1
    path.write_bytes(data)
    with pytest.raises(EvidenceBroken):
        spool.read_acked(tmp_path)
    path.unlink()
    with pytest.raises(EvidenceBroken):
        spool.read_acked(tmp_path)


def test_a_spool_has_one_owner(tmp_path: Path) -> None:
    """A second gateway on the same journal is refused, and may start when the first is gone."""
    lock = spool.SpoolLock(tmp_path)
    with pytest.raises(JournalUnavailable):
        spool.SpoolLock(tmp_path, wait_s=0)
    lock.release()
    spool.SpoolLock(tmp_path).release()
