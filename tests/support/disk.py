"""A disk that fails or stalls on demand: the real one underneath."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from gatekeep.journal.disk import Disk


class FaultyDisk(Disk):
    """`fail(operation, number)` makes the next calls fail; `heal` ends it.

    While `stalled` is set, syncs of written batches wait until `go` is set. `space` limits what
    may still be allocated. `calls` lists the operations, in order.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.space: int | None = None
        self.stalled = False
        self.go = threading.Event()
        self._failing: dict[str, int] = {}

    def fail(self, operation: str, number: int) -> None:
        """From now on `operation` raises OSError with this errno."""
        self._failing[operation] = number

    def heal(self) -> None:
        """Nothing fails any more."""
        self._failing.clear()
        self.space = None

    def open(self, path: Path, *, create: bool = False) -> int:
        """Open, or fail."""
        self._check("open")
        return super().open(path, create=create)

    def allocate(self, handle: int, length: int) -> None:
        """Reserve blocks as far as `space` goes."""
        self._check("allocate")
        if self.space is not None:
            if length > self.space:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.space -= length
        super().allocate(handle, length)

    def write(self, handle: int, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write, or fail after half of it."""
        if "write" in self._failing:
            super().write(handle, data[: len(data) // 2], offset)
        self._check("write")
        super().write(handle, data, offset)

    def sync_data(self, handle: int) -> None:
        """Sync, or stall, or fail."""
        if self.stalled:
            self.go.wait(20)
        self._check("sync")
        super().sync_data(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename, or fail."""
        self._check("rename")
        super().rename(old, new)

    def _check(self, operation: str) -> None:
        self.calls.append(operation)
        number = self._failing.get(operation)
        if number is not None:
            raise OSError(number, os.strerror(number))
