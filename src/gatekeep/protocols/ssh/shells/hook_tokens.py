"""Tokens by which the hook proves itself, one after the other, and the replies that hand them over.

The key stays here; the shell only ever holds the present token.
"""

from __future__ import annotations

import hmac
from collections import deque
from typing import Final

_TOKEN_DIGITS: Final = 40
_REMEMBERED: Final = 16


class Tokens:
    """`current` is what the shell has; before the first reply it has none."""

    def __init__(self, key: bytes) -> None:
        self._key: Final = key
        self._serial = 0
        self.current = b""
        self._next = b""
        self._stale: deque[bytes] = deque(maxlen=_REMEMBERED)

    def reply(self, number: int, verdict: bytes, *, rotated: bool) -> bytes:
        """The answer to question `number`: y, n or c (withdrawn: the line is cleared).

        A reply that was never acknowledged had a token that is never used again.
        """
        if rotated:
            self._serial += 1
            derived = hmac.digest(self._key, b"gatekeep shell hook %d" % self._serial, "sha256")
            self._next = derived.hex()[:_TOKEN_DIGITS].encode()
        else:
            self._next = self.current
        return b"\x1b]7717;%d;%b;%b;%b\x07" % (number, self.current, verdict, self._next)

    def turn(self) -> None:
        """The shell has the next one."""
        self._stale.append(self.current)
        self.current = self._next

    def is_current(self, token: bytes) -> bool:
        """Whether it is the present one."""
        return _same(token, self.current)

    def is_next(self, token: bytes) -> bool:
        """Whether it is the one that the last reply handed over."""
        return _same(token, self._next)

    def is_stale(self, token: bytes) -> bool:
        """Whether it was good a while ago."""
        return any(_same(token, old) for old in self._stale)


def _same(one: bytes, other: bytes) -> bool:
    return bool(other) and hmac.compare_digest(one, other)
