"""What each kind of statement is: the table of all node types, and the value being filled in.

A kind that is not listed is opaque. Tables only; the readers of single kinds live beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gatekeep.domain.actions import Naming, SqlClass, TransactionVerb, WhereClause
from gatekeep.protocols.sql.names import Found, Name


@dataclass(slots=True)
class Meaning:
    """A statement while it is being read. `written` are relation names beyond the walk's."""

    sql_class: SqlClass
    verb: str
    tags: set[str] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    written: set[Name] = field(default_factory=set)
    where: WhereClause = WhereClause.NOT_APPLICABLE
    transaction: TransactionVerb = TransactionVerb.NONE
    copy_target: str = ""
    unproven: str = ""
    vector_safe: bool = False
    values_read: bool = True
    tables_complete: bool = True
    functions_complete: bool = True
    secret: bool = False
    gives: Naming | None = None
    takes: Naming | None = None
    found: Found = field(default_factory=Found)


@dataclass(frozen=True, slots=True)
class Kind:
    """What every statement of one node type is. `complete`: its table names are all it touches."""

    sql_class: SqlClass
    verb: str
    tags: tuple[str, ...] = ()
    vector_safe: bool = False
    complete: bool = False
    secret: bool = False


_DDL, _DCL, _SESSION = SqlClass.DDL, SqlClass.DCL, SqlClass.SESSION
_WRITE, _PROCEDURAL, _OPAQUE = SqlClass.WRITE, SqlClass.PROCEDURAL, SqlClass.OPAQUE
_CODE = ("opens_opaque",)
_RIGHT = ("privilege",)
_AWAY = ("network_egress",)
_LOSS = ("destructive",)

