"""Mends what asyncssh leaves unbounded between a channel and its socket, for all connections.

The third part of `seams`, with the same rule. asyncssh hands everything that a peer's window grants
to the socket, read or not: a peer that grants 2 GiB and reads nothing would be kept 2 GiB of output.
"""

# ruff: noqa: SLF001 - reaching behind the documentation is what this file is for

from __future__ import annotations

from typing import Any, Final

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.connection import SSHConnection

MAX_UNREAD: Final = 4 * 1024 * 1024
"""Bytes for the socket of a peer that does not read; then it is cut off."""

MAX_DEFERRED: Final = 4096
"""Packets that wait for the end of a key exchange; then the peer is cut off."""

MAX_UNSERVED: Final = 1024 * 1024
"""Bytes of a peer that wait behind a packet that takes time, a sign-in for instance."""

#: What asyncssh ships, before it was mended.
LIBRARYS: Final[dict[str, Any]] = {
    "_flush_send_buf": SSHChannel._flush_send_buf,
    "_recv_data": SSHConnection._recv_data,
    "_send_deferred_packets": SSHConnection._send_deferred_packets,
    "pause_writing": SSHConnection.pause_writing,
    "resume_writing": SSHConnection.resume_writing,
}


def overrun(connection: SSHConnection) -> bool:
    """Whether a peer takes so little of what it made us say that it is to be cut off."""
    if len(connection._deferred_packets) > MAX_DEFERRED:
        return True
    transport = connection._transport
    return (
        getattr(connection, "_gatekeep_full", False)
        and transport is not None
        and transport.get_write_buffer_size() > MAX_UNREAD
    )


def cut_off(connection: SSHConnection) -> None:
    """End a connection without another word."""
    connection._force_close(asyncssh.ConnectionLost("The peer does not read"))


def _blocked(connection: SSHConnection) -> bool:
    """Whether channels had better keep what they have: the socket is full, or keys are exchanged."""
    exchanging = connection._auth_complete and not connection._kex_complete
    return exchanging or getattr(connection, "_gatekeep_full", False)


def _flush_send_buf(self: SSHChannel[Any]) -> None:
    """Send what the peer's window grants, unless it would only wait in front of the socket."""
    connection = self._conn
    if connection is not None and self._send_buf and _blocked(connection):
        self._pause_resume_writing()
    else:
        LIBRARYS["_flush_send_buf"](self)


def _flush_all(connection: SSHConnection) -> None:
    for channel in list(connection._channels.values()):
        if channel._send_buf:
            channel._flush_send_buf()


def _pause_writing(self: SSHConnection) -> None:
    self._gatekeep_full = True  # type: ignore[attr-defined]  # our own, on their class


def _resume_writing(self: SSHConnection) -> None:
    self._gatekeep_full = False  # type: ignore[attr-defined]  # see above
    _flush_all(self)


def _send_deferred_packets(self: SSHConnection) -> None:
    LIBRARYS["_send_deferred_packets"](self)
    _flush_all(self)


def _recv_data(self: SSHConnection) -> None:
    """Whoever sends on while a packet of his is being worked on may do so for a while only."""
    if len(self._inpbuf) > MAX_UNSERVED:
        self._inpbuf = b""
        cut_off(self)
    else:
        LIBRARYS["_recv_data"](self)


SSHChannel._flush_send_buf = _flush_send_buf  # type: ignore[method-assign]  # what this file is for
for _name, _mended in (
    ("pause_writing", _pause_writing),
    ("resume_writing", _resume_writing),
    ("_send_deferred_packets", _send_deferred_packets),
    ("_recv_data", _recv_data),
):
    setattr(SSHConnection, _name, _mended)
