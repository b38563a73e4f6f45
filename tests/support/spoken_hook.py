"""What a hook would say to its gate, without a shell."""

from __future__ import annotations

import re
from typing import Any

from gatekeep.protocols.ssh.shells.hook import HookGate
from gatekeep.protocols.ssh.shells.turns import (
    ToTarget,
)

KEY = bytes(range(32))
REPLY = re.compile(rb"\x1b\]7717;(\d+);([0-9a-f]*);([ync]);([0-9a-f]{40})\x07")


class Shell:
    """What a hook would say, without a shell."""

    def __init__(self) -> None:
        self.gate = HookGate("bash", KEY, 0)
        self.now = 0
        self.token = b""
        self.number = 0
        self.turns: list[Any] = []

    def frame(self, kind: bytes, text: bytes = b"", number: int | None = None) -> list[Any]:
        """Say one thing with the right token; a reply is taken in."""
        asks = kind in (b"h", b"l", b"t")
        self.number += asks
        shown = self.number if number is None else number
        data = b"\x1b]7717;%b;%b;%d;%b\x1b\\" % (self.token, kind, shown, text)
        return self.take(self.gate.receive_target(data, self.now))

    def take(self, turns: list[Any]) -> list[Any]:
        """Keep the turns, learn the token of a reply."""
        self.turns += turns
        for turn in turns:
            if isinstance(turn, ToTarget) and (found := REPLY.search(turn.data)):
                assert found.group(2) == self.token
                assert int(found.group(1)) == self.number
                self.token = found.group(4)
        return turns

    def shown(self, data: bytes) -> list[Any]:
        """The target prints."""
        return self.take(self.gate.receive_target(data, self.now))

    def typed(self, data: bytes) -> list[Any]:
        """The client types."""
        return self.take(self.gate.receive_client(data, self.now))

    def answer(self, line_id: int, *, allowed: bool) -> list[Any]:
        """The gate's proxy answers."""
        return self.take(self.gate.answer(line_id, allowed=allowed, now_ms=self.now))

    def prompt(self, status: int = 0) -> list[Any]:
        """A prompt is due, and the line editor begins."""
        return self.frame(b"b", number=status) + self.shown(b"\x1b[?2004h$ ")
