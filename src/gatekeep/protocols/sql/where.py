"""Whether a statement restricts the rows it touches. A hint: `id >= 0` is not found."""

from __future__ import annotations

from typing import Any

from gatekeep.domain.actions import WhereClause
from gatekeep.protocols.sql.meaning import Meaning, constant

_AND, _OR, _NOT = 1, 2, 3
_OPERATOR = 1
_DEEPEST = 8


def where_of(node: Any, meaning: Meaning) -> WhereClause:
    """Judge one SELECT or DML node; sets `values_read` where literals decided."""
    kind = node.DESCRIPTOR.name
    if kind == "InsertStmt":
        return WhereClause.NOT_APPLICABLE
    if kind == "MergeStmt":
        condition = node.join_condition if node.HasField("join_condition") else None
    else:
        condition = node.where_clause if node.HasField("where_clause") else None
    if condition is None:
        return WhereClause.ABSENT
    if _always(condition, meaning, 0):
        return WhereClause.TAUTOLOGY
    return WhereClause.PRESENT


def _always(node: Any, meaning: Meaning, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    which = node.WhichOneof("node")
    if which == "a_const":
        meaning.values_read = True
        return constant(node) not in (None, "false")
    if which == "bool_expr":
        return _always_combined(node.bool_expr, meaning, depth)
    if which == "type_cast":
        return _always(node.type_cast.arg, meaning, depth + 1)
    if which != "a_expr" or node.a_expr.kind != _OPERATOR:
        return False
    return _always_compared(node.a_expr, meaning)


def _always_combined(node: Any, meaning: Meaning, depth: int) -> bool:
    if node.boolop == _AND:
        return all(_always(one, meaning, depth + 1) for one in node.args)
    if node.boolop == _OR:
        return any(_always(one, meaning, depth + 1) for one in node.args)
    return constant(node.args[0]) == "false"


def _always_compared(node: Any, meaning: Meaning) -> bool:
    left, right = node.lexpr, node.rexpr
    operator = node.name[-1].string.sval if node.name else ""
    first, second = constant(left), constant(right)
    if first is not None and second is not None:
        meaning.values_read = True
        return (first == second) == (operator in {"=", "<=", ">="})
    if left.WhichOneof("node") == right.WhichOneof("node") == "column_ref":
        return operator in {"=", "<=", ">="} and [
            str(f.string.sval) for f in left.column_ref.fields
        ] == [str(f.string.sval) for f in right.column_ref.fields]
    return False
