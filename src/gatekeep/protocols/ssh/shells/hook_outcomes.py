"""How released lines end: several may end at one prompt, and one of several may see many prompts.

Line numbers and statuses only; no bytes.
"""

from __future__ import annotations

from typing import Final

from gatekeep.protocols.ssh.shells.turns import Finished, Turn

MAX_RELEASED: Final = 1000


class Outcomes:
    """The lines that were released and whose end is not told yet."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._ended: tuple[list[int], int | None] | None = None

    def released(self, line_id: int) -> None:
        """A line runs, or is the beginning of one that will."""
        self._open.append(line_id)
        del self._open[:-MAX_RELEASED]

    def prompt(self, status: int | None, *, several: bool) -> list[Turn]:
        """A prompt is due. Behind a line of several its status is the last one's: it waits."""
        if status is None or not (several or self._ended is not None):
            return self.settle() + self.finish(status)
        before = self._ended[0] if self._ended is not None else []
        self._ended = ([*before, *self._open], status)
        self._open = []
        return []

    def settle(self) -> list[Turn]:
        """Another line is edited: what ended, has."""
        if self._ended is None:
            return []
        lines, status = self._ended
        self._ended = None
        return [Finished(line, status) for line in lines]

    def finish(self, status: int | None) -> list[Turn]:
        """All that is open ends so; None where it never ran, or is not known."""
        lines, self._open = self._open, []
        return [Finished(line, status) for line in lines]
