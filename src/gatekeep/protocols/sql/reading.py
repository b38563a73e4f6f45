"""Text in, facts out: the one entry to what a SQL text means. Decides nothing, never raises.

What cannot be understood is opaque: no tree, string syntax unknown, or a statement that follows,
in the same text, one after which the session's reading of SQL is not known (12-threats C2).
"""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import Any

from gatekeep.domain.actions import SqlClass, SqlFacts, TransactionVerb
from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.facts import facts_of
from gatekeep.protocols.sql.inheritance import Sources, inherited
from gatekeep.protocols.sql.meaning import Meaning, begun
from gatekeep.protocols.sql.names import Found, collect
from gatekeep.protocols.sql.parse import Statement, parse_statements
from gatekeep.protocols.sql.proof import Ground, plain_strings
from gatekeep.protocols.sql.query_statements import (
    read_copy,
    read_execute,
    read_explain,
    read_fetch,
    read_query,
    read_wrapped,
)
from gatekeep.protocols.sql.redact import described, without_literals
from gatekeep.protocols.sql.schema_statements import read_schema
from gatekeep.protocols.sql.session_statements import (
    read_constraints,
    read_discard,
    read_set,
    read_transaction,
)
from gatekeep.protocols.sql.template import exact_template

_TURNS_ON_SYNTAX = re.compile(r"['\"\\$]|[^\x00-\x7f]")
_KEYWORD = re.compile(r"\s*([A-Za-z]{1,30})")
_BUILTIN_PARAMETERS = 16_384

_RENAMING = ("PREPARE", "DECLARE", "DEALLOCATE", "DISCARD", "CLOSE")
_QUERIES = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
_SESSION_READERS = {
    "variable_set_stmt": read_set,
    "transaction_stmt": read_transaction,
    "discard_stmt": read_discard,
    "constraints_set_stmt": read_constraints,
}
_QUERY_READERS = {
    "prepare_stmt": read_wrapped,
    "declare_cursor_stmt": read_wrapped,
    "explain_stmt": read_explain,
    "copy_stmt": read_copy,
}
_TAKING_READERS = {"execute_stmt": read_execute, "fetch_stmt": read_fetch}


def read_statements(
    text: str,
    *,
    catalogue: CatalogueView | None,
    vector: SessionVector,
    trusted_code: frozenset[str] = frozenset(),
    sources: Sources | None = None,
) -> tuple[SqlFacts, ...]:
    """The facts of each statement in `text`, in order; none for an empty text.

    `catalogue` is what is known of the database (None: nothing is proven), `vector` how the
    session reads SQL now, `trusted_code` the names of the target's owner; `sources`
    tells the statements behind the session's names (None: none is known). Texts over
    `guard.SMALL` characters belong on a thread with a 64 MiB stack. Never raises.
    """
    try:
        facts = _read(text, catalogue, vector, trusted_code, sources)
    except Exception:  # noqa: BLE001 - whatever it is, the statement is not understood
        return (_opaque(text, parsed=False),)
    return facts


def unread(text: str, why: str) -> tuple[SqlFacts, ...]:
    """The facts of a text that must not or could not be looked into."""
    return (_opaque(text, parsed=False, why=why),)


@functools.lru_cache(maxsize=64)
def ending_changes(facts: tuple[SqlFacts, ...]) -> tuple[SqlFacts, ...]:
    """The facts where the open transaction may have changed how the session reads SQL.

    A COMMIT ends SET LOCAL, may turn out to be a ROLLBACK, and runs what was deferred: what
    comes after it is not known, as after a ROLLBACK.
    """
    changed: list[SqlFacts] = []
    unsafe = ""
    for one in facts:
        if unsafe:
            changed.append(_after(one, unsafe))
            continue
        if one.transaction is TransactionVerb.COMMIT:
            changed.append(replace(one, vector_safe=False))
        else:
            changed.append(one)
        unsafe = "" if changed[-1].vector_safe else one.verb
    return tuple(changed)


