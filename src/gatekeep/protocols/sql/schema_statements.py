"""DDL and DCL: verbs in words, the tables written, roles, shadowing, settings changed for others."""

from __future__ import annotations

from typing import Any

from gatekeep.domain.actions import SqlClass
from gatekeep.protocols.sql.meaning import Meaning
from gatekeep.protocols.sql.names import Name, relation_name, strings
from gatekeep.protocols.sql.proof import Ground
from gatekeep.protocols.sql.reviewed_functions import REVIEWED_FUNCTIONS
from gatekeep.protocols.sql.reviewed_names import REVIEWED_OPERATORS, REVIEWED_TYPES

_OBJECTS = {
    1: "ACCESS METHOD", 2: "AGGREGATE", 4: "OPERATOR", 5: "ATTRIBUTE", 6: "CAST", 7: "COLUMN",
    8: "COLLATION", 9: "CONVERSION", 10: "DATABASE", 13: "DOMAIN", 14: "DOMAIN", 15: "EVENT TRIGGER",
    16: "EXTENSION", 17: "FOREIGN DATA WRAPPER", 18: "SERVER", 19: "FOREIGN TABLE", 20: "FUNCTION",
    21: "INDEX", 22: "LANGUAGE", 23: "LARGE OBJECT", 24: "MATERIALIZED VIEW", 25: "OPERATOR CLASS",
    26: "OPERATOR", 27: "OPERATOR FAMILY", 29: "POLICY", 30: "PROCEDURE", 31: "PUBLICATION",
    34: "ROLE", 35: "ROUTINE", 36: "RULE", 37: "SCHEMA", 38: "SEQUENCE", 39: "SUBSCRIPTION",
    40: "STATISTICS", 41: "CONSTRAINT", 42: "TABLE", 43: "TABLESPACE", 44: "TRANSFORM",
    45: "TRIGGER", 46: "TEXT SEARCH CONFIGURATION", 47: "TEXT SEARCH DICTIONARY",
    48: "TEXT SEARCH PARSER", 49: "TEXT SEARCH TEMPLATE", 50: "TYPE", 51: "USER MAPPING", 52: "VIEW",
}  # fmt: skip
_RELATIONS = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"})
_ON_TABLE = frozenset({"TRIGGER", "RULE", "POLICY"})
_CASCADE = 2
_TEMPORARY = "t"
_DROP_COLUMN, _CHANGE_OWNER = 14, 27
_ROW_SECURITY = frozenset({55, 56, 57, 58})
_CODE_IN_TABLE = frozenset({38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49})


def read_schema(kind: str, node: Any, meaning: Meaning, ground: Ground) -> None:
    """Fill in what a DDL or DCL statement of this kind names."""
    reader = _READERS.get(kind)
    if reader is not None:
        reader(node, meaning)
    relation = _main_relation(node)
    if relation is not None:
        meaning.written.add(relation)
    _roles(node, meaning)
    _shadowing(kind, node, meaning, ground)


def _main_relation(node: Any) -> Name | None:
    for name in ("relation", "view", "base_stmt", "into", "table"):
        described = node.DESCRIPTOR.fields_by_name.get(name)
        if described is None or described.message_type is None or not node.HasField(name):
            continue
        value = getattr(node, name)
        if name == "base_stmt":
            value = value.relation
        elif name == "into":
            value = value.rel
        if value.DESCRIPTOR.name == "RangeVar":
            return relation_name(value)
    return None


def _drop(node: Any, meaning: Meaning) -> None:
    object_type = _OBJECTS.get(node.remove_type, "OBJECT")
    meaning.verb = f"DROP {object_type}"
    for one in node.objects:
        name = strings(one.list.items)
        if object_type in _RELATIONS:
            meaning.written.add(name)
        elif object_type in _ON_TABLE and len(name) > 1:
            meaning.written.add(name[:-1])
    known = object_type in _RELATIONS or object_type in _ON_TABLE
    meaning.tables_complete = known and node.behavior != _CASCADE
    if object_type in {"POLICY", "USER MAPPING"}:
        meaning.tags.add("privilege")


def _truncate(node: Any, meaning: Meaning) -> None:
    meaning.written.update(relation_name(one.range_var) for one in node.relations)
    meaning.tables_complete = node.behavior != _CASCADE


def _alter_table(node: Any, meaning: Meaning) -> None:
    meaning.verb = f"ALTER {_OBJECTS.get(node.objtype, 'TABLE')}"
    subtypes = {one.alter_table_cmd.subtype for one in node.cmds}
    if _DROP_COLUMN in subtypes:
        meaning.tags.add("destructive")
    if subtypes & _ROW_SECURITY or _CHANGE_OWNER in subtypes:
        meaning.tags.add("privilege")
    if _CHANGE_OWNER in subtypes:
        meaning.sql_class = SqlClass.DCL
        meaning.verb += " OWNER"
    if subtypes & _CODE_IN_TABLE:
        meaning.tags.add("opens_opaque")


