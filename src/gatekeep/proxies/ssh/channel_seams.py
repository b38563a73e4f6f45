"""Mends asyncssh's channels, all of them, when it is imported: flow control, reports, containment.

The other half of `seams`, with the same rule: nothing but use of asyncssh beyond its documentation.
"""

# ruff: noqa: SLF001 - reaching behind the documentation is what this file is for

from __future__ import annotations

from typing import Any, Final, Protocol, cast

import asyncssh
import structlog
from asyncssh.channel import SSHChannel, SSHServerChannel
from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_WINDOW_ADJUST
from asyncssh.misc import map_handler_name
from asyncssh.packet import PacketDecodeError, SSHPacket, UInt32

_log = structlog.get_logger(__name__)

MAX_WAITING_REQUESTS: Final = 64
"""Requests of one peer that may wait for the answer to the one before them."""

LONGEST_WORD: Final = 64
"""How much of a peer's word is told."""

MAX_VARIABLES: Final = 64
MAX_VARIABLE: Final = 2048
"""Variables of one channel, and bytes of one; what is more or longer is refused."""

_NO_NEWS: Final = frozenset({"keepalive@openssh.com"})  # refused, as is the custom


class ConnectionHooks(Protocol):
    """What an adopted connection tells. None of these may raise or wait."""

    def unknown_request(self, place: str, name: str) -> None:
        """A request that asyncssh does not know was refused; `place` is `global` or `channel`."""

    def refused_open(self, kind: str, reason: str) -> None:
        """A channel of this kind was asked for and refused."""

    def callback_fault(self, error: BaseException) -> None:
        """Our code raised in a callback: its channel was closed, the connection goes on."""


class _Deaf:
    """For connections that nobody adopted: nothing is told, callbacks that fail close channels."""

    def unknown_request(self, place: str, name: str) -> None: ...
    def refused_open(self, kind: str, reason: str) -> None: ...
    def callback_fault(self, error: BaseException) -> None:
        _log.error("callback failed", error=repr(error))


_DEAF: Final = _Deaf()


def hooks_of(connection: SSHConnection | None) -> ConnectionHooks:
    """Who listens to a connection."""
    return cast("ConnectionHooks", getattr(connection, "_gatekeep_hooks", _DEAF))


#: What asyncssh ships, before it was mended.
LIBRARYS: Final[dict[str, Any]] = {
    name: getattr(SSHChannel, name)
    for name in (
        "_deliver_data", "process_packet", "_service_next_request", "_finish_open_request",
        "_report_response",
    )
} | {
    name: getattr(SSHServerChannel, name)
    for name in ("_process_env_request", "_process_exec_request", "_process_subsystem_request")
}  # fmt: skip


def _deliver_data(self: SSHChannel[Any], data: bytes, datatype: Any) -> None:
    """Grant the peer a new window only when nothing waits to be read.

    asyncssh grants it for each piece that it delivers, so a reader that pauses now and then is
    sent as much again each time, and memory grows with the stream.
    """
    if not self._recv_buf and self._recv_window < self._init_recv_window // 2:
        grant = self._init_recv_window - self._recv_window
        self._recv_window = self._init_recv_window
        self.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(grant))
    shown: Any = data
    if self._encoding and self._decoder is not None:
        try:
            shown = self._decoder.decode(data)
        except UnicodeDecodeError as error:
            raise asyncssh.ProtocolError(str(error)) from None
    if self._session is not None:
        try:
            self._session.data_received(shown, datatype)
        except asyncssh.DisconnectError:
            raise
        except Exception as error:  # noqa: BLE001 - ours, and it would end every channel
            _close_alone(self, error)


