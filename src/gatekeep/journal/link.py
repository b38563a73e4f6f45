"""The gateway's end of the socket to the writer: whole requests out, answers in, no thread.

Knows the wire between the two and nothing of events.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gatekeep.errors import JournalUnavailable
from gatekeep.journal.frames import encode_header
from gatekeep.journal.segments import Sizes
from gatekeep.journal.spool import Position, SpoolLock
from gatekeep.journal.writer import ANSWER, BATCH, CLOSING, REQUEST, SNAPSHOT

_RECEIVE_BYTES = 4096
_SEND_BUFFER_BYTES = 1 << 20
_EXIT_SECONDS = 10

OnAnswer = Callable[[bytes, int, int], None]
OnLost = Callable[[], None]


class WriterLink:
    """Sends batches and hears what became of them. `process` is None where a test runs the loop."""

    def __init__(
        self,
        link: socket.socket,
        process: subprocess.Popen[bytes] | None = None,
        lock: SpoolLock | None = None,
    ) -> None:
        link.setblocking(False)  # noqa: FBT003 - the socket's own signature
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._link = link
        self._process = process
        self._lock = lock
        self._unsent = bytearray()
        self._heard = b""
        self._lost = False
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._on_answer: OnAnswer | None = None
        self._on_lost: OnLost | None = None

    @property
    def pid(self) -> int:
        """The writer's process id; 0 without a process."""
        return self._process.pid if self._process is not None else 0

    def start(self, on_answer: OnAnswer, on_lost: OnLost) -> None:
        """Begin to hear answers: kind, number, errno. `on_lost` is called once at the end."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._on_answer, self._on_lost = on_answer, on_lost
        self._loop.add_reader(self._link.fileno(), self._readable)

    def send_batch(self, number: int, body: bytes, count: int, *, closing: bool) -> None:
        """Send one batch, whole or buffered; never partly lost, never twice."""
        header = encode_header(number, body)
        kind = CLOSING if closing else BATCH
        self._send(REQUEST.pack(kind, len(header) + len(body), count) + header, body)

    def send_snapshot(self, content: bytes) -> None:
        """Have the list of what is open written."""
        self._send(REQUEST.pack(SNAPSHOT, len(content), 0), content)

    async def finish(self) -> None:
        """Send what is left, end the writer, and wait until it has let go of the spool."""
        self._ending = True
        if not self._unsent:
            self._shut()
        if self._ended is not None:
            await asyncio.wait([self._ended], timeout=_EXIT_SECONDS)
        self._lose()
        if self._process is not None:
            await asyncio.to_thread(_reap, self._process)
        self._link.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _send(self, head: bytes, body: bytes) -> None:
        if self._lost or self._loop is None:
            return
        if self._unsent:
            self._unsent += head
            self._unsent += body
            return
        total = len(head) + len(body)
        try:
            sent = self._link.sendmsg((head, body))
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._lose()
            return
        if sent < total:
            self._unsent += (head + body)[sent:]
            self._loop.add_writer(self._link.fileno(), self._writable)

    def _writable(self) -> None:
        try:
            sent = self._link.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        del self._unsent[:sent]
        if not self._unsent and self._loop is not None:
            self._loop.remove_writer(self._link.fileno())
            if self._ending:
                self._shut()

    def _readable(self) -> None:
        try:
            received = self._link.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        heard = self._heard + received if self._heard else received
        whole = len(heard) - len(heard) % ANSWER.size
        self._heard = heard[whole:]
        for kind, number, value in ANSWER.iter_unpack(heard[:whole]):
            if self._on_answer is not None:
                self._on_answer(kind, number, value)
        if not received:
            self._lose()

    def _lose(self) -> None:
        if self._lost:
            return
        self._lost = True
        if self._loop is not None:
            self._loop.remove_reader(self._link.fileno())
            self._loop.remove_writer(self._link.fileno())
        self._unsent.clear()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if not self._ending and self._on_lost is not None:
            self._on_lost()

    def _shut(self) -> None:
        try:
            self._link.shutdown(socket.SHUT_WR)
        except OSError:
            self._lose()


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # it hangs in a system call: the kill waits there too, we do not
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)


def start_writer(spool: Path, lock: SpoolLock, position: Position, sizes: Sizes) -> WriterLink:
    """Start the writer process on a recovered spool; it inherits a share of the lock.

    Raises JournalUnavailable if it cannot be started.
    """
    ours, theirs = socket.socketpair()
    where = f"{position.segment}:{position.offset}:{position.next_n}:{position.next_batch}"
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell, no foreign words
            [
                sys.executable,
                "-m",
                "gatekeep.journal.writer",
                "--fd",
                str(theirs.fileno()),
                "--lock-fd",
                str(lock.handle),
                "--spool",
                str(spool),
                "--position",
                where,
                "--segment-bytes",
                str(sizes.segment),
                "--reserve-bytes",
                str(sizes.reserve),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), lock.handle),
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise JournalUnavailable(
            "the journal's writer cannot be started", cause=str(error), fatal=True
        ) from error
    finally:
        theirs.close()
    return WriterLink(ours, process, lock)
