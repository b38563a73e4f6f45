"""The Cedar text of a suggestion, and the day on which it ends. The words are `policy.standing`'s.

Decides nothing: whether the text may come into force is asked by others.
"""

from __future__ import annotations

from gatekeep.domain.suggestions import Suggestion


def written(suggestion: Suggestion, now_us: int) -> Suggestion:
    """The suggestion with the text of its rule, where its kind writes one."""
    return suggestion
