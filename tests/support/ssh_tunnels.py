"""Small services and dialers for tunnels: something to reach at the far end, and SOCKS to ask for it.

Everything is on loopback and ends with its `with`.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

LIMIT_S = 30


class _Echo(socketserver.BaseRequestHandler):
    """Greets, then sends back all that comes, then `bye`."""

    def handle(self) -> None:
        self.request.sendall(b"hello\n")
        while data := self.request.recv(65536):
            self.request.sendall(data)
        self.request.sendall(b"bye\n")


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def echo_port() -> Iterator[int]:
    """The port of an echo on loopback."""
    with _served(_Tcp(("127.0.0.1", 0), _Echo)) as service:
        yield service.server_address[1]


@contextlib.contextmanager
def echo_socket(path: Path) -> Iterator[Path]:
    """The path of an echo's socket."""
    with _served(_Unix(str(path), _Echo)):
        yield path
    path.unlink()


@contextlib.contextmanager
def _served(service: socketserver.BaseServer) -> Iterator[socketserver.BaseServer]:
    thread = threading.Thread(target=service.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        thread.join(LIMIT_S)
        service.server_close()


def reached(port: int) -> socket.socket:
    """A connection to a port of this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)


def listens(port: int) -> bool:
    """Whether somebody listens there, told without connecting."""
    wanted = f"0100007F:{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1] == wanted and row[3] == "0A" for row in rows)


def socks(proxy: int, host: str, port: int) -> tuple[int, socket.socket]:
    """Ask a SOCKS5 listener for a connection by name; the reply's code and the connection."""
    connection = reached(proxy)
    connection.sendall(b"\5\1\0")
    assert exactly(connection, 2) == b"\5\0"
    name = host.encode()
    connection.sendall(b"\5\1\0\3" + bytes([len(name)]) + name + struct.pack(">H", port))
    reply = connection.recv(10)
    return (reply[1] if len(reply) > 1 else 1), connection


def exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes, or what came before the end."""
    got = bytearray()
    while len(got) < count and (data := connection.recv(min(65536, count - len(got)))):
        got += data
    return bytes(got)


def conversed(connection: socket.socket, sent: bytes) -> bytes:
    """Send, say that this was all, and read to the end, at once."""
    with connection:
        writer = threading.Thread(target=_send_all, args=(connection, sent))
        writer.start()
        got = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                got += data
        writer.join(LIMIT_S)
        return bytes(got)


def _send_all(connection: socket.socket, sent: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
