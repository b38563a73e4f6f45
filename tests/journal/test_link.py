"""The link to the writer: what the socket will not take at once is neither lost nor doubled."""

from __future__ import annotations

import asyncio
import socket
import threading

from gatekeep.journal.frames import HEADER_BYTES, parse_header
from gatekeep.journal.link import WriterLink
from gatekeep.journal.writer import ACKED, ANSWER, BATCH, REQUEST


class _SlowReader:
    """The other end: reads only once it is let, then whole requests, and answers each."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.go = threading.Event()
        self.bodies: list[bytes] = []

    def run(self) -> None:
        self.go.wait(20)
        with self._link.makefile("rb") as lines:
            while raw := lines.read(REQUEST.size):
                kind, length, count = REQUEST.unpack(raw)
                frame = lines.read(length)
                header = parse_header(frame)
                assert header is not None
                assert (kind, count) == (BATCH, 3)
                assert header.fits(frame[HEADER_BYTES:])
                self.bodies.append(frame[HEADER_BYTES:])
                self._link.sendall(ANSWER.pack(ACKED, header.number, 0))
        self._link.close()


async def test_batches_larger_than_the_socket_arrive_whole_and_in_order() -> None:
    """Sent without waiting, far more than the buffers hold; each arrives once and is answered."""
    ours, theirs = socket.socketpair()
    reader = _SlowReader(theirs)
    thread = threading.Thread(target=reader.run)
    thread.start()
    link = WriterLink(ours)
    heard: list[tuple[bytes, int, int]] = []
    lost: list[bool] = []
    link.start(lambda *answer: heard.append(answer), lambda: lost.append(True))
    bodies = [bytes([number]) * (700_000 + number) for number in range(1, 8)]
    for number, body in enumerate(bodies, 1):
        link.send_batch(number, body, 3, closing=False)
    reader.go.set()
    await link.finish()
    await asyncio.to_thread(thread.join)
    assert reader.bodies == bodies
    assert heard == [(ACKED, number, 0) for number in range(1, 8)]
    assert not lost


async def test_a_lost_writer_is_told_once() -> None:
    """However many sends fail after it; nothing is kept for a writer that is gone."""
    ours, theirs = socket.socketpair()
    link = WriterLink(ours)
    lost = asyncio.Event()
    told: list[bool] = []

    def on_lost() -> None:
        told.append(True)
        lost.set()

    link.start(lambda *_: None, on_lost)
    theirs.close()
    for number in range(1, 4):
        link.send_batch(number, b"body", 1, closing=False)
    await lost.wait()
    link.send_batch(4, b"body", 1, closing=False)
    await link.finish()
    assert told == [True]
