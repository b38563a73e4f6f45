"""Records what a real client says to a real server: the client's bytes after its sign-in.

Passes everything on as it is, both ways, and understands only where messages begin and end.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from support.postgres_wire import frames


class Recorder:
    """Listens on `port` for clients of the server at `behind`; `said` is what each of them sent."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._heard: list[bytearray] = []
        self._answered: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no more clients, and wait until those that are there have left."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    @property
    def talks(self) -> list[tuple[bytes, bytes]]:
        """Of each client: its bytes after sign-in, Terminate left out, and the server's answers."""
        return [
            (_after_sign_in(bytes(one)), _after_ready(bytes(other)))
            for one, other in zip(self._heard, self._answered, strict=True)
        ]

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._behind))
            heard, answered = bytearray(), bytearray()
            self._heard.append(heard)
            self._answered.append(answered)
            for ends in ((near, far, heard), (far, near, answered)):
                thread = threading.Thread(target=self._pass_on, args=ends)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                kept += data
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _after_sign_in(data: bytes) -> bytes:
    """Behind the start-up packet and the password messages."""
    at = int.from_bytes(data[:4], "big")
    while data[at : at + 1] == b"p":
        at += 1 + int.from_bytes(data[at + 1 : at + 5], "big")
    kept = data[at:]
    return kept[:-5] if kept.endswith(b"X\0\0\0\x04") else kept


def _after_ready(data: bytes) -> bytes:
    """Behind the first ReadyForQuery."""
    at = 0
    for kind, body in frames(data):
        at += 5 + len(body)
        if kind == "Z":
            return data[at:]
    return b""
