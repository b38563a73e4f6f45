"""What an action that goes out may do to what is known of its session and of the target's schema.

Words about actions only: who keeps what in mind is `session`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, TransactionVerb

# No schema can be changed by these. A trigger could; it is the owner's code, and what is known of
# a catalogue is void after 60 s in any case.
LEAVES_SCHEMA_ALONE: Final = frozenset({SqlClass.READ, SqlClass.WRITE, SqlClass.SESSION})
# These run no code: what they change is read back with the session vector.
_RUNS_DEFERRED: Final = frozenset({TransactionVerb.COMMIT, TransactionVerb.PREPARE})
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


def takes_meaning(facts: tuple[SqlFacts, ...]) -> bool:
    """Whether the meaning of one of these turns on a name of the session."""
    for fact in facts:  # noqa: SIM110 - asked for every statement; a generator costs thrice
        if fact.takes is not None:
            return True
    return False


def defers(fact: SqlFacts) -> bool:
    """Whether it leaves work to the end of its transaction: a cursor to fill, constraints."""
    return "with_hold" in fact.tags or fact.verb == "SET CONSTRAINTS"


def running_deferred(facts: tuple[SqlFacts, ...], *, deferred: bool) -> tuple[SqlFacts, ...]:
    """The facts where an end of the transaction runs what was put off, triggers among it.

    `deferred` says that something was, before these. A ROLLBACK runs none of it (12 M2).
    """
    told: list[SqlFacts] = []
    for fact in facts:
        if deferred and fact.transaction in _RUNS_DEFERRED:
            fact = replace(  # noqa: PLW2901 - the same statement, told in full
                fact,
                sql_class=SqlClass.PROCEDURAL,
                tags=fact.tags | {"deferred"},
                unproven="what was deferred runs now",
                tables_complete=False,
                functions_complete=False,
                vector_safe=False,
            )
        deferred = deferred or defers(fact)
        told.append(fact)
    return tuple(told)
