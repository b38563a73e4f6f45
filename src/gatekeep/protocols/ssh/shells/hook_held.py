"""Keys while a reported line waits: which of them give it up, and what is said of the others.

Knows nothing of the line, and what becomes of it is `hook`'s.
"""

from __future__ import annotations

from typing import Final

from gatekeep.messages import shell as words_of

_INTERRUPT: Final = b"\x03"
_LEAVES: Final = b"\x03\x04"


class Waiting:
    """`person`: the line waits for a person, not for a policy alone."""

    def __init__(self) -> None:
        self.person = False
        self._told = False

    def gives_up(self, data: bytes) -> int:
        """Behind which byte the line was given up, 0 if it was not. C-d counts before a person."""
        return 1 + max(data.rfind(key) for key in (_LEAVES if self.person else _INTERRUPT))

    def ignored(self) -> tuple[str, ...]:
        """What is said of a key that goes nowhere: words once, then a bell must do."""
        told, self._told = self._told, True
        return () if told else words_of.keys_ignored()

    def withdrawn(self) -> tuple[str, ...]:
        """What is said to whoever gave the line up."""
        return words_of.withdrawn() if self.person else ()
