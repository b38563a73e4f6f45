"""Statements whose meaning is that of another: EXECUTE, FETCH, MOVE, WHERE CURRENT OF.

Each is opaque by itself. Where the session's names tell the statement behind it, it has that
statement's class, verb, facts and tags, joined with what its own words add: arguments may run code, an
UPDATE or DELETE writes. Whatever is not surely one plain query of this name stays opaque (12 M2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from gatekeep.domain.actions import NameKind, Naming, SqlClass, SqlFacts, TransactionVerb
from gatekeep.protocols.sql.query_statements import CURRENT_OF
from gatekeep.protocols.sql.template import exact_template

Sources: TypeAlias = Callable[[Naming], str | None]
"""The text behind a name of the session: a query, or the PREPARE or DECLARE that made it."""

_QUERIES: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_MAKERS: Final = {NameKind.STATEMENT: "PREPARE ", NameKind.CURSOR: "DECLARE "}
_TAKERS: Final = frozenset({"EXECUTE", "FETCH", "UPDATE", "DELETE"})
_PROVEN: Final = frozenset({SqlClass.READ, SqlClass.WRITE})
_NOT_INHERITED: Final = frozenset({"with_hold"})


def inherited(own: SqlFacts, behind: tuple[SqlFacts, ...], text_behind: str) -> SqlFacts:
    """The facts of a statement, given those of the text behind the name that it takes."""
    source = behind[0] if len(behind) == 1 else None
    if source is None or own.verb not in _TAKERS or not _is_behind(own, source):
        return own
    reason = "" if own.unproven == CURRENT_OF else own.unproven
    return replace(
        own,
        sql_class=_joined_class(own, source, proven=not reason),
        verb=own.verb if own.verb in _QUERIES else _query_verb(source),
        template=exact_template(f"{own.redacted}\n{text_behind}"),
        tables_read=own.tables_read | source.tables_read,
        tables_written=own.tables_written | source.tables_written,
        columns=own.columns | source.columns,
        functions=own.functions | source.functions,
        where=source.where if own.verb in {"EXECUTE", "FETCH"} else own.where,
        tags=own.tags | (source.tags - _NOT_INHERITED),
        settings=own.settings | source.settings,
        roles=own.roles | source.roles,
        unproven=reason or source.unproven,
        vector_safe=source.vector_safe and not reason,
        tables_complete=source.tables_complete and _complete(own, reason),
        functions_complete=source.functions_complete and not reason,
        columns_complete=source.columns_complete and _complete(own, reason),
        values_read=True,
        source=source.redacted,
    )


def _is_behind(own: SqlFacts, source: SqlFacts) -> bool:
    """Whether the source is one understood query that stands behind just this name."""
    taken = own.takes
    if taken is None or source.sql_class is SqlClass.OPAQUE or source.takes is not None:
        return False
    if source.transaction is not TransactionVerb.NONE:
        return False
    if source.gives is None:
        return source.verb in _QUERIES  # a Parse or a Bind made the name
    return source.gives.name == taken.name and source.verb.startswith(_MAKERS[taken.kind])


def _query_verb(source: SqlFacts) -> str:
    return source.verb.rsplit(" ", 1)[-1]


def _joined_class(own: SqlFacts, source: SqlFacts, *, proven: bool) -> SqlClass:
    if source.sql_class in _PROVEN and not proven:
        # Unreviewed code in a DML statement leaves its class; in an argument it may do anything.
        return SqlClass.PROCEDURAL
    if own.verb in _QUERIES and source.sql_class is SqlClass.READ:
        return SqlClass.WRITE
    return source.sql_class


def _complete(own: SqlFacts, reason: str) -> bool:
    """What the own words name; EXECUTE and FETCH name no tables."""
    if reason:
        return False
    return own.tables_complete if own.verb in _QUERIES else True
