"""The gate's side of the client: keys pass, accept bytes wait until all is shown. See `shell_gate`.

To the target go the client's own bytes, or 0x03, or one C-e that ends an open search; nothing else.
What becomes of a line once it was asked about is `shell_held`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.messages import shell as words_of
from gatekeep.protocols.ssh.shells.asked import About, Asked, Stage
from gatekeep.protocols.ssh.shells.editing import Edit
from gatekeep.protocols.ssh.shells.shell_marks import GateOnMarks
from gatekeep.protocols.ssh.shells.shell_state import EDITING, Mode
from gatekeep.protocols.ssh.shells.turns import Tell, ToTarget

_CANCEL: Final = b"\x03"
_END_OF_LINE: Final = b"\x05"
_NEXT_ROW: Final = b"\r\n"
_SLOW_PROMPT: Final = 10
_MIN_START_MS: Final = 500


class ShellGated(GateOnMarks):
    """Keys towards the target, up to the accept byte that waits."""

    _waits_since: int | None = None  # in UNKNOWN: since when keys wait
    unmarked = False  # in UNKNOWN: they may pass all the same

    # --- time -------------------------------------------------------------------------------------

    def due(self) -> None:
        """Whatever was waited for."""
        super().due()
        asked = self.asked
        if asked is not None:
            self._asked_due(asked)
        if self.mode is Mode.UNKNOWN and self._waits_since is not None and not self.unmarked:
            self._unknown_due(self._waits_since)
        if self.barred_until is not None and self.now >= self.barred_until:
            self.close("full_screen")
        self.pump()

    def _asked_due(self, asked: Asked) -> None:
        if asked.stage is Stage.SETTLING:
            self._settle(asked)
        elif asked.stage is Stage.STARTING and self.now >= asked.until:
            self.asked = None  # the shell did not take it: it edits on
        elif asked.stage is Stage.CANCELLING:
            self._cancel_due(asked)

    def _cancel_due(self, asked: Asked) -> None:
        """Some shells say nothing by marks when a line is given up, and paint the prompt anew."""
        edit = self.edit
        if edit is not None and self.now >= self._cancel_at(asked) and edit.is_bare(self.strip):
            self.asked = None
            self.given_up()
            self.begin_edit(self.echo.last_output)
        elif self.now >= asked.until:
            self.close("not_cancelled")

    def _cancel_at(self, asked: Asked) -> int:
        return max(self.echo.last_output, asked.since) + self.echo.quiet

    def wanted(self) -> list[int]:
        """Times at which `due` is wanted."""
        times = super().wanted()
        asked = self.asked
        if asked is not None:
            if asked.stage is Stage.SETTLING:
                times.append(self.echo.settled_at(asked.since))
            elif asked.stage in (Stage.STARTING, Stage.CANCELLING):
                times.append(asked.until)
            if asked.stage is Stage.CANCELLING and (at := self._cancel_at(asked)) > self.now:
                times.append(at)
        elif self.queue and self.mode in EDITING and self.edit is not None:
            times.append(self._prompt_at(self.edit))
        elif self.queue and self.mode in (Mode.RUN, Mode.ALT):
            times.append(self.open_at)
        elif self.queue and self.mode is Mode.UNKNOWN and self._waits_since is not None:
            times.append(self._unknown_at(self._waits_since))
        if self.barred_until is not None:
            times.append(self.barred_until)
        return times

    def _unknown_at(self, since: int) -> int:
        return max(self.echo.last_output, since) + self.rules.unknown_ms

    def _unknown_due(self, since: int) -> None:
        if self.asked is not None or self.now < self._unknown_at(since):
            return
        if self.rules.unknown == "deny":
            self.tell(words_of.no_prompt_seen())
            self.close("no_marks")
        elif self.rules.unknown == "ask":
            self.ask_leave(About.NO_MARKS)
        else:
            self.unmarked = True
            self.begin_opaque("no_marks")

    # --- keys -------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Pass on of what was kept whatever may pass."""
        while self.queue and self.asked is None and not self.closed:
            if not self._pass_some():
                return

    def _pass_some(self) -> bool:
        edit = self.edit
        if edit is not None and self.mode in EDITING:
            return self._prompt_is_there(edit) and self._edit_some(edit)
        if self.mode is Mode.RUN:
            return (self.burst > 0 or self.now >= self.open_at) and self._run_some()
        if self.mode is Mode.ALT:
            return self.now >= self.open_at and self._alt_some()
        if not self.unmarked:
            self._waits_since = self.now if self._waits_since is None else self._waits_since
            return False
        self._forward_all()
        return True

    def _prompt_is_there(self, edit: Edit) -> bool:
        """Keys wait until the prompt was painted: what came before the first one is the prompt."""
        if edit.forwarded and edit.prompt is not None:
            return True
        if self.now < self._prompt_at(edit):
            return False
        self.placed(edit)
        if self.denied and edit.left_over(self.denied, self.known):
            self.close("not_cancelled")
            return False
        self.denied = ""
        return True

    def _prompt_at(self, edit: Edit) -> int:
        """When the prompt counts as painted; one that looks like none is given more time."""
        at = self.echo.quiet_at(edit.began)
        if edit.prompt is not None or edit.ahead or edit.looks_ready(self.strip, self.known):
            return at
        return max(at, edit.began + _SLOW_PROMPT * self.echo.quiet)

    def _edit_some(self, edit: Edit) -> bool:
        if edit.released is not None and edit.prompt_again(self.strip):
            self.entered(edit, edit.released)  # a shell whose marks were switched off
            self.begin_edit(self.echo.last_output)
            return True
        piece = self.keys.take(self.queue, pasting=self.reader.pasting)
        if piece is None:
            return False
        if piece.accept:
            if piece.inside:
                edit.doubts.add("sequence")
            self.asked = Asked(About.LINE, self.now, piece.data)
            self._settle(self.asked)
            return True
        edit.released = None
        edit.absorb(piece, self.now)
        self._send(piece.data, piece.printable)
        return True

    def _run_some(self) -> bool:
        if not self.loose and self.prompt_without_mark():
            self.begin_edit(self.echo.last_output)
            return True
        piece = self.keys.take(self.queue, pasting=False)
        if piece is None:
            return False
        self.run_bytes += len(piece.data)
        if not piece.accept:
            self._send(piece.data, piece.printable)
        elif self.loose or (self.echo.unechoed and self.rules.hidden_input in ("ask", "deny")):
            about = About.LOOSE if self.loose else About.HIDDEN
            self.asked = Asked(about, self.now, piece.data)
            self._settle(self.asked)
        else:
            self._line_to_program(piece.data)
        return True

    def _line_to_program(self, accept: bytes) -> None:
        """Singly at first, in case a prompt comes; then in growing bursts: it is a program's."""
        if self.burst > 0:
            self.burst -= 1
            self.run_lines += 1
            self._send(accept, 0)
            self.echo.unechoed = 0
            return
        self.typed_in_run()
        self.let_input_go(accept)

    def let_input_go(self, accept: bytes) -> None:
        """A line of a program's input."""
        self._send(accept, 0)
        self.echo.unechoed = 0
        self.run_lines += 1
        self.burst = self.run_lines // 2
        self.open_at = self.now + self.rules.type_ahead_ms

    def _alt_some(self) -> bool:
        if not self.barred:
            self._forward_all()
            return True
        if _CANCEL in self.queue:
            self._send(_CANCEL, 0)
            if self.barred_until is None:
                self.barred_until = self.now + self.rules.cancel_ms
        self.queue.clear()
        return False

    def _forward_all(self) -> None:
        self.run_bytes += len(self.queue)
        self.turns.append(ToTarget(bytes(self.queue)))
        self.queue.clear()

    def _send(self, data: bytes, printable: int) -> None:
        self.echo.forwarded(printable, self.now, edited=self.mode in EDITING)
        self.turns.append(ToTarget(data))

    # --- an accept byte ---------------------------------------------------------------------------

    def _settle(self, asked: Asked) -> None:
        if self.now < self.echo.settled_at(asked.since):
            return
        if asked.about is About.LINE:
            if self.edit is not None:
                self._judge(asked, self.edit)
        elif asked.about is About.LOOSE:
            self.ask_leave(About.LOOSE, asked.accept, self.echo.unechoed)
        elif not self.echo.unechoed:
            self.asked = None
            self.let_input_go(asked.accept)
        else:
            self._judge_hidden(asked)

    def _judge_hidden(self, asked: Asked) -> None:
        count = self.echo.unechoed
        self.note_hidden(count, "run")
        self.asked = None
        if self.rules.hidden_input == "ask":
            self.ask_leave(About.HIDDEN, asked.accept, count)
            return
        self.tell(words_of.hidden_refused(count))
        self.interrupt_program()

    def interrupt_program(self) -> None:
        """C-c in the place of a line of input that may not pass."""
        self.asked = None
        self.run_bytes = 0
        self.queue.clear()
        self.echo.unechoed = 0
        self._send(_CANCEL, 0)

    def _judge(self, asked: Asked, edit: Edit) -> None:
        seen = edit.read(self.strip, self.rules.login_shell, self.echo.unechoed)
        if seen.searching and not asked.searched:
            asked.searched, asked.since = True, self.now
            self._send(_END_OF_LINE, 1)  # it paints the line anew
            return
        asked.text = seen.text
        if seen.hidden and self.rules.hidden_input != "allow":
            self.note_hidden(seen.hidden, self.mode.value)
        if seen.hidden and self.rules.hidden_input == "deny":
            self.refuse(asked, words_of.hidden_refused(seen.hidden))
        elif seen.resolved and seen.text == edit.before:
            self.release(asked, edit)  # an empty line
        else:
            asked.stage = Stage.JUDGING
            asked.id = self.line(seen).id

    def release(self, asked: Asked, edit: Edit) -> None:
        """Exactly the accept byte goes out; a mark tells whether it was taken."""
        asked.stage = Stage.STARTING
        asked.until = self.now + max(_MIN_START_MS, 3 * self.echo.quiet)
        edit.released = asked.text
        edit.floor = len(self.strip.rows)
        self._send(asked.accept, 0)

    def refuse(self, asked: Asked, words: Sequence[str]) -> None:
        """C-c and nothing else; a prompt must follow, or the channel closes."""
        if self.edit is not None:
            self.edit.floor = len(self.strip.rows)
        self.tell(words)
        if words:
            self.turns.append(Tell(_NEXT_ROW))
        asked.rows = 0
        asked.stage, asked.since = Stage.CANCELLING, self.now
        asked.until = self.now + self.rules.cancel_ms
        self.queue.clear()
        self._send(_CANCEL, 0)
