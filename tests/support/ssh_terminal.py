"""A person at a terminal: a program of this machine in a pty that a test types into and reads.

The size of the window is the pty's; nothing here knows SSH.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

from support.ssh_journey import environment

LIMIT_S = 30


class Terminal:
    """A running program with a pty.

    `seen` is all that it showed so far; `moments` says how much of it was seen by when
    (nanoseconds since the epoch).
    """

    def __init__(self, command: list[str], rows: int = 24, columns: int = 80) -> None:
        self._ours, theirs = os.openpty()
        self._size(theirs, rows, columns)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**environment(), "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        self.seen = b""
        self.moments: list[tuple[int, int]] = []
        self._read_to = 0

    def type(self, text: bytes) -> None:
        """Press these keys."""
        while text:
            text = text[os.write(self._ours, text) :]

    def resize(self, rows: int, columns: int) -> None:
        """Pull at the window's corner."""
        self._size(self._ours, rows, columns)
        self.process.send_signal(signal.SIGWINCH)

    def until(self, pattern: bytes, limit_s: float = LIMIT_S) -> re.Match[bytes]:
        """Read until something new matches; what stands before it counts as read."""
        deadline = time.monotonic() + limit_s
        while not (found := re.search(pattern, self.seen[self._read_to :])):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not appear in {self.seen!r}"
            assert self._more(left), f"it ended before {pattern!r}: {self.seen!r}"
        self._read_to += found.end()
        return found

    def press_until(self, keys: bytes, pattern: bytes, limit_s: float = LIMIT_S) -> None:
        """Type it, once a second, until something new matches.

        Whoever shows a prompt and is interrupted before he reads misses the signal.
        """
        deadline = time.monotonic() + limit_s
        while not (found := re.search(pattern, self.seen[self._read_to :])):
            assert time.monotonic() < deadline, f"{pattern!r} did not appear in {self.seen!r}"
            self.type(keys)
            pause = time.monotonic() + 1.0
            while time.monotonic() < pause and not re.search(pattern, self.seen[self._read_to :]):
                assert self._more(max(0.0, pause - time.monotonic())), f"it ended: {self.seen!r}"
        self._read_to += found.end()

    def end(self, limit_s: float = LIMIT_S) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + limit_s
        while self._more(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"it did not end: {self.seen!r}"
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def seen_at_ns(self, place: int) -> int:
        """When the byte at that place of `seen` was seen, nanoseconds since the epoch."""
        return next(moment for length, moment in self.moments if place < length)

    def close(self) -> None:
        """Take the terminal away."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1
        self.process.kill()
        self.process.wait(LIMIT_S)

    def _more(self, limit_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], limit_s)
        if not ready:
            return True
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            chunk = os.read(self._ours, 65536)
            self.seen += chunk
            self.moments.append((len(self.seen), time.time_ns()))
            return bool(chunk)
        return False

    @staticmethod
    def _size(descriptor: int, rows: int, columns: int) -> None:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextlib.contextmanager
def terminal(command: list[str], rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """A terminal that goes away at the end."""
    opened = Terminal(command, rows, columns)
    try:
        yield opened
    finally:
        opened.close()
