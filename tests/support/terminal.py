"""Runs the command line on a real terminal of its own, as a person would; everything it wrote."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

LIMIT_S = 60.0


def on_terminal(
    state: Path,
    *arguments: str,
    keys: tuple[tuple[str, bytes], ...] = (),
    size: tuple[int, int] = (80, 24),
) -> tuple[int, str]:
    """Exit code and all that reached the terminal.

    `keys` are pressed in order, each once its text has appeared since the one before.
    """
    columns, rows = size
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEKEEP_")}
    environment |= {"GATEKEEP_STATE_DIR": str(state), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    child = subprocess.Popen(
        [sys.executable, "-m", "gatekeep.cli.main", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        written = _read(ours, child, list(keys))
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    return child.returncode, written.decode("utf-8", "surrogateescape")


def _read(ours: int, child: subprocess.Popen[bytes], keys: list[tuple[str, bytes]]) -> bytes:
    written, seen = b"", 0
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.1)
        if ready:
            try:
                part = os.read(ours, 65536)
            except OSError:
                child.wait(10)
                return written
            written += part
            while keys and keys[0][0].encode() in written[seen:]:
                seen = len(written)
                os.write(ours, keys.pop(0)[1])
    raise AssertionError(f"did not end; wrote {written[-500:]!r}")
