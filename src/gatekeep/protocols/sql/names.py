"""Walks a statement's tree once, without recursion, and collects every name that means something.

No judgement here: `proof` and `facts` read what was found. Names are the stored spelling, as
tuples from the outermost qualifier inwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Name = tuple[str, ...]
Scope = frozenset[str]
Item = tuple[Any, Scope]

_AND_KINDS = {11: (">=", "<="), 12: ("<", ">"), 13: (">=", "<="), 14: ("<", ">")}
_SUBLINK_BY_OPERATOR = frozenset({2, 3})
_DML = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})

_NEWER = {
    "JsonArrayAgg": "json_arrayagg",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonObjectConstructor": "json_object",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "JsonTable": "json_table",
}
_JSON_OPERATIONS = {1: "json_exists", 2: "json_query", 3: "json_value", 4: "json_table"}

# What may stand in a statement that is proven. Anything else is "strange" and breaks the proof.
_UNDERSTOOD_TEXT = """
A_ArrayExpr A_Const A_Expr A_Indices A_Indirection A_Star Alias BitString BoolExpr Boolean
BooleanTest CTECycleClause CTESearchClause CaseExpr CaseWhen CoalesceExpr CollateClause ColumnDef
ColumnRef CommonTableExpr CurrentOfExpr Float FuncCall GroupingFunc GroupingSet Integer JoinExpr
JsonAggConstructor JsonArgument JsonArrayAgg JsonArrayConstructor JsonArrayQueryConstructor
JsonBehavior JsonFormat JsonFuncExpr JsonIsPredicate JsonKeyValue JsonObjectAgg
JsonObjectConstructor JsonOutput JsonParseExpr JsonReturning JsonScalarExpr JsonSerializeExpr
JsonTable JsonTableColumn JsonTablePathSpec JsonValueExpr List MinMaxExpr NamedArgExpr Node
NullTest ParamRef RangeFunction RangeSubselect RangeTableFunc RangeTableFuncCol RangeTableSample
RangeVar ResTarget RowExpr SQLValueFunction SelectStmt SortBy String SubLink TypeCast TypeName
WindowDef WithClause XmlExpr XmlSerialize
DeleteStmt InferClause IndexElem InsertStmt MergeStmt MergeWhenClause MultiAssignRef
OnConflictClause ReturningClause ReturningOption SetToDefault UpdateStmt
"""
_UNDERSTOOD = frozenset(_UNDERSTOOD_TEXT.split())


_PLAIN_NODES = frozenset({"a_const", "string", "integer", "float", "boolean", "bit_string"})


@dataclass(slots=True)
class Found:
    """What one walk found. `aliases` map an alias to the relation names it may stand for."""

    reads: set[Name] = field(default_factory=set)
    writes: set[Name] = field(default_factory=set)
    functions: set[Name] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    types: set[Name] = field(default_factory=set)
    columns: set[Name] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    sampling: set[str] = field(default_factory=set)
    aliases: dict[str, set[Name]] = field(default_factory=dict)
    derived: set[str] = field(default_factory=set)
    verbs: set[str] = field(default_factory=set)
    calls: list[Any] = field(default_factory=list)
    dml: list[Any] = field(default_factory=list)
    whole_insert: bool = False
    natural: bool = False
    into: bool = False
    row_locks: bool = False
    current_of: set[str] = field(default_factory=set)
    strange: str = ""


def collect(*trees: Any) -> Found:
    """Everything in these trees."""
    found = Found()
    pending: list[Item] = [(tree, frozenset()) for tree in trees]
    while pending:
        node, scope = pending.pop()
        kind = node.DESCRIPTOR.name
        if kind == "Node":
            which = node.WhichOneof("node")
            if which is None or which in _PLAIN_NODES:
                continue
            node = getattr(node, which)
            kind = node.DESCRIPTOR.name
        if kind not in _UNDERSTOOD and not found.strange:
            found.strange = kind
        handler = _HANDLERS.get(kind)
        if handler is None:
            _descend(node, scope, pending)
        else:
            handler(node, scope, pending, found)
    return found


def strings(nodes: Any) -> Name:
    """The String nodes among these, as a name."""
    return tuple(n.string.sval for n in nodes if n.WhichOneof("node") == "string")


def relation_name(ranged: Any) -> Name:
    """A RangeVar's name as written."""
    parts = (ranged.catalogname, ranged.schemaname, ranged.relname)
    return tuple(part for part in parts if part)


