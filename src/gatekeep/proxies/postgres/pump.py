"""One end of a wire: bytes in, bytes out, back-pressure both ways. Knows nothing of messages.

An asyncio.Protocol and no stream: no task per read, and no future while bytes are at hand.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final, cast

HIGH_WATER: Final = 64 * 1024
"""Bytes held for a reader above which the peer is not read, and sent bytes that congest."""

_LINGER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was agreed on an encrypted wire. `peer_certificate` is DER, empty if none was sent."""

    version: str
    cipher: str
    alpn: str
    peer_certificate: bytes = b""


class WireEnd(asyncio.Protocol):
    """The gateway's end of one connection; at most one reader and one drainer at a time.

    `congested` is true while the peer does not take what was written: `drain()` then waits.
    """

    __slots__ = (
        "__weakref__", "_chunks", "_drained", "_ended", "_held", "_loop", "_lost", "_paused",
        "_reader", "_transport", "congested",
    )  # fmt: skip

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._paused = False
        self._ended = False
        self._lost = False
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.congested = False

    # called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection exists."""
        self._take_transport(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: hold them for the reader, and stop reading the peer if they are many."""
        self._chunks.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def eof_received(self) -> bool:
        """The peer sends no more; a plain wire stays open for what it still wants to read."""
        self._ended = True
        self._wake()
        return self.tls is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reader sees the end
        """The connection is gone."""
        self._ended = self._lost = True
        self.congested = False
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        """The peer takes bytes more slowly than they are written."""
        self.congested = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.congested = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # called by the proxy

    async def read(self) -> bytes:
        """Whatever has arrived, at once if there is anything; empty at the end of the stream."""
        while not self._chunks:
            if self._ended:
                return b""
            await self._arrival()
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

    @property
    def held(self) -> int:
        """Bytes that have arrived and were not read."""
        return self._held

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._lost or self._transport is None or self._transport.is_closing()

    @property
    def tls(self) -> TlsInfo | None:
        """What protects this wire, None if nothing does."""
        held = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        if held is None:
            return None
        cipher = held.cipher()
        return TlsInfo(
            held.version() or "",
            cipher[0] if cipher else "",
            held.selected_alpn_protocol() or "",
            held.getpeercert(binary_form=True) or b"",
        )

    def write(self, data: bytes) -> None:
        """Send bytes, in order; on a wire that is closed they are dropped."""
        transport = self._transport
        if data and transport is not None and not self._lost:
            transport.write(data)

    async def drain(self) -> None:
        """Wait while the peer is slower than what is written; returns too when it is gone."""
        if self.congested:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    async def start_tls(
        self, context: ssl.SSLContext, *, server_side: bool, name: str | None, limit_s: float
    ) -> None:
        """Encrypt this wire from here on. `name` is the peer's, for SNI and verification.

        Call it without anything awaited since the peer's last bytes were read. Raises
        ConnectionError if bytes are held that came unprotected (they would be taken for
        protected ones), OSError and ssl.SSLError if the hand-shake fails.
        """
        transport = self._transport
        if transport is None or self._ended:
            raise ConnectionResetError("the peer is gone")
        if self._held:
            raise ConnectionAbortedError("bytes before the hand-shake")
        try:
            upgraded = await self._loop.start_tls(
                transport, self, context, server_side=server_side,
                server_hostname=name, ssl_handshake_timeout=limit_s,
            )  # fmt: skip
        except BaseException:
            transport.abort()
            raise
        if upgraded is None:
            raise ConnectionResetError("the peer left during the hand-shake")
        self._take_transport(upgraded)

    def close(self) -> None:
        """Send what was written, then close; a peer that does not take it is cut off after 5 s."""
        transport = self._transport
        if transport is None or self._lost or transport.is_closing():
            return
        transport.close()
        self._loop.call_later(_LINGER_S, self._cut)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None and not self._lost:
            self._transport.abort()

    # inside

    def _take_transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)

    def _cut(self) -> None:
        if not self._lost:
            self.abort()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

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
