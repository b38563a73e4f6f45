"""The disk seam: whole writes and durable renames on the real file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.journal.disk import Disk


def test_what_is_written_is_there(tmp_path: Path) -> None:
    """At its offset, whole, also through a view; a rename moves the name."""
    disk = Disk()
    handle = disk.open(tmp_path / "a", create=True)
    disk.allocate(handle, 8192)
    disk.write(handle, b"first", 0)
    disk.write(handle, memoryview(bytearray(b"second")), 100)
    disk.sync_data(handle)
    disk.close(handle)
    disk.rename(tmp_path / "a", tmp_path / "b")
    data = (tmp_path / "b").read_bytes()
    assert (len(data), data[:5], data[100:106]) == (8192, b"first", b"second")
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """Only `create` makes files."""
    with pytest.raises(FileNotFoundError):
        Disk().open(tmp_path / "none")
