"""One line while it is edited: its prompt, what is known of its keys, and what it reads as.

The screen is `screen`'s, reading is `lines`'; here stands what makes a reading sure or not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from gatekeep.protocols.ssh.shells.keys import Piece
from gatekeep.protocols.ssh.shells.lines import Prompt, Typed, prompt_at_cursor, read_line
from gatekeep.protocols.ssh.shells.screen import Strip

_TAB: Final = b"\t"
_CLEAR: Final = b"\x0c"
_MAX_TEXT: Final = 65_536
_INTERRUPT_MS: Final = 2_000
_MIN_LEFT_OVER: Final = 2


def digest_of(text: str) -> str:
    """The SHA-256 (hex) of a line."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a line reads as: all physical lines of it. `hidden` characters were typed unshown."""

    text: str
    doubts: frozenset[str]
    hidden: int
    searching: bool = False

    @property
    def resolved(self) -> bool:
        """Whether it is sure, as far as a screen goes."""
        return not self.doubts and not self.hidden

    @property
    def tags(self) -> frozenset[str]:
        """The doubts by name."""
        return self.doubts | {"hidden_input"} if self.hidden else self.doubts


@dataclass(slots=True)
class Edit:
    """From the mark that editing began to the mark that a line was taken.

    `before` is what was entered already of an incomplete text. `ahead`: keys of this line may have
    been typed while a program ran. `released`: an accept byte was let go and is not yet confirmed.
    `after_run`: a line that was let go ran before. `painted`: the strip's count when it began. `floor`: rows below it are not the line's.
    """

    began: int
    before: str = ""
    ahead: bool = False
    prompt: Prompt | None = None
    forwarded: bool = False
    released: str | None = None
    interrupted: int | None = None
    after_run: bool = False
    painted: int = 0
    floor: int = 0
    doubts: set[str] = field(default_factory=set)
    _count: int = 0
    _edits: bool = False
    _recalls: bool = False
    _quoted: bool = False
    _breaks: bool = False
    _completes: bool = False

    def absorb(self, piece: Piece, now: int) -> None:
        """Keys were forwarded to this line."""
        self.forwarded = True
        self._count += piece.printable
        self._edits |= piece.edits
        self._recalls |= piece.recalls
        self._quoted |= piece.quoted
        self._breaks |= piece.breaks
        self._completes |= _TAB in piece.data or _CLEAR in piece.data
        if piece.interrupts:
            self.interrupted = now

    def was_interrupted(self, now: int) -> bool:
        """Whether a line that vanishes now was given up, not entered."""
        return self.interrupted is not None and now - self.interrupted <= _INTERRUPT_MS

    def looks_ready(self, strip: Strip, known: Prompt | None) -> bool:
        """Whether what stands before the cursor looks like a whole prompt."""
        here = prompt_at_cursor(strip)
        return here.usual or (known is not None and here.text == known.text)

    def place_prompt(self, strip: Strip, known: Prompt | None) -> None:
        """What stands before the cursor is the prompt, unless keys came earlier than it did."""
        here = prompt_at_cursor(strip)
        same = known is not None and here.text == known.text
        if self.ahead and not same:
            here = self._prompt_above(strip, known)
        elif not same and not here.usual:
            self.doubts.add("prompt_unusual")
        elif known is not None and not same and not self.before and here.text.strip() == ">":
            self.doubts.add("continuation")  # the shell asks for more of what seemed whole
        self.prompt = here

    def _prompt_above(self, strip: Strip, known: Prompt | None) -> Prompt:
        """The known prompt, with part of the line behind it already."""
        self._edits = self._recalls = True
        for y, row in enumerate(strip.rows):
            if known is not None and known.x and row.text().startswith(known.text):
                return Prompt(y, known.x, known.text, strip.home)
        self.doubts.add("type_ahead")
        return Prompt(0, 0, "", strip.home)

    def mark_prompt(self, strip: Strip) -> None:
        """The shell itself says that its prompt ends here."""
        self.prompt = prompt_at_cursor(strip, marked=True)

    def prompt_again(self, strip: Strip) -> bool:
        """Whether the cursor stands behind the same prompt, painted once more below."""
        prompt = self.prompt
        if prompt is None or not prompt.x or strip.y < self.floor:
            return False
        return prompt_at_cursor(strip).text == prompt.text

    def is_bare(self, strip: Strip) -> bool:
        """Whether the cursor stands behind the prompt, and nothing stands behind the cursor."""
        prompt = self.prompt
        if prompt is None or not prompt.x or prompt_at_cursor(strip).text != prompt.text:
            return False
        if prompt.y < strip.y < self.floor and strip.home == prompt.home:
            return False  # a row of the line itself
        return not any(row.text(strip.x if at == 0 else 0) for at, row in enumerate(strip.rows[strip.y :]))

    def left_over(self, text: str, known: Prompt | None) -> bool:
        """Whether a line that was to be given up stands in what should be the bare prompt."""
        if self.prompt is None or (known is not None and self.prompt.text == known.text):
            return False
        line = text.rpartition("\n")[2].strip()
        return len(line) >= _MIN_LEFT_OVER and line in self.prompt.text

    def read(self, strip: Strip, login_shell: str, unechoed: int) -> Seen:
        """The line as the screen shows it now."""
        prompt = self.prompt or prompt_at_cursor(strip)
        typed = Typed(self._recalls, self._quoted, self._breaks, self._completes)
        reading = read_line(strip, prompt, typed, login_shell)
        hidden = unechoed
        if not (self._edits or self.ahead):
            hidden = max(hidden, self._count - reading.shown)
        doubts = reading.doubts | self.doubts
        text = f"{self.before}\n{reading.text}" if self.before else reading.text
        if len(text) > _MAX_TEXT:
            text, doubts = text[:_MAX_TEXT], doubts | {"too_long"}
        return Seen(text, doubts, max(hidden, 0), reading.searching)