KINDS: dict[str, Kind] = {
    "select_stmt": Kind(SqlClass.PROCEDURAL, "SELECT"),
    "variable_show_stmt": Kind(SqlClass.READ, "SHOW", vector_safe=True, complete=True),
    "explain_stmt": Kind(SqlClass.PROCEDURAL, "EXPLAIN"),
    "insert_stmt": Kind(_WRITE, "INSERT"),
    "update_stmt": Kind(_WRITE, "UPDATE"),
    "delete_stmt": Kind(_WRITE, "DELETE"),
    "merge_stmt": Kind(_WRITE, "MERGE"),
    "truncate_stmt": Kind(_WRITE, "TRUNCATE", _LOSS, complete=True),
    "lock_stmt": Kind(_WRITE, "LOCK TABLE", complete=True),
    "notify_stmt": Kind(_WRITE, "NOTIFY", vector_safe=True, complete=True),
    "check_point_stmt": Kind(_WRITE, "CHECKPOINT", vector_safe=True, complete=True),
    "listen_stmt": Kind(_SESSION, "LISTEN", vector_safe=True, complete=True),
    "unlisten_stmt": Kind(_SESSION, "UNLISTEN", vector_safe=True, complete=True),
    "close_portal_stmt": Kind(_SESSION, "CLOSE", vector_safe=True, complete=True),
    "deallocate_stmt": Kind(_SESSION, "DEALLOCATE", vector_safe=True, complete=True),
    "discard_stmt": Kind(_SESSION, "DISCARD", complete=True),
    "variable_set_stmt": Kind(_SESSION, "SET", complete=True),
    "transaction_stmt": Kind(_SESSION, "BEGIN", complete=True),
    "constraints_set_stmt": Kind(_SESSION, "SET CONSTRAINTS"),
    "prepare_stmt": Kind(_OPAQUE, "PREPARE"),
    "declare_cursor_stmt": Kind(_OPAQUE, "DECLARE"),
    "execute_stmt": Kind(_OPAQUE, "EXECUTE"),
    "fetch_stmt": Kind(_OPAQUE, "FETCH"),
    "copy_stmt": Kind(SqlClass.COPY, "COPY"),
    "do_stmt": Kind(_PROCEDURAL, "DO", _CODE),
    "call_stmt": Kind(_PROCEDURAL, "CALL", _CODE),
    "load_stmt": Kind(_PROCEDURAL, "LOAD", _CODE),
    "grant_stmt": Kind(_DCL, "GRANT", _RIGHT),
    "grant_role_stmt": Kind(_DCL, "GRANT", _RIGHT),
    "alter_default_privileges_stmt": Kind(_DCL, "ALTER DEFAULT PRIVILEGES", _RIGHT),
    "create_role_stmt": Kind(_DCL, "CREATE ROLE", _RIGHT, secret=True),
    "alter_role_stmt": Kind(_DCL, "ALTER ROLE", _RIGHT, secret=True),
    "alter_role_set_stmt": Kind(_DCL, "ALTER ROLE", _RIGHT),
    "drop_role_stmt": Kind(_DCL, "DROP ROLE", (*_RIGHT, *_LOSS)),
    "drop_owned_stmt": Kind(_DCL, "DROP OWNED", (*_RIGHT, *_LOSS)),
    "reassign_owned_stmt": Kind(_DCL, "REASSIGN OWNED", _RIGHT),
    "alter_owner_stmt": Kind(_DCL, "ALTER OWNER", _RIGHT),
    "alter_system_stmt": Kind(_DCL, "ALTER SYSTEM", _RIGHT),
    "alter_database_set_stmt": Kind(_DCL, "ALTER DATABASE", _RIGHT),
    "create_policy_stmt": Kind(_DCL, "CREATE POLICY", _RIGHT),
    "alter_policy_stmt": Kind(_DCL, "ALTER POLICY", _RIGHT),
    "sec_label_stmt": Kind(_DCL, "SECURITY LABEL", _RIGHT),
    "create_user_mapping_stmt": Kind(_DCL, "CREATE USER MAPPING", (*_RIGHT, *_AWAY), secret=True),
    "alter_user_mapping_stmt": Kind(_DCL, "ALTER USER MAPPING", (*_RIGHT, *_AWAY), secret=True),
    "drop_user_mapping_stmt": Kind(_DCL, "DROP USER MAPPING", (*_RIGHT, *_LOSS)),
    "create_fdw_stmt": Kind(_DDL, "CREATE FOREIGN DATA WRAPPER", (*_AWAY, *_CODE), secret=True),
    "alter_fdw_stmt": Kind(_DDL, "ALTER FOREIGN DATA WRAPPER", (*_AWAY, *_CODE), secret=True),
    "create_foreign_server_stmt": Kind(_DDL, "CREATE SERVER", _AWAY, secret=True),
    "alter_foreign_server_stmt": Kind(_DDL, "ALTER SERVER", _AWAY, secret=True),
    "create_foreign_table_stmt": Kind(_DDL, "CREATE FOREIGN TABLE", _AWAY, secret=True),
    "import_foreign_schema_stmt": Kind(_DDL, "IMPORT FOREIGN SCHEMA", _AWAY),
    "create_subscription_stmt": Kind(_DDL, "CREATE SUBSCRIPTION", _AWAY, secret=True),
    "alter_subscription_stmt": Kind(_DDL, "ALTER SUBSCRIPTION", _AWAY, secret=True),
    "drop_subscription_stmt": Kind(_DDL, "DROP SUBSCRIPTION", (*_AWAY, *_LOSS)),
    "create_publication_stmt": Kind(_DDL, "CREATE PUBLICATION", _AWAY),
    "alter_publication_stmt": Kind(_DDL, "ALTER PUBLICATION", _AWAY),
    "create_function_stmt": Kind(_DDL, "CREATE FUNCTION", _CODE),
    "alter_function_stmt": Kind(_DDL, "ALTER FUNCTION", _CODE),
    "create_trig_stmt": Kind(_DDL, "CREATE TRIGGER", _CODE),
    "create_event_trig_stmt": Kind(_DDL, "CREATE EVENT TRIGGER", _CODE),
    "alter_event_trig_stmt": Kind(_DDL, "ALTER EVENT TRIGGER", _CODE),
    "create_plang_stmt": Kind(_DDL, "CREATE LANGUAGE", _CODE),
    "create_cast_stmt": Kind(_DDL, "CREATE CAST", _CODE),
    "create_transform_stmt": Kind(_DDL, "CREATE TRANSFORM", _CODE),
    "create_conversion_stmt": Kind(_DDL, "CREATE CONVERSION", _CODE),
    "create_op_class_stmt": Kind(_DDL, "CREATE OPERATOR CLASS", _CODE),
    "create_op_family_stmt": Kind(_DDL, "CREATE OPERATOR FAMILY", _CODE),
    "alter_op_family_stmt": Kind(_DDL, "ALTER OPERATOR FAMILY", _CODE),
    "alter_operator_stmt": Kind(_DDL, "ALTER OPERATOR", _CODE),
    "create_am_stmt": Kind(_DDL, "CREATE ACCESS METHOD", _CODE),
    "create_extension_stmt": Kind(_DDL, "CREATE EXTENSION", _CODE),
    "alter_extension_stmt": Kind(_DDL, "ALTER EXTENSION", _CODE),
    "alter_extension_contents_stmt": Kind(_DDL, "ALTER EXTENSION", _CODE),
    "rule_stmt": Kind(_DDL, "CREATE RULE", _CODE),
    "define_stmt": Kind(_DDL, "CREATE", _CODE),
    "create_domain_stmt": Kind(_DDL, "CREATE DOMAIN"),
    "create_range_stmt": Kind(_DDL, "CREATE TYPE"),
    "create_enum_stmt": Kind(_DDL, "CREATE TYPE"),
    "composite_type_stmt": Kind(_DDL, "CREATE TYPE"),
    "alter_type_stmt": Kind(_DDL, "ALTER TYPE"),
    "alter_enum_stmt": Kind(_DDL, "ALTER TYPE"),
    "alter_domain_stmt": Kind(_DDL, "ALTER DOMAIN"),
    "alter_collation_stmt": Kind(_DDL, "ALTER COLLATION"),
    "create_schema_stmt": Kind(_DDL, "CREATE SCHEMA"),
    "create_stmt": Kind(_DDL, "CREATE TABLE", complete=True),
    "create_table_as_stmt": Kind(_DDL, "CREATE TABLE AS"),
    "view_stmt": Kind(_DDL, "CREATE VIEW"),
    "refresh_mat_view_stmt": Kind(_DDL, "REFRESH MATERIALIZED VIEW"),
    "create_seq_stmt": Kind(_DDL, "CREATE SEQUENCE"),
    "alter_seq_stmt": Kind(_DDL, "ALTER SEQUENCE"),
    "index_stmt": Kind(_DDL, "CREATE INDEX", complete=True),
    "create_stats_stmt": Kind(_DDL, "CREATE STATISTICS"),
    "alter_stats_stmt": Kind(_DDL, "ALTER STATISTICS"),
    "alter_table_stmt": Kind(_DDL, "ALTER TABLE", complete=True),
    "rename_stmt": Kind(_DDL, "ALTER RENAME"),
    "alter_object_schema_stmt": Kind(_DDL, "ALTER SET SCHEMA"),
    "alter_object_depends_stmt": Kind(_DDL, "ALTER DEPENDS"),
    "drop_stmt": Kind(_DDL, "DROP", _LOSS, complete=True),
    "comment_stmt": Kind(_DDL, "COMMENT"),
    "vacuum_stmt": Kind(_DDL, "VACUUM"),
    "cluster_stmt": Kind(_DDL, "CLUSTER"),
    "reindex_stmt": Kind(_DDL, "REINDEX"),
    "createdb_stmt": Kind(_DDL, "CREATE DATABASE"),
    "dropdb_stmt": Kind(_DDL, "DROP DATABASE", _LOSS),
    "alter_database_stmt": Kind(_DDL, "ALTER DATABASE"),
    "alter_database_refresh_coll_stmt": Kind(_DDL, "ALTER DATABASE"),
    "create_table_space_stmt": Kind(_DDL, "CREATE TABLESPACE"),
    "drop_table_space_stmt": Kind(_DDL, "DROP TABLESPACE", _LOSS),
    "alter_table_space_options_stmt": Kind(_DDL, "ALTER TABLESPACE"),
    "alter_table_move_all_stmt": Kind(_DDL, "ALTER TABLESPACE"),
    "alter_tsdictionary_stmt": Kind(_DDL, "ALTER TEXT SEARCH DICTIONARY"),
    "alter_tsconfiguration_stmt": Kind(_DDL, "ALTER TEXT SEARCH CONFIGURATION"),
}


def begun(kind: str, found: Found) -> Meaning:
    """The meaning as far as the node type alone tells it; unknown types are opaque."""
    known = KINDS.get(kind) or Kind(_OPAQUE, kind.removesuffix("_stmt").replace("_", " ").upper())
    return Meaning(
        known.sql_class,
        known.verb,
        tags=set(known.tags),
        vector_safe=known.vector_safe,
        tables_complete=known.complete,
        functions_complete=known.complete,
        secret=known.secret,
        found=found,
    )


def constant(node: Any) -> str | None:
    """A literal's value as text, None for anything else. NULL and other kinds are None."""
    if node.WhichOneof("node") != "a_const":
        return None
    value = node.a_const
    which = value.WhichOneof("val")
    if which == "sval":
        return str(value.sval.sval)
    if which == "ival":
        return str(value.ival.ival)
    if which == "boolval":
        return "true" if value.boolval.boolval else "false"
    return str(value.fval.fval) if which == "fval" else None
