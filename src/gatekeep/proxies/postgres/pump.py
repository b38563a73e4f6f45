"""One end of a wire: bytes in, bytes out, back-pressure both ways. Knows nothing of messages.

An asyncio.Protocol and no stream: no task per read, and no future while bytes are at hand.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import Final, cast

from gatekeep.proxies.postgres.tls_bytes import TlsBytes
from gatekeep.proxies.postgres.tls_bytes import TlsInfo as TlsInfo  # noqa: PLC0414 - part of a wire

HIGH_WATER: Final = 64 * 1024
"""Bytes held for a reader above which the peer is not read, and sent bytes that congest."""

LINGER_S: Final = 5.0
LINGER_BYTES: Final = 16 * 1024 * 1024
"""How long, and for how much that it still sends, a peer is listened to after our last word."""

_LEFT: Final[int] = getattr(select, "POLLRDHUP", 0)


class WireEnd(asyncio.Protocol):
    """The gateway's end of one connection; at most one reader and one drainer at a time.

    `congested` is true while the peer does not take what was written: `drain()` then waits. With
    `may_hold` above 0 a peer that sends more than so many bytes unread has `overrun`: all of it is
    dropped, and nothing more is read. `on_gone` is told when the peer sends no more, also while
    nobody reads. `tls_fault` is the fault of TLS that ended it, such as an alert.
    """

    __slots__ = (
        "__weakref__", "_chunks", "_closing", "_discarded", "_drained", "_ended", "_gone", "_held",
        "_loop", "_lost", "_paused", "_peer_done", "_reader", "_shaken", "_timer", "_tls",
        "_transport", "congested", "may_hold", "on_gone", "overrun", "tls_fault",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: TlsBytes | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._discarded = 0
        self._paused = False
        self._ended = False  # nothing more to read
        self._peer_done = False  # nothing more will come
        self._closing = False
        self._lost = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._shaken: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.congested = False
        self.may_hold = 0
        self.on_gone: Callable[[], None] | None = None
        self.overrun = False
        self.tls_fault: ssl.SSLError | None = None

    # called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection exists."""
        made = cast("asyncio.Transport", transport)
        made.set_write_buffer_limits(high=HIGH_WATER)
        self._transport = made

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: hold them for the reader, and stop reading the peer if they are many.

        A reader who waits takes them in this turn of the loop, however many one read brought: to
        stop and start for that would cost two system calls each time.
        """
        if self._closing or self.overrun:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.abort()
            return
        if self._tls is not None:
            data = self._decrypted(self._tls, data)
            if not data:
                return
        self._chunks.append(data)
        self._held += len(data)
        if 0 < self.may_hold < self._held:
            self.overrun = True
            self._chunks.clear()
            self._release()
            self._end_of_input(ConnectionAbortedError("too much before the hand-shake"))
            return
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)
        elif self._held > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more; the wire stays open for what it still wants to read."""
        self._peer_done = True
        self._end_of_input(ConnectionResetError("the peer left during the hand-shake"))
        return not self._closing

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reader sees the end
        """The connection is gone."""
        self._peer_done = self._lost = True
        self.congested = False
        self._end_of_input(ConnectionResetError("the peer is gone"))
        _settle(self._drained)
        _settle(self._gone)
        if self._timer is not None:
            self._timer.cancel()

    def pause_writing(self) -> None:
        """The peer takes bytes more slowly than they are written."""
        self.congested = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.congested = False
        _settle(self._drained)

    # called by the proxy

    async def read(self) -> bytes:
        """Whatever has arrived, at once if there is anything; empty at the end of the stream."""
        while not self._chunks:
            if self._ended:
                return b""
            # as `_arrival`, without a coroutine more for each read
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._release()
        return data

    async def read_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes; what came behind them stays for the next read.

        Raises asyncio.IncompleteReadError, with what there is, at the end of the stream.
        """
        while self._held < count:
            if self._ended:
                raise asyncio.IncompleteReadError(b"".join(self._chunks), count)
            await self._arrival()
        data = b"".join(self._chunks)
        rest = data[count:]
        self._chunks[:] = [rest] if rest else []
        self._release(len(rest))
        return data[:count]

    def unread(self, data: bytes) -> None:
        """Give back bytes that were read and belong to the next reader."""
        if data:
            self._chunks.insert(0, data)
            self._held += len(data)

    @property
    def held(self) -> int:
        """Bytes that have arrived and were not read."""
        return self._held

    @property
    def ended(self) -> bool:
        """Whether the peer sends no more."""
        return self._ended

    def has_left(self) -> bool:
        """Whether the peer sends no more, asked of the kernel: also while it is not read.

        One system call; where there is no POLLRDHUP (it is Linux's) only `ended` tells.
        """
        transport = self._transport
        if self._ended or transport is None:
            return self._ended
        held = transport.get_extra_info("socket")
        if held is None or not _LEFT or held.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(held.fileno(), _LEFT)
        return bool(poll.poll(0))

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        transport = self._transport
        return self._closing or self._lost or transport is None or transport.is_closing()

    @property
    def tls(self) -> TlsInfo | None:
        """What protects this wire, None if nothing does (yet)."""
        return None if self._tls is None else self._tls.agreed

    def write(self, data: bytes) -> None:
        """Send bytes, in order; on a wire that is closed, or not agreed yet, they are dropped."""
        transport = self._transport
        if data and transport is not None and not self._lost and not self._closing:
            if self._tls is not None:
                data = self._tls.encrypt(data)
                if not data:
                    return
            transport.write(data)

    async def drain(self) -> None:
        """Wait while the peer is slower than what is written; returns too when it is gone."""
        if self.congested:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    def expect_tls(self, context: ssl.SSLContext, *, server_side: bool, name: str | None) -> None:
        """From here on all bytes are TLS. `name` is the peer's, for SNI and verification.

        Raises ConnectionError if bytes are held that came unprotected (they would be taken for
        protected ones).
        """
        if self._held:
            raise ConnectionAbortedError("bytes before the hand-shake")
        self._tls = TlsBytes(context, server_side=server_side, name=name)
        self._shaken = self._loop.create_future()

    async def tls_agreed(self, *, limit_s: float) -> None:
        """Wait for the hand-shake that `expect_tls` began.

        Raises OSError or ssl.SSLError if it fails or takes longer; the peer is told by an alert.
        """
        shaken = self._shaken
        if shaken is None:
            return
        late = self._loop.call_later(
            limit_s, _fail, shaken, ConnectionAbortedError("the hand-shake took too long")
        )
        try:
            await shaken
        except ssl.SSLError:
            self.take_leave()
            raise
        except BaseException:
            self.abort()
            raise
        finally:
            late.cancel()
            self._shaken = None

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, name: str | None, limit_s: float
    ) -> None:
        """Encrypt this wire from here on, see `expect_tls`.

        Call it without anything awaited since the peer's last bytes were read.
        """
        if self._transport is None or self._ended:
            raise ConnectionResetError("the peer is gone")
        self.expect_tls(context, server_side=server_side, name=name)
        if not server_side and self._tls is not None:
            self._tls.shake()
            self._send_tls(self._tls)
        await self.tls_agreed(limit_s=limit_s)

    def close(self) -> None:
        """Send what was written, then close; a peer that does not take it is cut off after 5 s.

        With input that nobody has read the kernel resets the connection, and the peer may lose
        our last words: for a peer that must read them there is `take_leave`.
        """
        transport = self._transport
        if transport is None or self._lost or transport.is_closing():
            return
        self._say_no_more(transport)
        transport.close()

    def take_leave(self) -> None:
        """Say no more, and be gone once the peer has taken what was written.

        The end is announced, and what the peer sends until it leaves is read and thrown away,
        within LINGER_S and LINGER_BYTES; then it is cut off.
        """
        transport = self._transport
        if transport is None or self._lost or self._closing or transport.is_closing():
            return
        self._say_no_more(transport)
        if self._peer_done or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:  # the peer is gone, and the loop has not noticed yet
            transport.abort()

    async def finish(self) -> None:
        """Take leave, and wait until the connection is gone."""
        self.take_leave()
        if self._transport is not None and not self._lost:
            self._gone = self._loop.create_future()
            await self._gone

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None and not self._lost:
            self._transport.abort()

    # inside

    def _decrypted(self, tls: TlsBytes, data: bytes) -> bytes:
        """What bytes of TLS hold for the reader; their faults end the wire."""
        try:
            if tls.agreed is None:
                done = tls.shake(data)
                self._send_tls(tls)
                if not done:
                    return b""
                _settle(self._shaken)
                data = b""
            plain = tls.decrypt(data)
        except ssl.SSLError as error:
            self.tls_fault = error
            self._send_tls(tls)
            self._end_of_input(error)
            return b""
        self._send_tls(tls)
        if tls.ended:
            self._end_of_input(ConnectionResetError("the peer has closed TLS"))
        return plain

    def _send_tls(self, tls: TlsBytes) -> None:
        made = tls.outgoing()
        if made and self._transport is not None and not self._lost:
            self._transport.write(made)

    def _end_of_input(self, error: Exception) -> None:
        """Nothing more can be read; `error` is for who waits for a hand-shake."""
        self._ended = True
        if self.on_gone is not None:
            self.on_gone()
        _settle(self._reader)
        if self._shaken is not None:
            _fail(self._shaken, error)

    def _say_no_more(self, transport: asyncio.Transport) -> None:
        """The last bytes of ours; what is held or still comes in is for nobody."""
        if self._closing:
            return
        if self._tls is not None:
            transport.write(self._tls.farewell())
        self._closing = True
        self._chunks.clear()
        self._release()
        self._end_of_input(ConnectionAbortedError("closed"))
        self._timer = self._loop.call_later(LINGER_S, self._cut)

    def _cut(self) -> None:
        if not self._lost:
            self.abort()

    async def _arrival(self) -> None:
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _release(self, held: int = 0) -> None:
        self._held = held
        if self._paused and held <= HIGH_WATER:
            self._paused = False
            if self._transport is not None and not self._lost:
                self._transport.resume_reading()


def _settle(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
