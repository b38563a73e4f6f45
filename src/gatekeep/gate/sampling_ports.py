"""What the gate asks of whoever chooses samples of what adopted rules let pass.

Ports and values only: how it is drawn stands in `sampling`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gatekeep.domain.likeness import Likeness
from gatekeep.domain.sessions import Session


class DrawKind(enum.StrEnum):
    """What becomes of one match of an adopted rule.

    PASS: it goes out. AFTER: it goes out, and a person looks at it afterwards. HELD: people are
    asked, as they would be without the rule.
    """

    PASS = "pass"  # noqa: S105 - to let pass
    AFTER = "after"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw: for which rule it counts, and `deed`, the digest of what was drawn about."""

    kind: DrawKind
    rule: str
    deed: bytes


OnAfter = Callable[[str, int, Session, str], None]
"""Hears of each match that is looked at afterwards: its rule, event, session and text (redacted)."""


class SampleBook(Protocol):
    """Draws samples. Called on the event loop's thread; nothing here waits or raises."""

    def draw(self, rules: Sequence[str], person: str, likeness: Likeness, now_us: int) -> Draw:
        """What becomes of this match of all these rules (one or more); it counts as a match of each.

        `person` is who answers for it: of a machine, its owner. HELD for a rule that is not known.
        """

    def passed(self, draw: Draw, n: int, session: Session, text: str) -> None:
        """What was drawn goes out under this event, which is durable."""

    def answered(self, draw: Draw) -> None:
        """A person has said yes to what was held."""

    def unanswered(self, draw: Draw) -> None:
        """Nobody has answered what was held: the next match of its rule is held in its place."""