def parameters_unproven(oids: tuple[int, ...] | list[int], catalogue: CatalogueView | None) -> str:
    """Why binding values of these declared types may run code; empty when it cannot.

    A Parse message may declare `$1` to be of a domain: the target then runs its CHECK at Bind.
    """
    for oid in oids:
        if oid < _BUILTIN_PARAMETERS:
            continue
        if catalogue is None or oid not in catalogue.parameter_types:
            return f"parameter type {oid}"
    return ""


def _read(
    text: str,
    view: CatalogueView | None,
    vector: SessionVector,
    trusted: frozenset[str],
    sources: Sources | None,
) -> tuple[SqlFacts, ...]:
    if not text or text.isspace():
        return ()
    if not plain_strings(vector) and _TURNS_ON_SYNTAX.search(text):
        return (_opaque(text, parsed=False, why="string syntax not known"),)
    statements = parse_statements(text)
    if statements is None:
        return (_opaque(text, parsed=plain_strings(vector)),)
    ground = Ground.of(view, vector, trusted)
    facts: list[SqlFacts] = []
    unsafe = ""
    for statement in statements:
        one = facts_of(statement, _meaning(statement, ground), ground)
        if one.takes is not None and sources is not None and not unsafe:
            text_behind = None if _may_rename(facts) else sources(one.takes)
            if text_behind is not None:
                behind = _read(text_behind, view, vector, trusted, None)
                one = inherited(one, behind, text_behind)
        if unsafe:
            one = _after(one, unsafe)
        elif not one.vector_safe:
            unsafe = one.verb
        facts.append(one)
    return tuple(facts)


def _may_rename(facts: list[SqlFacts]) -> bool:
    """Whether a statement before, in the same text, may have given or taken a name."""
    return any(one.gives is not None or one.verb.startswith(_RENAMING) for one in facts)


def _meaning(statement: Statement, ground: Ground) -> Meaning:
    kind, node = statement.kind, statement.node
    meaning = begun(kind, _found(kind, node))
    if kind in _QUERIES:
        read_query(node, meaning, ground)
    elif kind in _QUERY_READERS:
        _QUERY_READERS[kind](node, meaning, ground)
    elif kind in _TAKING_READERS:
        _TAKING_READERS[kind](node, meaning, ground)
    elif kind in _SESSION_READERS:
        _SESSION_READERS[kind](node, meaning)
    else:
        read_schema(kind, node, meaning, ground)
    return meaning


def _found(kind: str, node: Any) -> Found:
    if kind == "copy_stmt" and not node.HasField("query"):
        return _found_in_copy(node)
    if kind == "execute_stmt":
        return collect(*node.params)  # its arguments; what it runs is another statement's
    if kind not in _QUERY_READERS:
        return collect(node)
    found = collect(getattr(node.query, node.query.WhichOneof("node")))
    if kind == "prepare_stmt":
        for one in node.argtypes:
            found.types |= collect(one).types
    return found


def _found_in_copy(node: Any) -> Found:
    found = collect(node.where_clause) if node.HasField("where_clause") else Found()
    named = collect(node.relation)
    found.reads |= named.reads
    found.aliases.update(named.aliases)
    return found


def _after(facts: SqlFacts, unsafe: str) -> SqlFacts:
    exact = facts.template.startswith("exact:")
    return replace(
        facts,
        sql_class=SqlClass.OPAQUE,
        tables_complete=False,
        functions_complete=False,
        columns_complete=False,
        unproven=f"follows {unsafe}",
        vector_safe=False,
        values_read=True,
        template=facts.template if exact else exact_template(facts.redacted),
    )


def _opaque(text: str, *, parsed: bool, why: str = "not understood") -> SqlFacts:
    keyword = _KEYWORD.match(text)
    shown = without_literals(text) if parsed else described(text)
    return SqlFacts(
        sql_class=SqlClass.OPAQUE,
        verb=keyword[1].upper() if keyword else "STATEMENT",
        redacted=shown,
        template=exact_template(text),
        tables_complete=False,
        functions_complete=False,
        columns_complete=False,
        tags=frozenset({"opens_opaque"}),
        unproven=why,
        vector_safe=False,
    )
