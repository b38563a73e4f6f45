"""A target that is honest until it is asked for a lie: passes bytes to a real one, then plays false."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Mapping


class Turncoat:
    """Listens on `port` and passes everything on to the real target at `behind`.

    A message from the client that holds one of the keys of `lies` is not passed on; the lie is
    the answer to it: bytes (none: silence), or what makes pieces, perhaps without end.
    """

    def __init__(
        self, behind: int, lies: Mapping[bytes, bytes | Callable[[], Iterable[bytes]]]
    ) -> None:
        self._behind = behind
        self._lies = lies
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.heard = b""
        self.asked = 0  # how often he lied, or kept silent
        self.said = 0  # bytes of lies
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End everything and wait for it."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._behind))
            self._sockets += [near, far]
            for way in (self._to_target, self._to_client):
                thread = threading.Thread(target=way, args=(near, far))
                self._threads.append(thread)
                thread.start()

    def _to_target(self, near: socket.socket, far: socket.socket) -> None:
        lied = False
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                lie = next((lie for key, lie in self._lies.items() if key in data), None)
                if lied:
                    self.heard += data
                elif lie is not None:
                    lied = True
                    self.asked += 1
                    for piece in lie() if callable(lie) else (lie,):
                        near.sendall(piece)
                        self.said += len(piece)
                else:
                    far.sendall(data)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _to_client(near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)
        with contextlib.suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)
