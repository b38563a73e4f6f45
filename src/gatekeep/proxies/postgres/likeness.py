"""Which executions have a likeness, and what it is; how one is made of a text is `protocols.sql`'s.

Decides nothing: what has none is asked about as ever.
"""

from __future__ import annotations

from typing import Final

from gatekeep.domain.actions import FUNCTION_CALL, SqlAction, SqlClass
from gatekeep.domain.likeness import Likeness
from gatekeep.protocols.sql.likeness import bound_values, sql_likeness

_CLASSES: Final = frozenset({SqlClass.READ, SqlClass.WRITE})


def likeness_of(action: SqlAction) -> Likeness | None:
    """Of one statement that reads or writes, whose whole text and values may be shown; else None."""
    if len(action.facts) != 1 or action.mode == FUNCTION_CALL or action.redacted != action.text:
        return None
    (fact,) = action.facts
    if fact.sql_class not in _CLASSES or fact.takes is not None:
        return None
    return sql_likeness(fact.template, action.text, bound_values(action.parameters))
