"""The gate's side of the target: what each mark does in each mode. See the table in `shell_gate`.

Nothing here sends to the target: a mark may end a wait, and what follows is done by `shell_gated`
when time comes, so that the turns do not depend on how the stream was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind
from gatekeep.messages import shell as words_of
from gatekeep.protocols.ssh.shells import display
from gatekeep.protocols.ssh.shells.asked import About, Asked, Stage
from gatekeep.protocols.ssh.shells.editing import Edit, Seen, digest_of
from gatekeep.protocols.ssh.shells.escapes import Mark
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.shell_state import EDITING, Mode, ShellState
from gatekeep.protocols.ssh.shells.turns import CloseChannel, LineWithdrawn, Tell

#: Shells that paint the whole line again, and nothing else, when they take it.
_COMPARED: Final = frozenset({"bash", "sh"})
_MAX_NOTED: Final = 4_096


class GateOnMarks(ShellState):
    """Follows the target's stream. `asked` is the accept byte that waits, if any."""

    def __init__(self, size: tuple[int, int], rules: GateRules) -> None:
        super().__init__(size, rules)
        self.asked: Asked | None = None
        self.queue = bytearray()
        self.loose = False  # in RUN: nobody let go the line that runs
        self.tainted = False  # a line may stand in the editor that is not on the screen
        self.open_at = 0  # in RUN: when the next lines of input may pass
        self.run_lines = 0  # how many passed
        self.burst = 0  # how many more may pass at once
        self.barred = False  # in ALT: policy does not let keys through
        self.barred_until: int | None = None
        self.denied = ""  # given up, and not to be found at the next prompt

    def on_mark(self, mark: Mark) -> None:
        """One mark, in the order of the stream."""
        if mark is Mark.EDIT_BEGAN:
            self._edit_began()
        elif mark is Mark.PROMPT_ENDED:
            if self.edit is not None and not self.edit.forwarded:
                self.edit.mark_prompt(self.strip)
        elif mark is Mark.LINE_TAKEN:
            if self.edit is not None:
                self._line_taken(self.edit)
        elif mark is Mark.ALTERNATE_ON:
            self._alternate_on()
        elif mark is Mark.ALTERNATE_OFF:
            self.alternate = False
            if self.mode is Mode.ALT:
                self.mode = Mode.RUN
                self.barred, self.barred_until = False, None
                if self.asked is not None and self.asked.about is About.FULL_SCREEN:
                    self.withdraw()
        else:
            self.note_once(EventKind.GATE_DEGRADED, "transfer")

    # --- a prompt ---------------------------------------------------------------------------------

    def _edit_began(self) -> None:
        asked = self.asked
        if self.mode is Mode.ALT:
            self.editing_in_alternate()
        elif self.mode not in EDITING:
            self._leave_run()
            self.begin_edit()
        elif self.edit is not None and self.edit.released is not None:
            self.entered(self.edit, self.edit.released)
            self.asked = None
            self.begin_edit()
        elif asked is not None and asked.stage is Stage.CANCELLING:
            self._leave_run()
            self.begin_edit()

    def _leave_run(self) -> None:
        asked, self.asked = self.asked, None
        if asked is None:
            return
        if asked.stage is Stage.CANCELLING:
            self.denied = asked.text
            return
        self._void(asked)
        self.queue[:0] = asked.accept  # it was not sent: the shell's editor will get it

    def begin_edit(self, began: int | None = None) -> None:
        """A prompt is coming."""
        self.barred, self.barred_until = False, None
        if self.asked is not None and self.asked.about is About.FULL_SCREEN:
            self.withdraw()
        after_run = self.mode is Mode.RUN and not self.loose
        self.tainted |= self.loose and self.run_bytes > 0
        self.loose = False
        super().begin_edit(began)
        if self.edit is not None:
            if self.tainted:
                self.edit.doubts.add("after_ungated")
            self.edit.after_run = after_run
            self.edit.painted = self.strip.painted

    # --- a line is taken --------------------------------------------------------------------------

    def _line_taken(self, edit: Edit) -> None:
        asked, self.asked = self.asked, None
        self.loose = True
        if edit.released is not None:
            self.loose = self.tainted = False
            self._compare(edit, edit.released)
            self.entered(edit, edit.released)
        elif asked is not None and asked.stage is Stage.CANCELLING:
            self.asked = asked
            self.given_up()
        elif (edit.forwarded or edit.ahead) and not edit.was_interrupted(self.now):
            self._ran_ungated(edit)
            self._void(asked)
        else:
            self._void(asked)
            self.given_up()
        self.open_at = self.now + self.rules.type_ahead_ms
        self.run_lines = self.burst = 0
        self.begin_run()

    def _compare(self, edit: Edit, released: str) -> None:
        """The line that the shell took is painted whole by now."""
        if self.rules.login_shell in _COMPARED and edit.prompt is not None:
            seen = edit.read(self.strip, self.rules.login_shell, 0)
            if not seen.doubts and digest_of(seen.text) != digest_of(released):
                self.note(EventKind.GATE_DEGRADED, reason="line_changed", text=seen.text[:_MAX_NOTED])

    def _ran_ungated(self, edit: Edit) -> None:
        self.tainted = True
        self.placed(edit)
        seen = edit.read(self.strip, self.rules.login_shell, self.echo.unechoed)
        self.ungated({"text": seen.text, "tags": sorted(seen.tags), "hidden_bytes": seen.hidden})
        self.last_text = seen.text
        if self.rules.ungated == "close":
            self.close("ungated")

    # --- the whole screen -------------------------------------------------------------------------

    def _alternate_on(self) -> None:
        if self.mode is Mode.ALT:
            return
        if self._is_nearly_editing():
            self.begin_run()
            self.editing_in_alternate()
        elif self.mode is not Mode.RUN or self.loose:
            self.note_once(EventKind.GATE_DEGRADED, "alternate_screen")
            return
        self.mode = Mode.ALT
        self.alternate = True
        self.open_at = self.now + 1  # not within this stretch of output
        if self.asked is not None:  # a line of input that waits: it is the program's now
            self._void(self.asked)
            self.queue[:0] = self.asked.accept
            self.asked = None
        if self.rules.opaque == "ask":
            self.ask_leave(About.FULL_SCREEN)
            return
        self.begin_opaque("full_screen")
        if self.rules.opaque == "deny":
            self.barred = True
            self.tell(words_of.full_screen_refused())

    def _is_nearly_editing(self) -> bool:
        """Some editors of text ask for bracketed paste first, and for the screen right after."""
        edit = self.edit
        return (
            edit is not None
            and edit.after_run
            and edit.began == self.now
            and edit.painted == self.strip.painted
            and not (edit.forwarded or edit.released or edit.prompt)
        )

    # --- asking -----------------------------------------------------------------------------------

    def ask_leave(self, about: About, accept: bytes = b"", hidden: int = 0) -> None:
        """Ask for what cannot be read: the line is empty, its tags say what it is about."""
        doubts = frozenset() if about is About.HIDDEN else frozenset({about.value})
        text = self.strip.rows[self.strip.y].text() if about is About.LOOSE else ""
        turn = self.line(Seen(text, doubts, hidden), assurance=Assurance.OPAQUE)
        self.asked = Asked(about, self.now, accept, Stage.JUDGING, turn.id, text)

    def _void(self, asked: Asked | None) -> None:
        if asked is not None and asked.id:
            self.turns.append(LineWithdrawn(asked.id))

    def withdraw(self) -> None:
        """The question is void."""
        self._void(self.asked)
        self.asked = None

    def tell(self, words: Sequence[str], *, new: int | None = None) -> None:
        """Say something to the client, below the line where one is edited.

        The last `new` words are news; those before them only keep their place on the screen.
        """
        if not words:
            return
        said = tuple(words if new is None else words[len(words) - new :])
        if self.mode not in EDITING:
            self.turns.append(Tell(display.plain(words), said))
            return
        rows = display.folded(words, self.strip.columns)
        asked = self.asked
        if asked is not None and asked.stage is Stage.HELD:
            # All of it is to be wiped again: nothing may leave the glass by its upper edge.
            rows = rows[: max(self.strip.height - len(self.strip.rows) - asked.rows, 1)]
        self.turns.append(Tell(display.below(self.strip, rows), said))
        if asked is not None:
            asked.rows += len(rows)

    def close(self, reason: str) -> None:
        """What comes next cannot be held."""
        if not self.closed:
            self.closed = True
            self.queue.clear()
            self.turns.append(CloseChannel(reason))
