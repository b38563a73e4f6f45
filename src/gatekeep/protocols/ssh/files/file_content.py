"""What went over one file in one direction: counted, and hashed as far as it went in order.

A file that is read or written from its beginning without a gap has one SHA-256. Everything else is
a bounded list of runs (offset, bytes, SHA-256), and called sparse. The bytes are not kept.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

_MOST_RANGES: Final = 256


class Content:
    """Counts and hashes of what was read, or of what was written.

    `appends`: the other side puts everything at a file's end, wherever that is.
    """

    __slots__ = ("_appends", "_hash", "_left_out", "_next", "_ranges", "_start", "bytes")

    def __init__(self, *, appends: bool = False) -> None:
        self.bytes = 0
        self._appends = appends
        self._hash = hashlib.sha256()
        self._start = 0
        self._next = 0
        self._ranges: list[tuple[int, int, str]] = []
        self._left_out = 0

    def take(self, offset: int, data: memoryview | bytes) -> None:
        """The bytes that stand at `offset`."""
        if not data:
            return
        if self._appends:
            offset = self._next
        if offset != self._next:
            self._end_run()
            self._start = offset
        self._hash.update(data)
        self.bytes += len(data)
        self._next = offset + len(data)

    def append(self, data: memoryview | bytes) -> None:
        """The bytes behind those before."""
        self.take(self._next, data)

    def _end_run(self) -> None:
        if self._next == self._start:
            return
        if len(self._ranges) < _MOST_RANGES:
            self._ranges.append((self._start, self._next - self._start, self._hash.hexdigest()))
        else:
            self._left_out += 1
        self._hash = hashlib.sha256()

    def summary(self) -> dict[str, Any]:
        """For an event: `bytes` with `sha256`, or with `sparse`, `ranges` and `ranges_left_out`.

        `appended` says that the hash is of what went behind a file's bytes.
        """
        if self._appends:
            return {"bytes": self.bytes, "appended": True, "sha256": self._hash.hexdigest()}
        if not self._ranges and not self._start:
            return {"bytes": self.bytes, "sha256": self._hash.hexdigest()}
        runs = [*self._ranges, (self._start, self._next - self._start, self._hash.hexdigest())]
        shown = [{"offset": at, "bytes": length, "sha256": digest} for at, length, digest in runs]
        return {
            "bytes": self.bytes,
            "sparse": True,
            "ranges": shown[:_MOST_RANGES],
            "ranges_left_out": self._left_out + max(0, len(shown) - _MOST_RANGES),
        }
