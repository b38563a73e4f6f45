"""What the gate on a shell and its mere observer have in common: the terminal, modes, notes.

The table of states stands in `shell_gate`. Here nothing is held and nothing reaches the target.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from gatekeep.domain.commands import Assurance
from gatekeep.domain.events import EventKind
from gatekeep.protocols.ssh.shells.echo import Echo
from gatekeep.protocols.ssh.shells.editing import Edit, Seen, digest_of
from gatekeep.protocols.ssh.shells.escapes import Mark, OutputReader
from gatekeep.protocols.ssh.shells.gate_rules import GateRules
from gatekeep.protocols.ssh.shells.keys import KeyReader
from gatekeep.protocols.ssh.shells.lines import Prompt, prompt_at_cursor
from gatekeep.protocols.ssh.shells.screen import Strip
from gatekeep.protocols.ssh.shells.turns import LineEntered, Note, ToClient, Turn

_MAX_COLUMNS: Final = 1_000
_MAX_ROWS: Final = 500
_LATE_MS: Final = 250
#: Why what is done is not known: somebody types to a program.
INPUT: Final = "input"
GATED_CELLS: Final = 131_072
OBSERVED_CELLS: Final = 16_384


class Mode(enum.Enum):
    """The rows of the table in `shell_gate`."""

    UNKNOWN = "unknown"
    EDIT = "edit"
    CONT = "cont"
    HELD = "held"
    RUN = "run"
    ALT = "alt"


EDITING: Final = frozenset({Mode.EDIT, Mode.CONT})


def _clamped(columns: int, rows: int) -> tuple[int, int]:
    return min(max(columns, 1), _MAX_COLUMNS), min(max(rows, 1), _MAX_ROWS)


class _Late:
    """A line of a program's input that went out before its echo could be seen."""

    __slots__ = ("due", "painted", "typed")

    def __init__(self, typed: int, painted: int, due: int) -> None:
        self.typed = typed
        self.painted = painted
        self.due = due


