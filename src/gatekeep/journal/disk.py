"""The few file operations of the writer, in one seam, so that tests can make each of them fail.

Standard library only. Nothing is retried here: after a failed fsync the kernel may call lost
pages clean.
"""

from __future__ import annotations

import os
from pathlib import Path

from gatekeep.journal.spool import sync_directory


class Disk:
    """The machine's file system. Every method raises OSError as the system reports it."""

    def open(self, path: Path, *, create: bool = False) -> int:
        """Open for reading and writing; with `create`, empty."""
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            flags |= os.O_CREAT | os.O_TRUNC
        return os.open(path, flags, 0o600)

    def allocate(self, handle: int, length: int) -> None:
        """Reserve blocks, so that a lack of space shows now and not at a write."""
        os.posix_fallocate(handle, 0, length)

    def write(self, handle: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all of `data` at `offset`."""
        written = os.pwrite(handle, data, offset)
        while written < len(data):
            written += os.pwrite(handle, memoryview(data)[written:], offset + written)

    def sync_data(self, handle: int) -> None:
        """Make the data durable (fdatasync)."""
        os.fdatasync(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename, durably."""
        old.rename(new)
        sync_directory(new.parent)

    def close(self, handle: int) -> None:
        """Close."""
        os.close(handle)
