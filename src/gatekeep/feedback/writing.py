"""The Cedar text of a suggestion, and the day on which it ends. The words are `policy.standing`'s.

Decides nothing: whether the text may come into force is asked by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.domain.suggestions import Suggestion

LONGEST_DAYS: Final = 90
"""After so many days a rule that loosens ends at the latest."""


def written(suggestion: Suggestion, now_us: int, asks: Sequence[str] = ()) -> Suggestion:
    """The suggestion with the text of its rule, where its kind writes one."""
    return suggestion
