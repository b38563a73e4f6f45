"""The gate while somebody decides: what is told, which keys count, and how a line goes on or does not.

The table of states stands in `shell_gate`. Right before the accept byte goes out the line is read
once more; only what is still shown may run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.domain.events import EventKind
from gatekeep.messages import shell as words_of
from gatekeep.protocols.ssh.shells import display
from gatekeep.protocols.ssh.shells.asked import About, Asked, Stage
from gatekeep.protocols.ssh.shells.editing import Edit, Seen, digest_of
from gatekeep.protocols.ssh.shells.shell_gated import ShellGated
from gatekeep.protocols.ssh.shells.turns import Finished, LineWithdrawn, Tell, Turn

_INTERRUPT: Final = b"\x03"
_END: Final = b"\x04"
_BELL: Final = b"\x07"
_MAX_QUEUE: Final = 1_048_576
_MAX_NOTED: Final = 4_096


class ShellHeld(ShellGated):
    """Holds."""

    def receive_client(self, data: bytes, now: int) -> list[Turn]:
        """Keys; what may not pass yet is kept in order, and dropped while a person decides."""
        turns = self.start(now)
        asked = self.asked
        if self.closed:
            return turns
        if asked is not None and _gives_up(asked, data):
            self._withdrawn(asked)
        elif asked is not None and asked.stage is Stage.HELD:
            if not asked.keys_told:
                asked.keys_told = True
                self.tell(words_of.keys_ignored())
            self.turns.append(Tell(_BELL))
        else:
            self.queue += data
            if len(self.queue) > _MAX_QUEUE:
                self.close("input")
            self.pump()
        return self.finish()

    # --- a person decides -------------------------------------------------------------------------

    def waiting(self, line_id: int, words: Sequence[str], now: int) -> list[Turn]:
        """A person will decide: say so. From now on keys are dropped, but for C-c and C-d.

        What was typed behind the line counted on its running at once: it is dropped as well.
        Called again, it has more to say.
        """
        self.start(now)
        asked = self._open(line_id)
        if asked is not None and asked.stage in (Stage.JUDGING, Stage.HELD):
            if asked.stage is Stage.JUDGING and self.queue:
                self.queue.clear()
                self.turns.append(Tell(_BELL))
            asked.stage = Stage.HELD
            asked.words = (*asked.words, *words)
            self.tell(words)
        return self.finish()

    def reminded(self, line_id: int, words: Sequence[str], now: int) -> list[Turn]:
        """Still waiting: these words take the place of the last reminder."""
        self.start(now)
        asked = self._open(line_id)
        if asked is not None and asked.stage is Stage.HELD:
            if asked.about is About.LINE:
                self._clear_words(asked)
                self.tell((*asked.words, *words), new=len(words))
            else:
                self.tell(words)
        return self.finish()

    def digest(self, line_id: int) -> str:
        """The SHA-256 of what would run if this line were let go now; empty if nothing would."""
        asked = self._open(line_id)
        if asked is None:
            return ""
        if asked.about is not About.LINE:
            return digest_of(asked.text)
        seen = self._seen()
        return "" if seen is None else digest_of(seen.text)

    def _open(self, line_id: int) -> Asked | None:
        asked = self.asked
        return None if asked is None or self.closed or not asked.id or asked.id != line_id else asked

    def _seen(self) -> Seen | None:
        edit = self.edit
        if edit is None:
            return None
        return edit.read(self.strip, self.rules.login_shell, self.echo.unechoed)

    # --- answers ----------------------------------------------------------------------------------

    def answer(self, line_id: int, allowed: bool, now: int, words: Sequence[str]) -> list[Turn]:
        """The decision on a line; of one that is void nothing comes."""
        self.start(now)
        asked = self._open(line_id)
        if asked is not None:
            if asked.about is About.LINE:
                self._answer_line(asked, words, allowed=allowed)
            else:
                self._answer_leave(asked, words, allowed=allowed)
            self.pump()
        return self.finish()

    def _answer_line(self, asked: Asked, words: Sequence[str], *, allowed: bool) -> None:
        edit, seen = self.edit, self._seen()
        if asked.stage not in (Stage.JUDGING, Stage.HELD) or edit is None or seen is None:
            return
        self._clear_words(asked)
        if not allowed:
            self.refuse(asked, words)
        elif digest_of(seen.text) != digest_of(asked.text):
            self.turns.append(Finished(asked.id, None))
            self.note(EventKind.GATE_DEGRADED, reason="line_changed", text=seen.text[:_MAX_NOTED])
            self.refuse(asked, words_of.line_changed())
        else:
            self._tell_above(edit, words)
            self.release(asked, edit)

    def _tell_above(self, edit: Edit, words: Sequence[str]) -> None:
        """What stays to be read stands above the line: below it the line's own output comes."""
        prompt = edit.prompt
        top = prompt.y if prompt is not None and prompt.home == self.strip.home else 0
        if words:
            self.turns.append(Tell(display.above(self.strip, top, words), tuple(words)))

    def _clear_words(self, asked: Asked) -> None:
        if asked.rows:
            self.turns.append(Tell(display.back(self.strip, asked.rows)))
            asked.rows = 0

    def _answer_leave(self, asked: Asked, words: Sequence[str], *, allowed: bool) -> None:
        self.asked = None
        self.tell(words)
        if asked.about is About.NO_MARKS:
            self.unmarked = allowed
            if allowed:
                self.begin_opaque("no_marks")
            else:
                self.close("no_marks")
        elif asked.about is About.FULL_SCREEN:
            self.begin_opaque("full_screen")
            self.barred = not allowed
        elif allowed:
            self.let_input_go(asked.accept)
        else:
            self.interrupt_program()

    # --- giving up --------------------------------------------------------------------------------

    def _withdrawn(self, asked: Asked) -> None:
        """The question is void. Who waited for a person is told that it is."""
        words = words_of.withdrawn() if asked.stage is Stage.HELD else ()
        self._clear_words(asked)
        self._void(asked)
        asked.id = 0
        if asked.about is About.LINE:
            self.refuse(asked, words)
            return
        self.tell(words)
        if asked.about is About.NO_MARKS:
            self.close("no_marks")
        elif asked.about is About.FULL_SCREEN:
            self.asked, self.barred = None, True
            self.queue += _INTERRUPT
            self.pump()
        else:
            self.interrupt_program()

    def ended(self) -> list[Turn]:
        """The client is gone, or the target is."""
        asked, self.asked = self.asked, None
        turns = super().ended()
        return [*turns, LineWithdrawn(asked.id)] if asked is not None and asked.id else turns


def _gives_up(asked: Asked, data: bytes) -> bool:
    if asked.stage is Stage.HELD:
        return _INTERRUPT in data or _END in data
    return asked.stage in (Stage.SETTLING, Stage.JUDGING) and _INTERRUPT in data