def _process_packet(self: SSHChannel[Any], kind: int, number: int, packet: SSHPacket) -> Any:
    """Whatever our callbacks raise ends the channel that it was raised for, and nothing else.

    asyncssh tells that the peer has closed only once all that it sent was read. An end that reads
    nothing, because what it is for has still to be decided, hears of it at once.
    """
    if kind == MSG_CHANNEL_REQUEST and len(self._request_queue) >= MAX_WAITING_REQUESTS:
        raise asyncssh.ProtocolError("Too many requests at once")
    try:
        answer = LIBRARYS["process_packet"](self, kind, number, packet)
        if kind == MSG_CHANNEL_CLOSE:
            getattr(self._session, "peer_closed", _nothing)()
        return answer  # noqa: TRY300 - what is told of a close may raise, too
    except (asyncssh.DisconnectError, PacketDecodeError):
        raise
    except Exception as error:  # noqa: BLE001 - ours, and it would end every channel
        _close_alone(self, error)
        return True


def _nothing() -> None:
    """For ends that want to know only once everything was read."""


def _service_next_request(self: SSHChannel[Any]) -> None:
    """Tell of a request that asyncssh does not know; it is refused as before."""
    name = self._request_queue[0][0]
    if getattr(self, f"_process_{map_handler_name(name)}_request", None) is None:
        hooks_of(self._conn).unknown_request("channel", name[:LONGEST_WORD])
    LIBRARYS["_service_next_request"](self)


def _report_response(self: SSHChannel[Any], result: bool) -> None:
    """Tell of a request that asyncssh, or one of our ends, refused: it looks like any other."""
    name = self._request_queue[0][0]
    known = getattr(self, f"_process_{map_handler_name(name)}_request", None) is not None
    if not result and known and name not in _NO_NEWS:
        hooks_of(self._conn).unknown_request("channel", name[:LONGEST_WORD])
    LIBRARYS["_report_response"](self, result)


def _process_env_request(self: SSHServerChannel[Any], packet: SSHPacket) -> bool:
    """As before, but not for ever."""
    looked = SSHPacket(packet.get_remaining_payload())
    size = len(looked.get_string()) + len(looked.get_string())
    if len(self._env) >= MAX_VARIABLES or size > MAX_VARIABLE:
        return False
    return cast("bool", LIBRARYS["_process_env_request"](self, packet))


def _asked_for(kind: str) -> Any:
    """What is asked for may be bytes that asyncssh cannot read: an end that wants to know is told."""

    def process(self: SSHServerChannel[Any], packet: SSHPacket) -> bool:
        raw = SSHPacket(packet.get_remaining_payload()).get_string()
        told = getattr(self._session, "unreadable_requested", None)
        if told is None or self._session_started or _readable(raw):
            return cast("bool", LIBRARYS[f"_process_{kind}_request"](self, packet))
        self._session_started = True
        return cast("bool", told(kind, raw))

    return process


def _readable(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode("utf-8")
    except UnicodeDecodeError:
        return False


async def _finish_open_request(self: SSHChannel[Any], session: Any) -> None:
    """An open that fails in our code is refused, and the connection goes on."""
    try:
        await LIBRARYS["_finish_open_request"](self, session)
    except (asyncssh.DisconnectError, PacketDecodeError):
        raise
    except Exception as error:  # noqa: BLE001 - ours, and it would end every channel
        connection, theirs = self._conn, self._send_chan
        if self._send_state != "closed":
            _close_alone(self, error)
        elif connection is not None and theirs is not None:
            hooks_of(connection).callback_fault(error)
            code, fault = asyncssh.OPEN_CONNECT_FAILED, "Internal error"
            connection.send_channel_open_failure(theirs, code, fault, "en-US")
            self._loop.call_soon(self._cleanup)


def _close_alone(channel: SSHChannel[Any], error: BaseException) -> None:
    hooks_of(channel._conn).callback_fault(error)
    channel.abort()


for _name, _mended in (
    ("_deliver_data", _deliver_data),
    ("process_packet", _process_packet),
    ("_service_next_request", _service_next_request),
    ("_finish_open_request", _finish_open_request),
    ("_report_response", _report_response),
):
    setattr(SSHChannel, _name, _mended)
for _name, _process in (
    ("_process_env_request", _process_env_request),
    ("_process_exec_request", _asked_for("exec")),
    ("_process_subsystem_request", _asked_for("subsystem")),
):
    setattr(SSHServerChannel, _name, _process)
