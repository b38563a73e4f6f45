"""What an action that goes out may do to what is known of its session and of the target's schema.

Words about actions only: who keeps what in mind is `session`.
"""

from __future__ import annotations

from typing import Final

from gatekeep.domain.actions import SqlAction, SqlClass, TransactionVerb

# No schema can be changed by these. A trigger could; it is the owner's code, and what is known of
# a catalogue is void after 60 s in any case.
LEAVES_SCHEMA_ALONE: Final = frozenset({SqlClass.READ, SqlClass.WRITE, SqlClass.SESSION})
# These run no code: what they change is read back with the session vector.
ONLY_SETTINGS: Final = frozenset({SqlClass.SESSION})


def taints(action: SqlAction) -> bool:
    """Whether its transaction may hold changes afterwards that no look-up can see yet."""
    return not action.within(LEAVES_SCHEMA_ALONE) or not action.within(ONLY_SETTINGS)


def may_change_schema(action: SqlAction) -> bool:
    """Whether what the next look-up finds may be another schema."""
    return not action.within(LEAVES_SCHEMA_ALONE) or runs_unknown_code(action)


def runs_unknown_code(action: SqlAction) -> bool:
    """Whether it names code that may do anything, or lets a prepared transaction take effect."""
    return any(
        not fact.functions_complete or fact.transaction is TransactionVerb.COMMIT_PREPARED
        for fact in action.facts
    )
