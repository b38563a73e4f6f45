"""A shell that nothing gates: all passes at once, and each line is told when the shell took it.

The same terminal and the same readings as in `shell_gate`; the line is read when it was accepted,
so nothing waits.
"""

from __future__ import annotations

from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.editing import Edit
from gatekeep.protocols.ssh.shells.escapes import Mark
from gatekeep.protocols.ssh.shells.shell_state import EDITING, Mode, ShellState
from gatekeep.protocols.ssh.shells.turns import ToTarget, Turn

_COUNTED: Final = 4_096  # larger input is a transfer, not typing


class ShellObserver(ShellState):
    """Watches only."""

    def receive_client(self, data: bytes, now: int) -> list[Turn]:
        """Forward, and count."""
        turns = self.start(now)
        turns.append(ToTarget(data))
        edit = self.edit
        if edit is not None:
            if edit.prompt is None:
                self.placed(edit)
            self._typed(bytearray(data), edit)
        elif len(data) > _COUNTED or self.mode is Mode.ALT:
            self.run_bytes += len(data)
        else:
            self._typed(bytearray(data), None)
        return self.finish()

    def _typed(self, queue: bytearray, edit: Edit | None) -> None:
        while piece := self.keys.take(queue, pasting=edit is not None):
            if not piece.accept:
                self.echo.forwarded(piece.printable, self.now, edited=edit is not None)
            if edit is not None:
                edit.absorb(piece, self.now)
            elif piece.accept:
                self.run_bytes += 1
                self.typed_in_run()
            else:
                self.run_bytes += len(piece.data)

    def on_mark(self, mark: Mark) -> None:
        """Follow the shell."""
        if mark is Mark.EDIT_BEGAN:
            if self.mode is Mode.ALT:
                self.editing_in_alternate()
            elif self.mode not in EDITING:
                self.begin_edit()
        elif mark is Mark.PROMPT_ENDED:
            if self.edit is not None and not self.edit.forwarded:
                self.edit.mark_prompt(self.strip)
        elif mark is Mark.LINE_TAKEN:
            if self.edit is not None:
                self._taken(self.edit)
        elif mark is Mark.TRANSFER:
            self.note_once(EventKind.GATE_DEGRADED, "transfer")
        else:
            self._screen(on=mark is Mark.ALTERNATE_ON)

    def _screen(self, *, on: bool) -> None:
        if on and self.mode in (Mode.RUN, Mode.UNKNOWN):
            self.mode = Mode.ALT
            self.alternate = True
            self.begin_opaque("full_screen")
        elif not on:
            self.alternate = False
            self.mode = Mode.RUN if self.mode is Mode.ALT else self.mode

    def _taken(self, edit: Edit) -> None:
        if (edit.forwarded or edit.ahead) and not edit.was_interrupted(self.now):
            self.placed(edit)
            seen = edit.read(self.strip, self.rules.login_shell, self.echo.unechoed)
            if seen.hidden and self.rules.hidden_input != "allow":
                self.note_hidden(seen.hidden, self.mode.value)
            if seen.text or seen.hidden:
                self.line(seen, observed=True)
            self.entered(edit, seen.text)
        self.begin_run()
