"""A tiny synchronous PostgreSQL client for tests: raw messages in, raw messages out.

Signs in with SCRAM-SHA-256 and otherwise knows only where messages end. Understands nothing, so
that tests can send whatever they like.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import select
import socket
import struct
from collections.abc import Iterator

from gatekeep.protocols.postgres import messages

DEADLINE_S = 20


def frames(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and body of each whole message."""
    at = 0
    while at < len(data):
        kind, length = messages.HEADER.unpack_from(data, at)
        yield chr(kind), data[at + 5 : at + 1 + length]
        at += 1 + length


def shape(data: bytes) -> list[str]:
    """Messages by type, with what a client acts on: tag, SQLSTATE, transaction status."""
    shown: list[str] = []
    for kind, body in frames(data):
        if kind == "E":
            shown.append("E " + messages.read_error(body).sqlstate)
        elif kind in "CZ":
            shown.append(f"{kind} {body.rstrip(bytes(1)).decode()}")
        elif kind not in "NSA":
            shown.append(kind)
    return shown


class Wire:
    """One connection to a server, after sign-in; it comes from the address `source`, if named."""

    def __init__(
        self, host: str, port: int, user: str, password: str, database: str, *, source: str = ""
    ) -> None:
        own = (source, 0) if source else None
        self.socket = socket.create_connection((host, port), DEADLINE_S, own)
        self._buffer = b""
        names = b"".join(part.encode() + b"\0" for part in ("user", user, "database", database))
        packet = struct.pack(">I", 3 << 16) + names + b"\0"
        self.send(struct.pack(">I", len(packet) + 4) + packet)
        self._sign_in(password)
        self.read_ready()

    def close(self) -> None:
        """Say good-bye, once."""
        if self.socket.fileno() < 0:
            return
        try:
            self.send(messages.TERMINATE)
        finally:
            self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """Some bytes; fails when the connection ends or nothing comes."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def at_hand(self) -> Iterator[bytes]:
        """What has arrived, without waiting for more."""
        while select.select([self.socket], [], [], 0)[0]:
            yield self.receive()

    def message(self) -> tuple[str, bytes, bytes]:
        """The next message: type, body, and its bytes."""
        while True:
            if len(self._buffer) >= messages.HEADER.size:
                kind, length = messages.HEADER.unpack_from(self._buffer)
                if len(self._buffer) > length:
                    whole = self._buffer[: length + 1]
                    self._buffer = self._buffer[length + 1 :]
                    return chr(kind), whole[5:], whole
            self._buffer += self.receive()

    def read_ready(self, count: int = 1) -> bytes:
        """Everything up to and with the `count`th ReadyForQuery."""
        collected = b""
        while count:
            kind, _, whole = self.message()
            collected += whole
            count -= kind == "Z"
        return collected

    def exchange(self, data: bytes, count: int = 1) -> bytes:
        """Send, and read to the `count`th ReadyForQuery."""
        self.send(data)
        return self.read_ready(count)

    def _sign_in(self, password: str) -> None:
        first = f"n=,r={secrets.token_hex(12)}"
        assert self._authentication()[0] == messages.AUTH_SASL
        hello = messages.sasl_initial_response("SCRAM-SHA-256", b"n,," + first.encode())
        self.send(hello)
        server_first = self._authentication()[1].decode()
        given = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), base64.b64decode(given["s"]), int(given["i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={given['r']}"
        signed = f"{first},{server_first},{last}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        self.send(
            messages.sasl_response(f"{last},p={base64.b64encode(proof).decode()}".encode())
        )
        assert self._authentication()[0] == messages.AUTH_SASL_FINAL
        assert self._authentication()[0] == messages.AUTH_OK

    def _authentication(self) -> tuple[int, bytes]:
        kind, body, _ = self.message()
        assert kind == "R", body
        return messages.read_authentication(body)
