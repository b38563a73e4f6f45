"""Turns bytes into choices, so that any engine that makes bytes can drive a structured fuzz target.

Zeros are the plainest choice everywhere, and bytes that ran out are zeros: a shorter input is a
simpler one, which is what shrinking wants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_BYTE = 256


class Draw:
    """Reads choices off `data`, front to back."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def spent(self) -> bool:
        """Whether every further choice is the plainest one."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """0 to 255."""
        at = self._at
        if at >= len(self._data):
            return 0
        self._at = at + 1
        return self._data[at]

    def below(self, count: int) -> int:
        """0 to `count` - 1."""
        if count <= _BYTE:
            return self.byte() % count
        return int.from_bytes(self.take(4), "big") % count

    def chance(self, one_in: int) -> bool:
        """True in one of so many cases; never when the bytes ran out."""
        return self.byte() % one_in == one_in - 1

    def choice(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]

    def take(self, size: int) -> bytes:
        """The next bytes as they are, filled up with zeros."""
        piece = self._data[self._at : self._at + size]
        self._at += size
        return piece if len(piece) == size else piece.ljust(size, b"\0")

    def some(self, most: int) -> bytes:
        """Up to `most` bytes as they are."""
        return self.take(self.below(most + 1))

    def times(self, most: int) -> Iterator[int]:
        """Count up to `most` times, and stop early when the bytes ran out."""
        for count in range(self.below(most) + 1):
            if count and self.spent:
                return
            yield count

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The same bytes cut anywhere: whole, byte by byte, or at places of its own."""
        way = self.below(4)
        if way == 0:
            yield data
        elif way == 1:
            for at in range(len(data)):
                yield data[at : at + 1]
        else:
            longest = 12 if way == 2 else 200
            at = 0
            while at < len(data):
                size = 1 + self.below(longest)
                yield data[at : at + size]
                at += size

    def damaged(self, data: bytes) -> bytes:
        """The same with one byte changed, left out or put in, a piece repeated or an end cut off."""
        if not data:
            return self.some(20)
        at, way = self.below(len(data)), self.below(5)
        if way == 0:
            return data[:at] + bytes([self.byte()]) + data[at + 1 :]
        if way == 1:
            return data[:at] + data[at + 1 :]
        if way == 2:
            return data[:at] + self.some(8) + data[at:]
        if way == 3:
            return data[:at] + data[at : at + 1 + self.below(20)] + data[at:]
        return data[:at]