def _grant(node: Any, meaning: Meaning) -> None:
    if not node.is_grant:
        meaning.verb = "REVOKE"


def _define(node: Any, meaning: Meaning) -> None:
    meaning.verb = f"CREATE {_OBJECTS.get(node.kind, 'OBJECT')}"


def _rename(node: Any, meaning: Meaning) -> None:
    meaning.verb = f"ALTER {_OBJECTS.get(node.rename_type, 'OBJECT')} RENAME"


def _move(node: Any, meaning: Meaning) -> None:
    meaning.verb = f"ALTER {_OBJECTS.get(node.object_type, 'OBJECT')} SET SCHEMA"


def _owner(node: Any, meaning: Meaning) -> None:
    meaning.verb = f"ALTER {_OBJECTS.get(node.object_type, 'OBJECT')} OWNER"


def _lock(node: Any, meaning: Meaning) -> None:
    meaning.written.update(relation_name(one.range_var) for one in node.relations)


def _vacuum(node: Any, meaning: Meaning) -> None:
    meaning.verb = "VACUUM" if node.is_vacuumcmd else "ANALYZE"
    for one in node.rels:
        meaning.written.add(relation_name(one.vacuum_relation.relation))


def _setting(node: Any, meaning: Meaning) -> None:
    meaning.settings.add(node.setstmt.name.lower() or "all")


def _create_as(node: Any, meaning: Meaning) -> None:
    if _OBJECTS.get(node.objtype) == "MATERIALIZED VIEW":
        meaning.verb = "CREATE MATERIALIZED VIEW"
    meaning.tags.add("into")


def _comment(node: Any, meaning: Meaning) -> None:
    name = strings(node.object.list.items)
    object_type = _OBJECTS.get(node.objtype)
    if name and object_type in _RELATIONS:
        meaning.written.add(name)
    elif len(name) > 1 and object_type == "COLUMN":
        meaning.written.add(name[:-1])


def _function(node: Any, meaning: Meaning) -> None:
    if node.is_procedure:
        meaning.verb = "CREATE PROCEDURE"


_READERS = {
    "drop_stmt": _drop,
    "truncate_stmt": _truncate,
    "alter_table_stmt": _alter_table,
    "grant_stmt": _grant,
    "grant_role_stmt": _grant,
    "define_stmt": _define,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _move,
    "alter_owner_stmt": _owner,
    "lock_stmt": _lock,
    "vacuum_stmt": _vacuum,
    "alter_system_stmt": _setting,
    "alter_role_set_stmt": _setting,
    "alter_database_set_stmt": _setting,
    "create_table_as_stmt": _create_as,
    "comment_stmt": _comment,
    "create_function_stmt": _function,
}


def _roles(node: Any, meaning: Meaning) -> None:
    """Every role that the statement names, and the plain-string roles of CREATE ROLE."""
    pending = [node]
    while pending:
        one = pending.pop()
        kind = one.DESCRIPTOR.name
        if kind == "RoleSpec" and one.rolename:
            meaning.roles.add(one.rolename)
        elif kind == "CreateRoleStmt":
            meaning.roles.add(one.role)
        elif kind == "GrantRoleStmt":
            meaning.roles.update(r.access_priv.priv_name for r in one.granted_roles)
        for described, value in one.ListFields():
            if described.message_type is not None:
                pending.extend(value if described.is_repeated else (value,))


def _shadowing(kind: str, node: Any, meaning: Meaning, ground: Ground) -> None:
    """Tag what takes a name that pg_catalog or the search path already has."""
    made = _made_name(kind, node)
    temporary = any(
        node.HasField(field) and getattr(node, field).relpersistence == _TEMPORARY
        for field in ("relation", "view")
        if field in node.DESCRIPTOR.fields_by_name
        and node.DESCRIPTOR.fields_by_name[field].message_type is not None
        and node.DESCRIPTOR.fields_by_name[field].message_type.name == "RangeVar"
    )
    if temporary:
        meaning.tags.add("temporary")
    view = ground.resolver.view
    if (
        made in REVIEWED_FUNCTIONS
        or made in REVIEWED_OPERATORS
        or made in REVIEWED_TYPES
        or (view is not None and made and (made in view.functions or made in view.operators))
        or (temporary and made and ground.resolver.relations((made,)) is not None)
    ):
        meaning.tags.add("shadows")
    if kind == "create_cast_stmt":
        meaning.tags.add("shadows")


def _made_name(kind: str, node: Any) -> str:
    if kind == "create_function_stmt":
        name = strings(node.funcname)
    elif kind == "define_stmt":
        name = strings(node.defnames)
    elif kind == "create_domain_stmt":
        name = strings(node.domainname)
    elif kind in {"create_enum_stmt", "create_range_stmt"}:
        name = strings(node.type_name)
    elif kind in {"create_stmt", "view_stmt"}:
        name = relation_name(node.relation if kind == "create_stmt" else node.view)
    else:
        return ""
    return name[-1] if name else ""