class ShellState:
    """One interactive shell. Subclasses say what a mark means and what becomes of keys."""

    def __init__(self, size: tuple[int, int], rules: GateRules) -> None:
        self.rules = rules
        self.mode = Mode.UNKNOWN
        self.closed = False
        cells = GATED_CELLS if rules.gated else OBSERVED_CELLS
        self.strip = Strip(*_clamped(*size), cells)
        self.reader = OutputReader(self.strip, self._mark)
        self.echo = Echo(rules.quiet_ms, rules.cap_ms)
        self.keys = KeyReader()
        self.edit: Edit | None = None
        self.known: Prompt | None = None  # the prompt of the last line that was entered
        self.run_bytes = 0  # typed while nobody was seen to edit
        self.last_text = ""  # the last line that was entered, whole
        self.turns: list[Turn] = []
        self.now = 0
        self._lines = 0
        self._counted = 0
        self._late: _Late | None = None
        self._opaque = ""
        self._opaque_from = 0
        self._said: set[str] = set()
        self._alt_mark: int | None = None
        self.alternate = False  # the whole screen is, or was, some program's

    # --- to be said by subclasses -----------------------------------------------------------------

    def on_mark(self, mark: Mark) -> None:
        """A mark was read, at this very place of the stream."""
        raise NotImplementedError

    def due(self) -> None:
        """Do what time has brought."""
        if self._late is not None and self.now >= self._late.due:
            self.settle_late()
        if self._alt_mark is not None and self.now >= self.echo.quiet_at(self._alt_mark):
            self._look_for_prompt()

    def wanted(self) -> list[int]:
        """Times at which `due` is wanted."""
        times = [] if self._late is None else [self._late.due]
        return times if self._alt_mark is None else [*times, self.echo.quiet_at(self._alt_mark)]

    # --- the stream of the target -----------------------------------------------------------------

    def receive_target(self, data: bytes, now: int) -> list[Turn]:
        """Read what the target sent; all of it goes to the client, whatever it is."""
        turns = self.start(now)
        turns.append(ToClient(data))
        self.reader.hasty = self.echo.unechoed == 0 and self._late is None
        self.reader.feed(data)
        self._count_painted()
        return self.finish()

    def _mark(self, mark: Mark) -> None:
        self._count_painted()  # up to here, however the stream is cut
        self.on_mark(mark)

    def _count_painted(self) -> None:
        painted, self._counted = self.strip.painted - self._counted, self.strip.painted
        self.echo.output(painted, self.now)

    def tick(self, now: int) -> list[Turn]:
        """Time passed."""
        self.start(now)
        return self.finish()

    def ended(self) -> list[Turn]:
        """The client is gone, or the target is."""
        self.turns = []
        self.settle_late()
        self.end_opaque()
        self.closed = True
        return self.finish()

    def start(self, now: int) -> list[Turn]:
        """Begin a call: what is due comes first."""
        self.turns = []
        self.now = now
        if not self.closed:
            self.due()
        return self.turns

    def finish(self) -> list[Turn]:
        """The turns of this call."""
        turns, self.turns = self.turns, []
        return turns

    def resized(self, columns: int, rows: int) -> list[Turn]:
        """The window changed: what is painted may be wrapped anew, so this line is not sure."""
        self.strip.resize(*_clamped(columns, rows))
        if self.edit is not None and not (self.edit.prompt and self.edit.prompt.marked):
            self.edit.doubts.add("resized")
        return []

    # --- modes ------------------------------------------------------------------------------------

    def begin_edit(self, began: int | None = None) -> None:
        """The shell begins to edit: a new line, or more of an incomplete one.

        `began`: when, where no mark said so: the prompt is painted already.
        """
        self.settle_late()
        if not self.alternate:
            self.end_opaque()
        self._alt_mark = None
        more = bool(self.last_text) and not self.rules.complete(self.last_text)
        self.mode = Mode.CONT if more else Mode.EDIT
        self.edit = Edit(self.now if began is None else began, self.last_text if more else "", ahead=self.run_bytes > 0)
        self.echo.unechoed = 0
        self.strip.wake()
        self.keys.begin_line()

    def editing_in_alternate(self) -> None:
        """Editors of text say so too; it is a shell if a prompt is painted (see `due`)."""
        self._alt_mark = self.now

    def _look_for_prompt(self) -> None:
        self._alt_mark = None
        if self.mode is not Mode.ALT:
            return
        here = prompt_at_cursor(self.strip)
        if here.usual or (self.known is not None and here.text == self.known.text):
            self.begin_edit(self.echo.last_output)

    def prompt_without_mark(self) -> bool:
        """Whether the prompt stands before the cursor, though no mark said so."""
        known = self.known
        return known is not None and known.x > 0 and prompt_at_cursor(self.strip).text == known.text

    def begin_run(self) -> None:
        """Editing ended."""
        self.mode = Mode.RUN
        self.edit = None
        self.echo.unechoed = 0
        self.strip.sleep()

    def placed(self, edit: Edit) -> None:
        """The prompt is where the cursor stands; a first prompt again ends an incomplete text."""
        if edit.prompt is None:
            edit.place_prompt(self.strip, self.known)
        if (
            self.mode is Mode.CONT
            and edit.prompt is not None
            and self.known is not None
            and edit.prompt.text == self.known.text
            and self.known.text.strip() != ">"
        ):
            self.mode = Mode.EDIT
            edit.before = ""

    def entered(self, edit: Edit, text: str) -> None:
        """A line was let go."""
        self.last_text = text
        self.run_bytes = 0
        if self.mode is Mode.EDIT and edit.prompt is not None and not edit.ahead:
            self.known = edit.prompt

    def given_up(self) -> None:
        """C-c: whatever was typed is gone, of an incomplete text too."""
        self.last_text = ""
        self.run_bytes = 0

    # --- notes ------------------------------------------------------------------------------------

    def note(self, kind: EventKind, **payload: object) -> None:
        """Something for the journal."""
        self.turns.append(Note(kind, payload))

    def note_once(self, kind: EventKind, reason: str) -> None:
        """The same, once in a session."""
        if reason not in self._said:
            self._said.add(reason)
            self.note(kind, reason=reason)

    def begin_opaque(self, reason: str) -> None:
        """From here on it is not known what is done."""
        if not self._opaque or (self._opaque == INPUT and reason != INPUT):
            self.end_opaque()
            self._opaque = reason
            self._opaque_from = 0 if reason == INPUT else self.run_bytes
            self.note(EventKind.OPAQUE_BEGAN, reason=reason, program=self.program)

    def end_opaque(self) -> None:
        """A prompt is seen again."""
        if self._opaque:
            count = max(self.run_bytes - self._opaque_from, 0)
            self.note(EventKind.OPAQUE_ENDED, reason=self._opaque, bytes_in=count)
            self._opaque = ""

    @property
    def program(self) -> str:
        """The first word of the last line."""
        return self.last_text.split(maxsplit=1)[0][:256] if self.last_text.split() else ""

    def line(
        self, seen: Seen, *, assurance: Assurance = Assurance.INFERRED, observed: bool = False
    ) -> LineEntered:
        """A turn for this reading, with the next number."""
        if self.alternate:  # a shell inside a program, such as tmux
            assurance = Assurance.OPAQUE
        self._lines += 1
        must_ask = bool(seen.hidden) and self.rules.hidden_input == "ask"
        turn = LineEntered(
            self._lines, seen.text, seen.resolved, assurance, digest_of(seen.text), seen.tags,
            seen.hidden, observed=observed, must_ask=must_ask,
        )  # fmt: skip
        self.turns.append(turn)
        return turn

    # --- input of programs ------------------------------------------------------------------------

    def typed_in_run(self) -> None:
        """A line went to a program before it was seen whether its characters are shown."""
        self.begin_opaque(INPUT)
        self.settle_late()
        typed, self.echo.unechoed = self.echo.unechoed, 0
        if typed:
            self.strip.first_break = None
            due = self.now + max(3 * self.echo.quiet, _LATE_MS)
            self._late = _Late(typed, self.strip.painted, due)

    def settle_late(self) -> None:
        """An echo is plain characters up to the end of the line, and comes before all else."""
        late, self._late = self._late, None
        if late is None or self.rules.hidden_input == "allow":
            return
        until = self.strip.first_break
        shown = (self.strip.painted if until is None else until) - late.painted
        if late.typed > shown:
            self.note_hidden(late.typed - shown, "run")

    def note_hidden(self, count: int, state: str) -> None:
        """Bytes were typed and not shown: how many, never which."""
        self.note(EventKind.LINE_HIDDEN, bytes=count, state=state)

    def ungated(self, payload: Mapping[str, object]) -> None:
        """A line ran that nobody let go."""
        self.note(EventKind.LINE_UNGATED, **payload)
