"""What an action that goes out may do to what is known of its session and of the target's schema.

Words about actions only: who keeps what in mind is `session`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from gatekeep.domain.actions import (
    COPY_IN,
    COPY_OUT,
    SqlAction,
    SqlClass,
    SqlFacts,
    TransactionVerb,
)
from gatekeep.gate.permit import EarlyPermit, Permit
from gatekeep.protocols.postgres.turns import Released

# No schema can be changed by these. A trigger could; it is the owner's code, and what is known of
# a catalogue is void after 60 s in any case.
LEAVES_SCHEMA_ALONE: Final = frozenset({SqlClass.READ, SqlClass.WRITE, SqlClass.SESSION})
# These run no code: what they change is read back with the session vector.
_RUNS_DEFERRED: Final = frozenset({TransactionVerb.COMMIT, TransactionVerb.PREPARE})
ONLY_SETTINGS: Final = frozenset({SqlClass.SESSION})
_COPIES: Final = frozenset({COPY_IN, COPY_OUT})
_OF_THE_VECTOR: Final = frozenset(
    {
        "client_encoding", "names", "role", "row_security", "search_path",
        "session_replication_role", "standard_conforming_strings",
    }
)  # fmt: skip
"""What is read back with the vector, and cuts a pipeline: it counts by what it is, not by being set."""
_TURNS_NOTHING: Final = frozenset(
    {
        "all", "application_name", "client_min_messages", "deadlock_timeout",
        "default_transaction_deferrable", "default_transaction_isolation",
        "default_transaction_read_only", "extra_float_digits", "idle_in_transaction_session_timeout",
        "idle_session_timeout", "lock_timeout", "maintenance_work_mem", "plan_cache_mode",
        "statement_timeout", "synchronous_commit", "tcp_keepalives_count", "tcp_keepalives_idle",
        "tcp_keepalives_interval", "temp_buffers", "transaction_deferrable", "transaction_isolation",
        "transaction_read_only", "transaction_timeout", "work_mem",
    }
)  # fmt: skip
"""How long, how fast and under which name. RESET ALL (`all`) goes back to how the session began."""
_HARMLESS: Final = _OF_THE_VECTOR | _TURNS_NOTHING
_CODE: Final = frozenset({SqlClass.OPAQUE, SqlClass.PROCEDURAL})
_RELEASED: Final = Released()


def released(action: SqlAction, permit: Permit | EarlyPermit) -> Released:
    """The verdict for what may go out. What is opaque may be a COPY TO STDOUT for all we know.

    It is never let take rows: a COPY FROM STDIN is known, or the target may not ask for any.
    """
    if permit.vector_safe and action.within(LEAVES_SCHEMA_ALONE):
        return _RELEASED
    copies = sum(
        fact.copy_target == COPY_OUT or fact.sql_class is SqlClass.OPAQUE for fact in action.facts
    )
    takes = sum(fact.copy_target == COPY_IN for fact in action.facts)
    return Released(probe_after=not permit.vector_safe, copies_out=copies, copies_in=takes)


def leaves_all_alone(action: SqlAction, *, vector_safe: bool) -> bool:
    """Whether nothing that is known can change by it: reads, writes, and COPY of the like."""
    return vector_safe and (
        action.within(LEAVES_SCHEMA_ALONE)
        or all(
            fact.sql_class in LEAVES_SCHEMA_ALONE
            or (fact.copy_target in _COPIES and fact.vector_safe)
            for fact in action.facts
        )
    )


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


def turns(settings: Iterable[str]) -> bool:
    """Whether one of these settings may decide what a statement does, beyond the session vector.

    Row security, triggers and functions read whatever is set, `app.tenant` above all. So what is not
    known to turn nothing may turn everything.
    """
    return any(name.lower() not in _HARMLESS for name in settings)


def turns_what_follows(action: SqlAction) -> bool:
    """Whether the session may mean something else by the same text once this has run."""
    return any(fact.sql_class in _CODE or turns(fact.settings) for fact in action.facts)


def defers(fact: SqlFacts) -> bool:
    """Whether it leaves work to the end of its transaction: a cursor to fill, constraints."""
    return "with_hold" in fact.tags or fact.verb == "SET CONSTRAINTS"


class PutOff:
    """Whether the open transaction left work to its end. `any` turns false when it is over."""

    __slots__ = ("any",)

    def __init__(self) -> None:
        self.any = False

    def told(self, facts: tuple[SqlFacts, ...], *, failed: bool) -> tuple[SqlFacts, ...]:
        """The facts of the next action, with a COMMIT told as what it runs (12 M2).

        What puts off counts from here on, whatever becomes of it. `failed`: the transaction can
        only be rolled back, and that runs nothing.
        """
        for fact in facts:
            if self.any or defers(fact):
                return self._told(facts, failed=failed)
        return facts

    def _told(self, facts: tuple[SqlFacts, ...], *, failed: bool) -> tuple[SqlFacts, ...]:
        told: list[SqlFacts] = []
        for fact in facts:
            if self.any and not failed and fact.transaction in _RUNS_DEFERRED:
                told.append(_running(fact))
            else:
                told.append(fact)
            self.any = self.any or defers(fact)
        return tuple(told)


def _running(fact: SqlFacts) -> SqlFacts:
    """The end of a transaction, where it runs what was put off, triggers among it."""
    return replace(
        fact,
        sql_class=SqlClass.PROCEDURAL,
        tags=fact.tags | {"deferred"},
        unproven="what was deferred runs now",
        tables_complete=False,
        functions_complete=False,
        vector_safe=False,
    )
