"""Plays moments in time on a terminal: pace, pause, search. What is painted is the stage's."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TextIO

from rich.cells import set_cell_size

from gatekeep.cli.output import visible
from gatekeep.recordings.chunks import (
    ERRORS,
    OUTPUT,
    RESIZED,
    TOLD,
    Record,
    for_a_screen,
    resized_terminal,
)
from gatekeep.recordings.emulator import Emulator
from gatekeep.recordings.painter import Painter

IDLE_US: Final = 2_000_000
_FRAME_S: Final = 0.05
_SECOND: Final = 1_000_000
_MAX_SEARCH: Final = 80
_ENTER: Final = ("\r", "\n")


class Stage(Protocol):
    """What moments are shown on."""

    def take(self, moment: int) -> None:
        """The moment of this number has come; nothing is painted yet."""

    def picture(self, status: str) -> str:
        """What to write so that everything taken is seen."""

    def leave(self) -> str:
        """What to write at the end."""


class Keys(Protocol):
    """What the reader presses."""

    def wait(self, seconds: float | None) -> str:
        """A character, or "" when none came in time; None waits for ever."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast to play, from which moment of the recording (µs), and whether pauses are cut."""

    speed: float = 1.0
    from_us: int = 0
    skip_idle: bool = False

    def seconds(self, gap_us: int) -> float:
        """How long to wait for a gap."""
        return (min(gap_us, IDLE_US) if self.skip_idle else gap_us) / _SECOND / self.speed


@dataclass(frozen=True, slots=True)
class Script:
    """The moments: when each comes (µs since the start, rising), and its text, for `/`."""

    times: Sequence[int]
    texts: Sequence[str]