def _descend(node: Any, scope: Scope, pending: list[Item], skip: str = "") -> None:
    for described, value in node.ListFields():
        if described.message_type is None or described.name == skip:
            continue
        if described.is_repeated:
            pending.extend((one, scope) for one in value)
        else:
            pending.append((value, scope))


def _scoped(node: Any, scope: Scope, pending: list[Item]) -> Scope:
    """Push the CTEs of a statement, each with what it sees; the scope its body sees."""
    if not node.HasField("with_clause"):
        return scope
    clause = node.with_clause
    ctes = [one.common_table_expr for one in clause.ctes]
    everything = scope | {cte.ctename for cte in ctes}
    seen = everything if clause.recursive else scope
    for cte in ctes:
        pending.append((cte, seen))
        seen = seen | {cte.ctename}
    return everything


def _select(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.verbs.add("SelectStmt")
    if node.HasField("into_clause"):
        found.into = True
        found.writes.add(relation_name(node.into_clause.rel))
    if node.locking_clause:
        found.row_locks = True
    inner = _scoped(node, scope, pending)
    for described, value in node.ListFields():
        if described.message_type is None or described.name in _SELECT_DONE:
            continue
        if described.is_repeated:
            pending.extend((one, inner) for one in value)
        else:
            pending.append((value, inner))


_SELECT_DONE = frozenset({"with_clause", "into_clause", "locking_clause"})


def _dml(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    kind = node.DESCRIPTOR.name
    found.verbs.add(kind)
    found.dml.append(node)
    target = relation_name(node.relation)
    found.writes.add(target)
    _alias(node.relation, target, found)
    if kind != "InsertStmt":
        found.reads.add(target)
    else:
        if not node.cols:
            found.whole_insert = True
        if node.HasField("on_conflict_clause"):
            found.reads.add(target)
    inner = _scoped(node, scope, pending)
    for described, value in node.ListFields():
        if described.message_type is None or described.name in {"with_clause", "relation"}:
            continue
        if described.name in {"cols", "target_list"}:
            found.assigned.update(one.res_target.name for one in value)
        if described.is_repeated:
            pending.extend((one, inner) for one in value)
        else:
            pending.append((value, inner))


def _assigning(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.assigned.update(one.res_target.name for one in node.target_list)
    if node.DESCRIPTOR.name == "MergeWhenClause" and node.values and not node.target_list:
        found.whole_insert = True
    _descend(node, scope, pending)


def _alias(ranged: Any, name: Name, found: Found) -> None:
    label = ranged.alias.aliasname if ranged.HasField("alias") else ranged.relname
    found.aliases.setdefault(label, set()).add(name)


def _range_var(node: Any, scope: Scope, _pending: list[Item], found: Found) -> None:
    if not node.schemaname and node.relname in scope:
        found.derived.add(node.alias.aliasname if node.HasField("alias") else node.relname)
        return
    name = relation_name(node)
    found.reads.add(name)
    _alias(node, name, found)


def _derived(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    if node.HasField("alias"):
        found.derived.add(node.alias.aliasname)
    _descend(node, scope, pending)


def _call(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.functions.add(strings(node.funcname))
    found.calls.append(node)
    _descend(node, scope, pending, skip="funcname")


def _newer_syntax(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    """What is grammar to us is a call of a function, perhaps a user's, to an older target."""
    kind = node.DESCRIPTOR.name
    name = _NEWER[kind] if kind in _NEWER else _JSON_OPERATIONS.get(node.op, "json_value")
    found.functions.add((name,))
    if kind == "JsonTable" and node.HasField("alias"):
        found.derived.add(node.alias.aliasname)
    _descend(node, scope, pending)


def _expression(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    implied = _AND_KINDS.get(node.kind)
    if implied:
        found.operators.update(implied)
    else:
        name = strings(node.name)
        found.operators.add(name[-1] if name else "?")
        if len(name) > 1 and name[0] != "pg_catalog":
            found.operators.add(".".join(name))
    _descend(node, scope, pending, skip="name")


def _sublink(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    name = strings(node.oper_name)
    if name:
        found.operators.add(name[-1])
    elif node.sub_link_type in _SUBLINK_BY_OPERATOR:
        found.operators.add("=")
    _descend(node, scope, pending, skip="oper_name")


def _join(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    if node.is_natural:
        found.natural = True
    if node.is_natural or node.using_clause:
        found.operators.add("=")
        found.columns.update((name,) for name in strings(node.using_clause))
    if node.HasField("alias"):
        found.derived.add(node.alias.aliasname)
    _descend(node, scope, pending, skip="using_clause")


def _sort(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    if node.use_op:
        found.operators.add(strings(node.use_op)[-1])
    _descend(node, scope, pending, skip="use_op")


def _case(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    if node.HasField("arg"):
        found.operators.add("=")
    _descend(node, scope, pending)


def _type(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    name = strings(node.names)
    found.types.add(name)
    if node.pct_type and not found.strange:
        found.strange = "%TYPE"
    _descend(node, scope, pending, skip="names")


def _column(node: Any, _scope: Scope, _pending: list[Item], found: Found) -> None:
    parts = tuple(
        "*" if one.WhichOneof("node") == "a_star" else one.string.sval for one in node.fields
    )
    found.columns.add(parts)
    found.attributes.update(part for part in parts[1:] if part != "*")


def _indirection(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.attributes.update(strings(node.indirection))
    if any(one.WhichOneof("node") == "a_star" for one in node.indirection):
        found.columns.add(("*",))
    _descend(node, scope, pending)


def _target(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.attributes.update(strings(node.indirection))
    _descend(node, scope, pending)


def _sample(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.sampling.add(".".join(strings(node.method)))
    _descend(node, scope, pending, skip="method")


def _cycle(node: Any, scope: Scope, pending: list[Item], found: Found) -> None:
    found.operators.update(("=", "<>"))
    _descend(node, scope, pending)


def _current_of(node: Any, _scope: Scope, _pending: list[Item], found: Found) -> None:
    found.current_of.add(node.cursor_name)


def _leaf(_node: Any, _scope: Scope, _pending: list[Item], _found: Found) -> None:
    """Nothing below that names anything."""


_HANDLERS: dict[str, Callable[[Any, Scope, list[Item], Found], None]] = {
    "SelectStmt": _select,
    **dict.fromkeys(_DML, _dml),
    "OnConflictClause": _assigning,
    "MergeWhenClause": _assigning,
    "RangeVar": _range_var,
    "RangeSubselect": _derived,
    "RangeFunction": _derived,
    "RangeTableFunc": _derived,
    **dict.fromkeys(_NEWER, _newer_syntax),
    "JsonFuncExpr": _newer_syntax,
    "FuncCall": _call,
    "A_Expr": _expression,
    "SubLink": _sublink,
    "JoinExpr": _join,
    "SortBy": _sort,
    "CaseExpr": _case,
    "TypeName": _type,
    "ColumnRef": _column,
    "A_Indirection": _indirection,
    "ResTarget": _target,
    "RangeTableSample": _sample,
    "CTECycleClause": _cycle,
    "CurrentOfExpr": _current_of,
    "A_Const": _leaf,
    "Alias": _leaf,
}
