"""A gate between two hands: what the client types and what the target paints, at chosen times."""

from __future__ import annotations

from typing import TypeVar

from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_gate import ShellGate
from gatekeep.protocols.ssh.shells.turns import LineEntered, Tell, ToTarget, Turn

PROMPT = b"\x1b[?2004h$ "
TAKEN = b"\r\n\x1b[?2004l\r"
CANCELLED = b"^C\x1b[?2004l\r\r\n" + PROMPT

_T = TypeVar("_T", bound=Turn)


class ShellWire:
    """Time moves only by `after`; deadlines on the way are kept."""

    def __init__(self, rules: GateRules | None = None, size: tuple[int, int] = (40, 10)) -> None:
        self.gate = ShellGate(size, rules=rules or GateRules(gated=True))
        self.now = 1_000
        self.turns: list[Turn] = []

    def target(self, data: bytes) -> None:
        """The target sends."""
        self.turns += self.gate.receive_target(data, self.now)

    def client(self, data: bytes) -> None:
        """The client sends."""
        self.turns += self.gate.receive_client(data, self.now)

    def after(self, span: int) -> None:
        """Time passes."""
        until = self.now + span
        while (deadline := self.gate.deadline_ms) is not None and deadline <= until:
            self.now = max(deadline, self.now)
            self.turns += self.gate.tick(self.now)
        self.now = until

    def prompt(self) -> None:
        """A prompt is painted and seen."""
        self.target(PROMPT)
        self.after(100)

    def type(self, data: bytes) -> None:
        """Typed, echoed, seen."""
        self.client(data)
        self.after(10)
        self.target(data)
        self.after(100)

    def enter(self, data: bytes) -> LineEntered:
        """Type a line and Enter; what was asked."""
        self.type(data)
        self.client(b"\r")
        self.after(100)
        return self.line

    def answer(self, *, allowed: bool) -> None:
        """Decide on the last line."""
        self.turns += self.gate.answer(self.line.id, allowed, self.now, ("gatekeep: said",))

    def run(self, data: bytes) -> None:
        """Type a line, let it go, and see it taken."""
        self.enter(data)
        self.answer(allowed=True)
        self.target(TAKEN)
        self.after(200)

    def all(self, kind: type[_T]) -> list[_T]:
        """The turns of one kind."""
        return [turn for turn in self.turns if isinstance(turn, kind)]

    @property
    def line(self) -> LineEntered:
        """The last one."""
        return self.all(LineEntered)[-1]

    @property
    def sent(self) -> bytes:
        """What reached the target."""
        return b"".join(turn.data for turn in self.all(ToTarget))

    @property
    def told(self) -> bytes:
        """What we said."""
        return b"".join(turn.data for turn in self.all(Tell))
