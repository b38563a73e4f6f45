"""The writer process: takes batches from a socket, makes each durable, answers with its number.

Standard library only, single-threaded, and nothing else: no keys, no JSON, no network. It ends
when the socket ends (it then lets go of its share of the spool's lock) or when the disk fails.
"""

from __future__ import annotations

import argparse
import errno
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path

from gatekeep.journal.disk import Disk
from gatekeep.journal.frames import parse_header
from gatekeep.journal.segments import RESERVE_BYTES, SegmentFull, Segments, Sizes
from gatekeep.journal.spool import (
    OPEN_NAME,
    SEGMENT_BYTES,
    Acked,
    AckedCursor,
    Position,
)

# towards the writer: kind · length of what follows · number of events
REQUEST = struct.Struct(">cII")
BATCH, CLOSING, SNAPSHOT = b"B", b"C", b"S"
# from the writer: kind · number (of a batch, or an event index) · errno
ANSWER = struct.Struct(">cQI")
ACKED, FULL, DEAD, ACCEPTING, NOT_ACCEPTING, ROLLED = b"A", b"F", b"D", b"Y", b"N", b"R"

_RECEIVE_BYTES = 1 << 18
_RETRY_MS = 1000
_EXIT_DEAD = 74


class Writer:
    """The loop. `run` returns the process's exit status."""

    def __init__(
        self, link: socket.socket, spool: Path, position: Position, sizes: Sizes, disk: Disk
    ) -> None:
        self._link = link
        self._spool = spool
        self._disk = disk
        self._segments = Segments(spool, position, sizes, disk)
        self._cursor = AckedCursor(spool, writable=True)
        self._waiting = bytearray()
        self._told_blocked = False
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def run(self) -> int:
        """Serve until the other side closes the link (0) or the disk fails (74)."""
        try:
            self._answer(ACCEPTING, 0)
            while self._receive():
                self._serve()
        except OSError as error:
            return self._die(error)
        finally:
            self._cursor.close()
            self._segments.close()
            self._link.close()
        return 0

    def _receive(self) -> bool:
        """Wait for bytes, preparing spares while there are none. False at the end."""
        segments = self._segments
        while segments.preparing:
            if self._poll.poll(_RETRY_MS if segments.stalled else 0):
                break
            segments.prepare()
            self._tell_blocked()
        try:
            received = self._link.recv(_RECEIVE_BYTES)
        except ConnectionError:
            return False
        self._waiting += received
        return bool(received)

    def _serve(self) -> None:
        """Every whole request received so far."""
        waiting, size = self._waiting, REQUEST.size
        start = 0
        with memoryview(waiting) as view:
            while start + size <= len(waiting):
                kind, length, count = REQUEST.unpack_from(waiting, start)
                end = start + size + length
                if end > len(waiting):
                    break
                with view[start + size : end] as content:
                    self._take(kind, content, count)
                start = end
        del waiting[:start]

    def _take(self, kind: bytes, content: memoryview, count: int) -> None:
        if kind == SNAPSHOT:
            self._keep_snapshot(content)
            return
        header = parse_header(content)
        expected = self._segments.position.next_batch
        if header is None or header.number != expected:
            # sent before the sender learnt that an earlier batch was refused
            self._answer(FULL, header.number if header else 0)
            return
        try:
            self._segments.append(content, count, closing=kind == CLOSING)
        except SegmentFull:
            self._tell_blocked()
            self._answer(FULL, expected)
            return
        position = self._segments.position
        self._cursor.move(Acked(expected, position.next_n))
        self._answer(ACKED, expected)
        self._after_answer()

    def _after_answer(self) -> None:
        segments = self._segments
        if segments.rolled:
            segments.rolled = False
            self._answer(ROLLED, segments.position.segment)
        if segments.behind and not segments.stalled:
            segments.prepare()
            self._tell_blocked()

    def _keep_snapshot(self, content: memoryview) -> None:
        """Write the list of what is open; without space the older one stays, and serves too."""
        fresh = self._spool / f"{OPEN_NAME}.tmp"
        try:
            handle = self._disk.open(fresh, create=True)
            try:
                self._disk.write(handle, content, 0)
                self._disk.sync_data(handle)
            finally:
                self._disk.close(handle)
            self._disk.rename(fresh, self._spool / OPEN_NAME)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def _tell_blocked(self) -> None:
        blocked = self._segments.blocked
        if blocked != self._told_blocked:
            self._told_blocked = blocked
            self._answer(NOT_ACCEPTING if blocked else ACCEPTING, 0, errno.ENOSPC if blocked else 0)

    def _answer(self, kind: bytes, number: int, value: int = 0) -> None:
        try:
            self._link.sendall(ANSWER.pack(kind, number, value))
        except ConnectionError:
            return  # the gateway is gone; the next receive ends the loop

    def _die(self, error: OSError) -> int:
        """The disk failed: say so and end. Nothing is tried again."""
        self._answer(DEAD, self._segments.position.next_batch, error.errno or errno.EIO)
        return _EXIT_DEAD


def main(arguments: list[str] | None = None) -> int:
    """The process: `--fd` is its end of the socket pair, `--lock-fd` its share of the lock."""
    parser = argparse.ArgumentParser(prog="gatekeep-journal-writer")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--lock-fd", type=int, required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--position", required=True, help="segment:offset:next event:next batch")
    parser.add_argument("--segment-bytes", type=int, default=SEGMENT_BYTES)
    parser.add_argument("--reserve-bytes", type=int, default=RESERVE_BYTES)
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its gateway does, never before
    position = Position(*(int(part) for part in chosen.position.split(":")))
    sizes = Sizes(segment=chosen.segment_bytes, reserve=chosen.reserve_bytes)
    link = socket.socket(fileno=chosen.fd)
    status = Writer(link, chosen.spool, position, sizes, Disk()).run()
    os.close(chosen.lock_fd)
    return status


if __name__ == "__main__":
    sys.exit(main())
