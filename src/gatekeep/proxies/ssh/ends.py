"""The two ends of one relayed channel as asyncssh calls them: nothing is decided here.

Everything that happens is put in order and handed to a flow; exceptions end the channel, never the
connection. Data that arrives before there is a flow waits, and the peer's window with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import asyncssh
import structlog

from gatekeep.proxies.ssh.agent_seams import ask_for_agent

_log = structlog.get_logger(__name__)

STDERR: Final = asyncssh.EXTENDED_DATA_STDERR
HIGH_WATER: Final = 256 * 1024
_MOST_WATCHED: Final = 64 * 1024
"""Bytes that a client may type while it is watched and nobody listens."""


class Listener(Protocol):
    """Who is told what one end says."""

    def data(self, data: bytes, *, stderr: bool) -> None:
        """Bytes, in order."""

    def eof(self) -> None:
        """No more of them."""

    def lost(self) -> None:
        """The channel is gone; everything it said was told before."""

    def writable(self, *, writable: bool) -> None:
        """Whether it takes more bytes now."""


class End(Protocol):
    """One end, as relays use it."""

    def listen(self, listener: Listener) -> None:
        """Tell this listener from now on, what waited first."""

    def pause(self, reason: str) -> None:
        """Take no more bytes while any reason holds."""

    def resume(self, reason: str) -> None:
        """One reason less."""

    def write(self, data: bytes, *, stderr: bool = False) -> None:
        """Send; what can no longer be sent is dropped."""

    def write_eof(self) -> None:
        """Send the end of the bytes."""

    def close(self) -> None:
        """Send what waits, then close."""

    def abort(self) -> None:
        """Close at once."""


class _End:
    """What both ends share: a listener that may come late, and pausing for several reasons."""

    def __init__(self) -> None:
        self.channel: Any = None
        self._listener: Listener | None = None
        self._waiting: deque[Callable[[Listener], None]] = deque()
        self._paused: set[str] = set()
        self._partings: dict[Callable[[], None], None] = {}
        self.gone = False
        self.left = asyncio.Event()

    def listen(self, listener: Listener) -> None:
        """Tell this listener from now on, what waited first."""
        while self._waiting:
            self._guarded(listener, self._waiting.popleft())
        self._listener = listener
        self.resume("no listener")

    def pause(self, reason: str) -> None:
        """Take no more bytes while any reason holds."""
        if not self._paused:
            self._paused.add(reason)
            if self.channel is not None:
                self.channel.pause_reading()
        self._paused.add(reason)

    def resume(self, reason: str) -> None:
        """One reason less."""
        if reason in self._paused:
            self._paused.discard(reason)
            if not self._paused and self.channel is not None:
                self.channel.resume_reading()

    @property
    def open(self) -> bool:
        """Whether the channel is there, if only to be ended."""
        return self.channel is not None and not self.gone

    def write(self, data: bytes, *, stderr: bool = False) -> None:
        """Send; what can no longer be sent is dropped."""
        if data and self.open and not self.channel.is_closing():
            self.channel.write(data, STDERR if stderr else None)

    def write_eof(self) -> None:
        """Send the end of the bytes."""
        if self.open and not self.channel.is_closing():
            self.channel.write_eof()

    def close(self) -> None:
        """Send what waits, then close."""
        if self.channel is not None:
            self.channel.close()

    def abort(self) -> None:
        """Close at once."""
        if self.channel is not None:
            self.channel.abort()

    async def parted(self, limit_s: float) -> None:
        """Wait until the peer has closed the channel as well, at most `limit_s`."""
        if self.channel is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.left.wait(), limit_s)

    def when_left(self, call: Callable[[], None]) -> Callable[[], None]:
        """Call it, once, when the peer has closed the channel or is gone; now, if that is so.

        What is returned takes the wish back.
        """
        if self.left.is_set():
            call()
        else:
            self._partings[call] = None
        return lambda: self._partings.pop(call, None)

    # what asyncssh calls

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Bytes came."""
        stderr = datatype == STDERR
        self._tell(lambda listener: listener.data(data, stderr=stderr))
        if self._listener is None:
            self._unheard(data)

    def _unheard(self, data: bytes) -> None:  # noqa: ARG002 - who is watched looks at them
        """Nobody listens yet: the peer waits."""
        self.pause("no listener")

    def eof_received(self) -> bool:
        """No more bytes come; the other direction stays open."""
        self._tell(lambda listener: listener.eof())
        return True

    def peer_closed(self) -> None:
        """From the seam: the peer closed it, though what it sent before may still have to be read."""
        self.left.set()
        partings, self._partings = self._partings, {}
        for call in partings:
            call()

    def connection_lost(self, _error: BaseException | None) -> None:
        """The channel is gone."""
        self.gone = True
        self.peer_closed()
        self._tell(lambda listener: listener.lost())

    def pause_writing(self) -> None:
        """It has enough for now."""
        self._tell(lambda listener: listener.writable(writable=False))

    def resume_writing(self) -> None:
        """It takes more."""
        self._tell(lambda listener: listener.writable(writable=True))

    def _tell(self, call: Callable[[Listener], None]) -> None:
        if self._listener is None:
            self._waiting.append(call)
        else:
            self._guarded(self._listener, call)

    def _guarded(self, listener: Listener, call: Callable[[Listener], None]) -> None:
        try:
            call(listener)
        except Exception:  # noqa: BLE001 - one channel never ends another: asyncssh would close all
            _log.exception("channel failed")
            self.abort()


