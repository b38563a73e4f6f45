"""Puts a statement's meaning and the names in it together as `SqlFacts`."""

from __future__ import annotations

from collections.abc import Iterable

from gatekeep.domain.actions import SqlClass, SqlFacts
from gatekeep.protocols.sql.digest import looks_secret
from gatekeep.protocols.sql.meaning import Meaning
from gatekeep.protocols.sql.names import Name
from gatekeep.protocols.sql.parse import Statement
from gatekeep.protocols.sql.proof import Ground, names_unproven
from gatekeep.protocols.sql.redact import redacted
from gatekeep.protocols.sql.relations import columns_of, written
from gatekeep.protocols.sql.reviewed_functions import REVIEWED_FUNCTIONS
from gatekeep.protocols.sql.template import exact_template, template_of

_TELLING_RELATIONS = """
pg_stats pg_statistic pg_stats_ext pg_stats_ext_exprs pg_statistic_ext_data pg_stat_activity
pg_stat_statements pg_authid pg_shadow pg_user_mapping pg_user_mappings pg_largeobject
pg_subscription pg_hba_file_rules pg_file_settings pg_prepared_statements
user_mapping_options _pg_user_mappings
"""
_SECRET_RELATIONS = frozenset(_TELLING_RELATIONS.split())
_TELLING_FUNCTIONS = """
pg_read_file pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir
pg_ls_archive_statusdir pg_stat_get_activity lo_get loread lo_open lo_export lo_import
pg_show_all_file_settings pg_hba_file_rules pg_current_logfile pg_mcv_list_items
"""
_SECRET_FUNCTIONS = frozenset(_TELLING_FUNCTIONS.split())
_LARGE_OBJECT_TEXT = """
lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open
lo_put lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite
"""
_LARGE_OBJECT_FUNCTIONS = frozenset(_LARGE_OBJECT_TEXT.split())
_SERVER_FILES = frozenset({"lo_export", "lo_import"})
_SYSTEM = "pg_catalog."
_TEMPLATED = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_RUNS_NAMES = frozenset({"create_stmt", "alter_table_stmt", "index_stmt"})
_NEW = frozenset({"create_stmt", "create_table_as_stmt", "view_stmt", "create_foreign_table_stmt"})


def facts_of(statement: Statement, meaning: Meaning, ground: Ground) -> SqlFacts:
    """The facts of one statement that has been read."""
    found = meaning.found
    resolver = ground.resolver
    writes = found.writes | meaning.written
    reads = found.reads if statement.kind not in _NEW else found.reads - writes
    if meaning.written:
        reads = reads - meaning.written
    tables_read, read_known = resolver.tables(reads)
    tables_written, write_known = resolver.tables(writes)
    if statement.kind in _NEW or found.into:
        write_known = True
    columns, columns_complete = columns_of(found, resolver)
    _tag_secrets(tables_read, meaning)
    _tag_large_objects(meaning)
    _tag_system_writes(tables_written, meaning)
    if statement.kind in _RUNS_NAMES and names_unproven(found, ground):
        meaning.tables_complete = meaning.functions_complete = False
    complete = meaning.tables_complete and read_known and write_known
    shown = redacted(statement.text, secret=meaning.secret, parsed=True)
    return SqlFacts(
        sql_class=meaning.sql_class,
        verb=meaning.verb,
        redacted=shown,
        template=_template(statement, meaning),
        tables_read=tables_read,
        tables_written=tables_written,
        columns=columns,
        functions=_function_names(found.functions, ground),
        tables_complete=complete,
        functions_complete=meaning.functions_complete,
        columns_complete=columns_complete and complete,
        where=meaning.where,
        tags=frozenset(meaning.tags),
        settings=frozenset(meaning.settings),
        roles=frozenset(meaning.roles),
        copy_target=_copy_target(meaning),
        unproven=meaning.unproven,
        transaction=meaning.transaction,
        vector_safe=meaning.vector_safe and meaning.sql_class is not SqlClass.OPAQUE,
        values_read=meaning.values_read or shown != statement.text,
        gives=meaning.gives,
        takes=meaning.takes,
    )


def _template(statement: Statement, meaning: Meaning) -> str:
    """A normal form only for single reads and writes: all else is byte-exact (12-threats C5)."""
    normal = meaning.sql_class in (SqlClass.READ, SqlClass.WRITE) and meaning.verb in _TEMPLATED
    return template_of(statement.text) if normal else exact_template(statement.text)


def _copy_target(meaning: Meaning) -> str:
    target = meaning.copy_target
    return f"{target.split(' ', 1)[0]} ***" if looks_secret(target) else target


def _function_names(names: Iterable[Name], ground: Ground) -> frozenset[str]:
    """As written and canonical: `pg_catalog.x` for reviewed names, `schema.x` for what users made."""
    functions: set[str] = set()
    view = ground.resolver.view
    for name in names:
        functions.add(written(name))
        last = name[-1] if name else ""
        if len(name) == 1 and last in REVIEWED_FUNCTIONS:
            functions.add(_SYSTEM + last)
        if view is not None:
            functions |= view.functions.get(last, frozenset())
    return frozenset(functions)


def _tag_secrets(tables: frozenset[str], meaning: Meaning) -> None:
    if any(table.rsplit(".", 1)[-1] in _SECRET_RELATIONS for table in tables):
        meaning.tags.add("reads_secret")
    if any(name and name[-1] in _SECRET_FUNCTIONS for name in meaning.found.functions):
        meaning.tags.add("reads_secret")


def _tag_large_objects(meaning: Meaning) -> None:
    """They write or read where no table is named; two of them touch files of the server."""
    called = {name[-1] for name in meaning.found.functions if name} & _LARGE_OBJECT_FUNCTIONS
    if called:
        meaning.tags.add("large_object")
    if called & _SERVER_FILES:
        meaning.tags.add("privilege")
    if "lo_unlink" in called:
        meaning.tags.add("destructive")


def _tag_system_writes(tables: frozenset[str], meaning: Meaning) -> None:
    """A write to the catalogue is a change of rights; one to pg_settings is a SET of any setting."""
    if any(table.startswith(_SYSTEM) for table in tables):
        meaning.tags.add("privilege")
    if any(table.rsplit(".", 1)[-1] == "pg_settings" for table in tables):
        meaning.settings.add("*")
