"""Whether a statement may be planned for an approver: the proof of all that stands below its top.

A plain EXPLAIN runs code: it folds constants, estimates by calling functions, and reads what
indexes, policies and defaults hold. So it is asked only for one statement that would be proven
`read` if its top command were SELECT (12-threats C3). Pure; nothing here plans or sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.catalogue import CatalogueView
from gatekeep.domain.sessions import SessionVector
from gatekeep.messages import sight as words
from gatekeep.protocols.sql.meaning import KINDS
from gatekeep.protocols.sql.names import Found, Name, collect, relation_name
from gatekeep.protocols.sql.parse import Statement, parse_statements
from gatekeep.protocols.sql.proof import Ground, plain_strings, unplannable
from gatekeep.protocols.sql.relations import written

_DML: Final = frozenset({"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
_QUERIES: Final = _DML | {"select_stmt"}
_ASKED: Final = ("explain_stmt", "EXPLAIN (FORMAT JSON) ")
_ASKED_GENERIC: Final = ("prepare_stmt", "PREPARE gk_sight AS ")


@dataclass(frozen=True, slots=True)
class Below:
    """What the proof gave. `plan` is the text that asks for the plan and runs reviewed code only.

    It is an EXPLAIN, or where values are bound a PREPARE under the name `gk_sight`: the plan of its
    EXECUTE, made without values, is asked for next. It is empty where `broken` says, in words, why
    there is none. `table` is the canonical name of the one table that the top command names, empty
    where it names none or several.
    """

    plan: str = ""
    broken: str = ""
    table: str = ""


def read_below(
    text: str,
    *,
    catalogue: CatalogueView | None,
    vector: SessionVector,
    trusted_code: frozenset[str] = frozenset(),
    parameters: bool = False,
) -> Below:
    """Judge one held text. Never raises; whatever is not understood is not planned.

    `catalogue` and `vector` as for `reading.read_statements`, and texts over `guard.SMALL`
    characters belong on a thread here, too. `parameters`: values are bound to it; the plan is made
    without them.
    """
    try:
        return _read(
            text, Ground.of(catalogue, vector, trusted_code), vector, parameters=parameters
        )
    except Exception:  # noqa: BLE001 - whatever it is, the statement is not planned
        return Below(broken=words.NOT_UNDERSTOOD)


def _read(text: str, ground: Ground, vector: SessionVector, *, parameters: bool) -> Below:
    if not plain_strings(vector):
        return Below(broken=words.nothing_proven(ground.void))
    statements = parse_statements(text)
    if not statements:
        return Below(broken=words.NOT_UNDERSTOOD)
    if len(statements) > 1:
        return Below(broken=words.SEVERAL)
    statement = statements[0]
    if statement.kind in _QUERIES:
        return _judged(statement, ground, _ASKED_GENERIC if parameters else _ASKED)
    known = KINDS.get(statement.kind)
    return Below(broken=words.has_no_plan(known.verb if known else "the statement"))


def _judged(statement: Statement, ground: Ground, asked: tuple[str, str]) -> Below:
    found = _found(statement)
    table = _table(statement, found, ground)
    broken = _shape(statement, found) or _unplannable(found, ground)
    asking, before = asked
    plan = before + statement.text
    if not broken and not _wraps(plan, asking, statement.kind):
        broken = words.NOT_UNDERSTOOD
    return Below(broken=broken, table=table) if broken else Below(plan=plan, table=table)


def _found(statement: Statement) -> Found:
    """Every name in it, without what the top command itself does: a SELECT's own row locks."""
    node = statement.node
    if statement.kind == "select_stmt" and node.locking_clause:
        top = type(node)()
        top.CopyFrom(node)
        top.ClearField("locking_clause")
        node = top
    return collect(node)


def _shape(statement: Statement, found: Found) -> str:
    """What below the top is no plain reading."""
    if found.into:
        return words.MAKES_TABLE
    if found.current_of:
        return words.TURNS_ON_CURSOR
    if len(found.dml) > (statement.kind in _DML):
        return words.WRITES_WITHIN
    return words.LOCKS_WITHIN if found.row_locks else ""


def _unplannable(found: Found, ground: Ground) -> str:
    broken = unplannable(found, ground)
    if not broken:
        return ""
    if ground.void:
        return words.nothing_proven(broken)
    if found.strange:
        return words.unreviewed(broken)
    for name in sorted(found.reads | found.writes):
        if ground.resolver.relations(name) is None:
            return words.unknown_table(written(name))
    return words.runs(broken)


def _table(statement: Statement, found: Found, ground: Ground) -> str:
    name = _named(statement.node, found)
    known = ground.resolver.relations(name) if name else None
    return known[0].name if known else ""


def _named(node: Any, found: Found) -> Name:
    """The one relation that the top command names; empty for none, several, or a WITH query."""
    if node.DESCRIPTOR.name != "SelectStmt":
        return relation_name(node.relation)
    if len(node.from_clause) != 1 or node.from_clause[0].WhichOneof("node") != "range_var":
        return ()
    name = relation_name(node.from_clause[0].range_var)
    return name if name in found.reads else ()


def _wraps(plan: str, asking: str, kind: str) -> bool:
    """Whether the text that goes out is what was meant: one statement around one of this kind."""
    statements = parse_statements(plan)
    if statements is None or len(statements) != 1 or statements[0].kind != asking:
        return False
    node = statements[0].node
    options = {one.def_elem.defname for one in node.options} if asking == _ASKED[0] else set()
    return options <= {"format"} and node.query.WhichOneof("node") == kind
