"""SELECT, DML and what wraps them: EXPLAIN, PREPARE, DECLARE, COPY, CREATE TABLE AS, views."""

from __future__ import annotations

from typing import Any

from gatekeep.domain.actions import COPY_IN, COPY_OUT, NameKind, Naming, SqlClass, WhereClause
from gatekeep.protocols.sql.meaning import KINDS, Meaning, constant
from gatekeep.protocols.sql.proof import Ground, trusted_names, unproven
from gatekeep.protocols.sql.session_statements import (
    only_session_calls,
    read_set_config,
    set_config_is_safe,
)
from gatekeep.protocols.sql.where import where_of

_DML_VERBS = (
    ("DeleteStmt", "DELETE"),
    ("UpdateStmt", "UPDATE"),
    ("MergeStmt", "MERGE"),
    ("InsertStmt", "INSERT"),
)
_QUERIES = frozenset({"select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
CURRENT_OF = "WHERE CURRENT OF"
"""Why a statement is not proven that turns on a cursor alone."""
_CURSOR_HOLD = 0x20
_FALSE = frozenset({"false", "off", "0"})
_WORST_FIRST = (WhereClause.ABSENT, WhereClause.TAUTOLOGY, WhereClause.PRESENT)
_EGRESS = ("dblink", "postgres_fdw", "http", "net_")
_OPENS_TEXT = """
query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml table_to_xml schema_to_xml
database_to_xml ts_stat ts_rewrite crosstab connectby xpath_table
"""
_OPENS = frozenset(_OPENS_TEXT.split())


def read_query(node: Any, meaning: Meaning, ground: Ground) -> None:
    """A SELECT or DML statement: class by its verbs and by the proof."""
    found = meaning.found
    meaning.values_read = False
    meaning.tables_complete = meaning.functions_complete = True
    meaning.unproven = unproven(found, ground, writing=bool(found.dml))
    read_set_config(meaning)
    if trusted_names(found, ground):
        meaning.tags.add("trusted_code")
    _read_class(meaning, ground)
    if found.row_locks:
        meaning.tags.add("row_locks")
    _complete(meaning, ground)
    _tag_functions(meaning)
    _read_where(node, meaning)
    if found.current_of:
        meaning.sql_class = SqlClass.OPAQUE
        meaning.unproven = meaning.unproven or CURRENT_OF
        if len(found.current_of) == 1:
            meaning.takes = Naming(NameKind.CURSOR, next(iter(found.current_of)))
    meaning.vector_safe = not meaning.unproven and not found.into and set_config_is_safe(meaning)


def _read_class(meaning: Meaning, ground: Ground) -> None:
    found = meaning.found
    if found.into:
        meaning.sql_class, meaning.verb = SqlClass.DDL, "SELECT INTO"
        meaning.tags.add("into")
    elif found.dml:
        _read_dml(meaning)
    elif meaning.unproven and only_session_calls(meaning, ground):
        meaning.sql_class, meaning.unproven = SqlClass.SESSION, ""
    elif meaning.unproven:
        meaning.sql_class = SqlClass.PROCEDURAL
    elif found.row_locks:
        meaning.sql_class = SqlClass.WRITE
    else:
        meaning.sql_class = SqlClass.READ


def _read_dml(meaning: Meaning) -> None:
    meaning.sql_class = SqlClass.WRITE
    verbs = meaning.found.verbs
    meaning.verb = next(verb for kind, verb in _DML_VERBS if kind in verbs)


def _complete(meaning: Meaning, ground: Ground) -> None:
    """Code that is not reviewed may touch anything; triggers and rules belong to their table."""
    if not meaning.unproven:
        return
    if meaning.found.dml and not unproven(meaning.found, ground):
        return
    meaning.tables_complete = meaning.functions_complete = False


def _tag_functions(meaning: Meaning) -> None:
    for name in meaning.found.functions:
        last = name[-1] if name else ""
        if last.startswith(_EGRESS):
            meaning.tags.add("network_egress")
            meaning.secret = True
        if last in _OPENS:
            meaning.tags.add("opens_opaque")


def _read_where(node: Any, meaning: Meaning) -> None:
    found = meaning.found
    judged = [where_of(one, meaning) for one in found.dml]
    if not found.dml and node.from_clause:
        judged.append(where_of(node, meaning))
    for worst in _WORST_FIRST:
        if worst in judged:
            meaning.where = worst
            break
    if found.dml and meaning.where in (WhereClause.ABSENT, WhereClause.TAUTOLOGY):
        meaning.tags.add("destructive")


def read_wrapped(statement: Any, meaning: Meaning, ground: Ground) -> None:
    """PREPARE and DECLARE: the class and facts of what they hold; opaque if that is no query."""
    kind = statement.query.WhichOneof("node")
    if kind not in _QUERIES:
        meaning.sql_class = SqlClass.OPAQUE
        return
    inner = getattr(statement.query, kind)
    verb, meaning.verb = meaning.verb, KINDS[kind].verb
    read_query(inner, meaning, ground)
    meaning.verb = f"{verb} {meaning.verb}"
    meaning.values_read = True
    if verb == "PREPARE":
        meaning.gives = Naming(NameKind.STATEMENT, statement.name)
        return
    kind_of_cursor = NameKind.CURSOR
    if statement.options & _CURSOR_HOLD:
        kind_of_cursor = NameKind.HELD_CURSOR
        meaning.tags.add("with_hold")
    meaning.gives = Naming(kind_of_cursor, statement.portalname)


def read_execute(statement: Any, meaning: Meaning, ground: Ground) -> None:
    """EXECUTE: opaque by itself; its arguments may run code of their own."""
    meaning.takes = Naming(NameKind.STATEMENT, statement.name)
    meaning.unproven = unproven(meaning.found, ground)
    _tag_functions(meaning)
    read_set_config(meaning)


def read_fetch(statement: Any, meaning: Meaning, _ground: Ground) -> None:
    """FETCH and MOVE: opaque by themselves."""
    meaning.takes = Naming(NameKind.CURSOR, statement.portalname)


def read_explain(statement: Any, meaning: Meaning, ground: Ground) -> None:
    """EXPLAIN: with ANALYZE it is what it runs; without, it may still run code while planning.

    An ANALYZE option counts unless its value is literally false. The class is that of the query
    explained, proven like any other.
    """
    kind = statement.query.WhichOneof("node")
    runs = _analyzes(statement)
    if kind not in _QUERIES:
        creates = kind in {"create_table_as_stmt", "refresh_mat_view_stmt"}
        meaning.sql_class = SqlClass.DDL if creates else SqlClass.OPAQUE
        return
    meaning.verb = KINDS[kind].verb
    read_query(getattr(statement.query, kind), meaning, ground)
    meaning.verb = f"EXPLAIN {'ANALYZE ' if runs else ''}{meaning.verb}"
    meaning.values_read = True
    if not runs:
        meaning.tags.discard("destructive")


def _analyzes(statement: Any) -> bool:
    runs = False
    for one in statement.options:
        if one.def_elem.defname.lower() == "analyze":
            value = _option(one.def_elem)
            runs = value is None or value.lower() not in _FALSE
    return runs


def _option(element: Any) -> str | None:
    """The value of a DefElem as text; None without one."""
    if not element.HasField("arg"):
        return None
    argument = element.arg
    which = argument.WhichOneof("node")
    if which == "string":
        return str(argument.string.sval)
    if which == "integer":
        return str(argument.integer.ival)
    if which == "boolean":
        return "true" if argument.boolean.boolval else "false"
    return constant(argument) or ""


def read_copy(statement: Any, meaning: Meaning, ground: Ground) -> None:
    """COPY: always its own class; what a query in it does is in its tables and tags."""
    found = meaning.found
    name = statement.relation.relname
    if statement.HasField("query"):
        inner = getattr(statement.query, statement.query.WhichOneof("node"))
        read_query(inner, meaning, ground)
        meaning.sql_class = SqlClass.COPY
        meaning.verb = "COPY TO"
    elif statement.is_from:
        meaning.verb = "COPY FROM"
        ranged = tuple(p for p in (statement.relation.schemaname, name) if p)
        found.reads.discard(ranged)
        found.writes.add(ranged)
        found.assigned.update(one.string.sval for one in statement.attlist)
        found.whole_insert = not statement.attlist
    else:
        meaning.verb = "COPY TO"
        found.columns.update((one.string.sval,) for one in statement.attlist)
        if not statement.attlist:
            found.columns.add(("*",))
    if name:
        meaning.unproven = unproven(found, ground, writing=statement.is_from)
        meaning.vector_safe = True
        meaning.tables_complete = meaning.functions_complete = not meaning.unproven
    meaning.values_read = True
    if statement.is_program:
        meaning.copy_target = f"program {statement.filename}"
        meaning.tags.update(("network_egress", "opens_opaque"))
    elif statement.filename:
        meaning.copy_target = f"file {statement.filename}"
    else:
        meaning.copy_target = COPY_IN if statement.is_from else COPY_OUT
    if meaning.copy_target not in {COPY_IN, COPY_OUT} or meaning.unproven:
        meaning.vector_safe = False
