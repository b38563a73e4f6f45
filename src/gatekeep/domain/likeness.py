"""What an action has in common with its like: our normal form, and the values in its slots.

Made from texts in `protocols`; read by adopted rules (`policy`) and by the feedback loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_SLOTS: Final = 9
"""How many slots rules can speak of. What has more of them has no likeness."""


@dataclass(frozen=True, slots=True)
class LikeSlot:
    """One value: its type (`int`, `numeric`, `text`, `bits`, `bound`, `path`, `number`) and text.

    `sensitive` ones (a role, a tenant, a price, a path, a setting) never stand for others.
    """

    type: str
    value: str
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Likeness:
    """A template and the values it holds here, in order; at most MOST_SLOTS.

    Two actions with the same template and the same values are the same text but for blanks and
    comments, and, over SSH, the order of flags.
    """

    template: str
    slots: tuple[LikeSlot, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """The values alone."""
        return tuple(one.value for one in self.slots)