class ClientEnd(_End, asyncssh.SSHServerSession[bytes]):
    """A session channel as the client opened it. `started(end)` is called once it says what for.

    `agent` opens the client's agent, where that was asked for and granted; `notes` are lines to say
    before anything runs.
    """

    def __init__(self, started: Callable[[ClientEnd], None]) -> None:
        super().__init__()
        self._started = started
        self.terminal: tuple[str, tuple[int, int, int, int]] | None = None
        self.modes: dict[int, int] = {}
        self.kind = ""
        self.text = ""
        self.on_signal: Callable[[str], None] = lambda _name: None
        self.on_resize: Callable[[int, int, int, int], None] = lambda *_size: None
        self.on_break: Callable[[int], None] = lambda _milliseconds: None
        self.on_agent: Callable[[], Awaitable[bool]] | None = None
        self.agent: Callable[[], Awaitable[StreamEnd]] | None = None
        self.notes: tuple[str, ...] = ()
        self._agent_offered = False
        self._look: Callable[[bytes], None] | None = None
        self._typed = bytearray()

    def connection_made(self, channel: Any) -> None:
        """The channel is open; what it is for comes next."""
        self.channel = channel
        channel.set_write_buffer_limits(high=HIGH_WATER)

    def say(self, lines: Sequence[str]) -> None:
        """Our own words: on stderr, with the line ends of a terminal where there is one."""
        line_end = "\r\n" if self.terminal is not None else "\n"
        self.write("".join(line + line_end for line in lines).encode(), stderr=True)

    def watch(self, look: Callable[[bytes], None] | None) -> None:
        """Show `look` what comes while nobody listens, what came before first; None: no more.

        All of it waits for the listener all the same, up to a bound; then the peer does.
        """
        self._look = look
        if look is not None and self._typed:
            look(bytes(self._typed))
            if len(self._typed) <= _MOST_WATCHED:
                self.resume("no listener")

    def listen(self, listener: Listener) -> None:
        """Tell this listener from now on, what waited first."""
        self._look = None
        self._typed.clear()
        super().listen(listener)

    def _unheard(self, data: bytes) -> None:
        """Nobody listens yet: the peer waits, unless somebody looks for a key."""
        self._typed += data
        if self._look is not None:
            self._look(data)
        if self._look is None or len(self._typed) > _MOST_WATCHED:
            self.pause("no listener")

    @property
    def environment(self) -> dict[bytes, bytes]:
        """What the client wants set."""
        return dict(self.channel.get_environment_bytes())

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        """A terminal is asked for; the target's answer may still be no.

        Behind what it is for, it comes too late: that is being judged without one.
        """
        if self.kind:
            return False
        self.terminal = (term_type, tuple(term_size))
        self.modes = dict(term_modes)
        return True

    async def agent_requested(self) -> bool:
        """The client offers its agent; whether the target may be told so. Asked about once."""
        if not self._agent_offered and self.on_agent is not None:
            self._agent_offered = True
            return await self.on_agent()
        return self.agent is not None

    def shell_requested(self) -> bool:
        """An interactive shell, or a script on standard input."""
        self.kind = "shell"
        return True

    def exec_requested(self, command: str) -> bool:
        """One command. An empty one is a shell, to targets and to asyncssh."""
        self.kind, self.text = ("exec", command) if command else ("shell", "")
        return True

    def unreadable_requested(self, kind: str, raw: bytes) -> bool:
        """A command or a name that is not UTF-8, or has a NUL in it: nothing a shell is given."""
        self.kind, self.text = "unreadable", f"{kind}: {raw[:200].decode('utf-8', 'backslashreplace')}"
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """A subsystem by name."""
        self.kind, self.text = "subsystem", subsystem
        return True

    def session_started(self) -> None:
        """What it is for has been said; from here on bytes may come."""
        try:
            self._started(self)
        except Exception:  # noqa: BLE001 - as in _guarded
            _log.exception("channel could not start")
            self.abort()

    def signal_received(self, signal: str) -> None:
        """A signal for what runs."""
        self.on_signal(signal)

    def break_received(self, msec: int) -> bool:
        """A break for what runs."""
        self.on_break(msec)
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The window has another size."""
        self.on_resize(width, height, pixwidth, pixheight)


class TargetEnd(_End, asyncssh.SSHClientSession[bytes]):
    """The twin channel on the target. How it ended is known before `lost` is told.

    `agent`: what runs there is to be offered the client's agent.
    """

    def __init__(self, *, agent: bool = False) -> None:
        super().__init__()
        self._agent = agent
        self.exit_status: int | None = None
        self.exit_signal: tuple[str, bool, str, str] | None = None

    def connection_made(self, channel: Any) -> None:
        """The channel is open; what it is for comes next."""
        self.channel = channel
        channel.set_write_buffer_limits(high=HIGH_WATER)
        if self._agent:
            ask_for_agent(channel)

    def exit_status_received(self, status: int) -> None:
        """What ran has ended with this status."""
        self.exit_status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """What ran was ended by a signal."""
        self.exit_signal = (signal, core_dumped, msg, lang)


class StreamEnd(_End, asyncssh.SSHTCPSession[bytes]):
    """One end of a tunnel, on either side."""

    def connection_made(self, channel: Any) -> None:
        """The channel is open."""
        self.channel = channel
        channel.set_write_buffer_limits(high=HIGH_WATER)
