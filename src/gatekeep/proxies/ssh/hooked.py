"""A terminal whose shell carries the hook, as relays want their gates.

Where the hook is lost, what follows is opaque: the policy is asked once whether it may go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.domain.commands import Assurance
from gatekeep.protocols.ssh.shells import turns
from gatekeep.protocols.ssh.shells.hook import HookGate
from gatekeep.protocols.ssh.shells.hook_bootstrap import HookedShell

LOST: Final = "hook_lost"
"""Tag of the question whether a terminal may go on without its hook."""

_INTERRUPT: Final = b"\x03"
_LOST_FOR_GOOD: Final = turns.CloseChannel("the shell hook is lost")


class HookedTerminal:
    """Implements shell.TerminalGate over the hook's gate."""

    def __init__(self, shell: HookedShell, key: bytes, now_ms: int) -> None:
        self._gate = HookGate(shell, key, now_ms)
        self._asked = 0  # questions about a lost hook have negative numbers
        self._degraded = False
        self._leave_waits = False  # such a question waits for a person

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is wanted next."""
        return self._gate.deadline_ms

    @property
    def backlog(self) -> int:
        """What the client types ahead is bounded by the gate itself."""
        return 0

    def receive_client(self, data: bytes, now_ms: int) -> Sequence[turns.Turn]:
        """What the client sent."""
        if self._leave_waits and _INTERRUPT in data:
            self._leave_waits = False
            return (turns.LineWithdrawn(self._asked), _LOST_FOR_GOOD)
        return self._with_question(self._gate.receive_client(data, now_ms))

    def receive_target(self, data: bytes, now_ms: int) -> Sequence[turns.Turn]:
        """What the target sent."""
        return self._with_question(self._gate.receive_target(data, now_ms))

    def tick(self, now_ms: int) -> Sequence[turns.Turn]:
        """It is the deadline, or any other time."""
        return self._with_question(self._gate.tick(now_ms))

    def waiting(
        self, line_id: int, now_ms: int, words: tuple[str, ...] = ()  # noqa: ARG002 - the port's shape
    ) -> Sequence[turns.Turn]:
        """A person is to decide: keys are dropped until then."""
        if line_id >= 0:
            return self._with_question(self._gate.hold(line_id, words))
        self._leave_waits |= self._asks(line_id)
        return self._gate.tell(words) if self._asks(line_id) else ()

    def reminded(
        self, line_id: int, now_ms: int, words: tuple[str, ...]
    ) -> Sequence[turns.Turn]:
        """It still waits."""
        return self.waiting(line_id, now_ms, words)

    def digest(self, line_id: int) -> str:
        """Of what was reported, for the shell holds it fast; empty if it does not wait any more."""
        if line_id >= 0:
            return self._gate.digest(line_id)
        return LOST if self._asks(line_id) else ""

    def answer(
        self, line_id: int, allowed: bool, now_ms: int, words: tuple[str, ...] = ()
    ) -> Sequence[turns.Turn]:
        """The decision on a line, or on going on without the hook."""
        if line_id >= 0:
            return self._with_question(
                self._gate.answer(line_id, allowed=allowed, now_ms=now_ms, words=words)
            )
        if not self._asks(line_id):
            return ()
        self._leave_waits = False
        if allowed:
            return self._gate.proceed(now_ms)
        return (*self._gate.tell(words), _LOST_FOR_GOOD)

    def resized(self, columns: int, rows: int) -> Sequence[turns.Turn]:  # noqa: ARG002 - the port's shape
        """The shell reports lines whatever the size."""
        return ()

    def ended(self) -> Sequence[turns.Turn]:
        """The client or the target is gone."""
        return self._gate.target_ended()

    def _asks(self, line_id: int) -> bool:
        return line_id == self._asked and self._degraded

    def _with_question(self, given: Sequence[turns.Turn]) -> Sequence[turns.Turn]:
        if self._gate.degraded == self._degraded:
            return given
        self._degraded = self._gate.degraded
        self._leave_waits = False
        if not self._degraded:
            return given
        self._asked -= 1
        question = turns.LineEntered(
            self._asked, "", False, Assurance.OPAQUE, "", frozenset({LOST})  # noqa: FBT003 - a record's field
        )
        return (*given, question)
