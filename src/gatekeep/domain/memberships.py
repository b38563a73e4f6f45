"""Who is in which group since when, and by whom. Who may vote is `voting`."""

from __future__ import annotations

from typing import NamedTuple


class Membership(NamedTuple):
    """A person in a group. `by` is the person who put him there, empty for those of the beginning.

    `since_us` is microseconds UTC, 0 for the beginning.
    """

    person: str
    group: str
    since_us: int
    by: str