class Player:
    """Plays a script's moments on a stage, as the keys say."""

    def __init__(
        self,
        script: Script,
        stage: Stage,
        keys: Keys,
        write: Callable[[str], None],
        *,
        pace: Pace,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times = script.times
        self._texts = script.texts
        self._stage = stage
        self._keys = keys
        self._write = write
        self._pace = pace
        self._now = now
        self._next = 0
        self._paused = False
        self._due = self._painted = self._left_s = 0.0

    def play(self) -> None:
        """Play to the end, or until q; the terminal is left in order whatever ends it."""
        try:
            self._play()
        finally:
            self._write(self._stage.leave())

    def _play(self) -> None:
        while self._next < len(self._times) and self._times[self._next] < self._pace.from_us:
            self._take()
        self._paint()
        self._due = self._now()
        while self._next < len(self._times):
            self._due += self._gap_s()
            if max(self._due - self._now(), self._now() - self._painted) > _FRAME_S:
                self._paint()
            if not self._wait():
                break
            self._due = max(self._due, self._now() - _FRAME_S)
            self._take()
        self._paint()

    def _gap_s(self) -> float:
        """How long the next moment is to wait for."""
        if self._next >= len(self._times):
            return 0.0
        before = self._times[self._next - 1] if self._next else 0
        return self._pace.seconds(self._times[self._next] - max(before, self._pace.from_us))

    def _wait(self) -> bool:
        """Wait for the next moment, doing what keys say; false to stop."""
        while True:
            left = max(0.0, self._due - self._now())
            key = self._keys.wait(None if self._paused else left)
            if key == "":
                return True
            if key == "q":
                return False
            if key == "/":
                self._search()
            elif key == " ":
                self._pause()
            if not self._paused and self._next >= len(self._times):
                return False

    def _pause(self) -> None:
        """Pause, or go on with what was left to wait."""
        if self._paused:
            self._due = self._now() + self._left_s
        else:
            self._left_s = max(0.0, self._due - self._now())
        self._paused = not self._paused
        self._paint()

    def _search(self) -> None:
        """Read a word and go on to the next moment whose text holds it; stay there."""
        word = ""
        while True:
            self._write(self._stage.picture(f"/{word}"))
            key = self._keys.wait(None)
            if key in _ENTER or key == "":
                break
            word = word[:-1] if key in ("\x7f", "\b") else (word + key)[:_MAX_SEARCH]
        for place in range(self._next, len(self._texts)):
            if word and word.lower() in self._texts[place].lower():
                while self._next <= place:
                    self._take()
                break
        self._paused = True
        self._left_s = self._gap_s()
        self._paint()

    def _take(self) -> None:
        self._stage.take(self._next)
        self._next += 1

    def _paint(self) -> None:
        self._painted = self._now()
        at = self._times[self._next - 1] if self._next else 0
        total = self._times[-1] if self._times else 0
        word = "paused" if self._paused else f"{self._pace.speed:g}x"
        self._write(self._stage.picture(f"{clock(at)} / {clock(total)}  {word}   space q /"))


def clock(microseconds: int) -> str:
    """A moment of a recording: `0:03:09`."""
    seconds = microseconds // _SECOND
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class ScreenStage:
    """A recorded terminal, painted from our own emulator; the last row is ours."""

    def __init__(self, title: str, records: Sequence[Record], emulator: Emulator, size: tuple[int, int]) -> None:
        self._title = visible(title)
        self._records = records
        self._emulator = emulator
        self._columns, rows = size
        self._rows = max(1, rows - 1)
        self._painter = Painter(self._columns, self._rows)
        self._words = ""

    def take(self, moment: int) -> None:
        """One record."""
        self.show(self._records[moment])

    def show(self, record: Record) -> None:
        """Feed a record to the emulator, or keep our own words for the last row."""
        if record.code in (OUTPUT, ERRORS):
            self._emulator.feed(for_a_screen(record, self._emulator.terminal))
        elif record.code == RESIZED:
            self._emulator.resize(resized_terminal(record.data, self._emulator.terminal.term))
        elif record.code == TOLD:
            self._words = visible(record.data.decode("utf-8", "replace"))

    def picture(self, status: str) -> str:
        """The screen, and below it the session, the status and the last words of ours."""
        line = set_cell_size(f"{self._title}  {visible(status)}  {self._words}", self._columns - 1)
        frame = self._painter.frame(self._emulator)
        row, column = self._emulator.cursor
        cursor = f"\x1b[{min(row, self._rows - 1) + 1};{min(column, self._columns - 1) + 1}H"
        return f"\x1b[{self._rows + 1};1H\x1b[0;7m{line}\x1b[0m{frame}{cursor}"

    def leave(self) -> str:
        """Plain, below everything."""
        return f"\x1b[0m\x1b[{self._rows + 1};1H\n"


class LineStage:
    """Lines, one below the other, as their moments come."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._waiting: list[str] = []

    def take(self, moment: int) -> None:
        """One line."""
        self._waiting.append(self._lines[moment])

    def picture(self, status: str) -> str:  # noqa: ARG002 - lines have no room for it
        """The lines that are new."""
        waiting, self._waiting = self._waiting, []
        return "".join(f"{line}\n" for line in waiting)

    def leave(self) -> str:
        """Nothing more."""
        return ""


class TerminalKeys:
    """Single keys of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._typed = ""

    def wait(self, seconds: float | None) -> str:
        """See Keys. A sequence, such as an arrow's, is no key; the end of input is q."""
        if not self._typed:
            ready, _, _ = select.select([self._stream], [], [], seconds)
            if not ready:
                return ""
            typed = os.read(self._stream.fileno(), 64).decode("latin-1") or "q"
            self._typed = "?" if typed.startswith("\x1b") else typed
        key, self._typed = self._typed[0], self._typed[1:]
        return key


@contextlib.contextmanager
def single_keys(stream: TextIO = sys.stdin) -> Iterator[Keys]:
    """Keys one by one, not echoed, while the block runs."""
    if not stream.isatty():
        yield NoKeys()
        return
    before = termios.tcgetattr(stream)
    try:
        tty.setcbreak(stream)
        yield TerminalKeys(stream)
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


class NoKeys:
    """Nobody presses anything."""

    def wait(self, seconds: float | None) -> str:
        """Let the time pass."""
        time.sleep(seconds or 0)
        return ""
