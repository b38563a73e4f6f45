"""Statements that change the session: SET and its kin, transactions, DISCARD, set_config."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatekeep.domain.actions import SqlClass, TransactionVerb
from gatekeep.protocols.sql.meaning import Meaning, constant
from gatekeep.protocols.sql.proof import Ground, unproven

_HARMLESS_TEXT = """
application_name backend_flush_after bytea_output client_min_messages cpu_index_tuple_cost
cpu_operator_cost cpu_tuple_cost cursor_tuple_fraction datestyle deadlock_timeout
default_statistics_target default_transaction_deferrable default_transaction_isolation
effective_cache_size effective_io_concurrency enable_bitmapscan enable_gathermerge enable_hashagg
enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material
enable_memoize enable_mergejoin enable_nestloop enable_parallel_append enable_parallel_hash
enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join enable_seqscan
enable_sort enable_tidscan extra_float_digits from_collapse_limit geqo geqo_effort
geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
gin_fuzzy_search_limit hash_mem_multiplier idle_in_transaction_session_timeout
idle_session_timeout intervalstyle jit jit_above_cost join_collapse_limit lock_timeout
maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers
max_parallel_workers_per_gather parallel_leader_participation parallel_setup_cost
parallel_tuple_cost plan_cache_mode random_page_cost seq_page_cost statement_timeout
synchronous_commit tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval temp_buffers
timezone transaction_deferrable transaction_isolation transaction_timeout work_mem xmlbinary
xmloption
"""
_HARMLESS = frozenset(_HARMLESS_TEXT.split())
_ROLE_SETTINGS = frozenset({"role", "session_authorization"})
_PRIVILEGED = _ROLE_SETTINGS | {"session_replication_role", "row_security"}
# What gives back locks of the session itself: no code, no rows, nobody else's state. Drivers' pools
# send it with CLOSE ALL, UNLISTEN * and RESET ALL. Taking such a lock stays procedural: it can
# stop others.
_UNLOCKS = frozenset({"pg_advisory_unlock", "pg_advisory_unlock_all", "pg_advisory_unlock_shared"})
_SESSION_CALLS = _UNLOCKS | {"set_config"}
# `set_config` counts as SET for these alone; what turns the reading of SQL, rights or the
# read-only state stays with the code.
_BY_FUNCTION = _HARMLESS | {"search_path"}
_VERBS = {
    "role": "SET ROLE",
    "session_authorization": "SET SESSION AUTHORIZATION",
    "TRANSACTION": "SET TRANSACTION",
    "TRANSACTION SNAPSHOT": "SET TRANSACTION",
    "SESSION CHARACTERISTICS": "SET SESSION CHARACTERISTICS",
}
_MULTI, _RESET, _RESET_ALL = 4, 5, 6

_TRANSACTIONS = {
    1: ("BEGIN", TransactionVerb.BEGIN, True),
    2: ("BEGIN", TransactionVerb.BEGIN, True),
    3: ("COMMIT", TransactionVerb.COMMIT, True),
    4: ("ROLLBACK", TransactionVerb.ROLLBACK, False),
    5: ("SAVEPOINT", TransactionVerb.SAVEPOINT, True),
    6: ("RELEASE", TransactionVerb.RELEASE, True),
    7: ("ROLLBACK TO", TransactionVerb.ROLLBACK_TO, False),
    8: ("PREPARE TRANSACTION", TransactionVerb.PREPARE, False),
    9: ("COMMIT PREPARED", TransactionVerb.COMMIT_PREPARED, False),
    10: ("ROLLBACK PREPARED", TransactionVerb.ROLLBACK_PREPARED, False),
}
_DISCARDS = {1: "DISCARD ALL", 2: "DISCARD PLANS", 3: "DISCARD SEQUENCES", 4: "DISCARD TEMP"}
_FIRST_WRITE = 8


def read_set(node: Any, meaning: Meaning) -> None:
    """SET, RESET, SET ROLE, SET SESSION AUTHORIZATION, SET TRANSACTION."""
    if node.kind == _RESET_ALL:
        meaning.verb = "RESET ALL"
        meaning.settings.add("all")
        return
    if node.kind == _MULTI:
        _read_transaction_modes(node, meaning)
        return
    name = node.name.lower()
    meaning.settings.add(name)
    meaning.verb = "RESET" if node.kind == _RESET else _VERBS.get(name, "SET")
    _privileged(name, [constant(one) for one in node.args], meaning)
    meaning.vector_safe = node.kind != _RESET and (name in _HARMLESS or _is_custom(name))


def _read_transaction_modes(node: Any, meaning: Meaning) -> None:
    meaning.verb = _VERBS.get(node.name, "SET TRANSACTION")
    prefix = "default_" if node.name == "SESSION CHARACTERISTICS" else ""
    for one in node.args:
        if one.WhichOneof("node") == "def_elem":
            meaning.settings.add(prefix + one.def_elem.defname.lower())
    # Like BEGIN READ ONLY, SET TRANSACTION turns the reading of nothing; and asking for the vector
    # takes a snapshot, after which the target refuses READ WRITE, SNAPSHOT and another isolation.
    meaning.vector_safe = "default_transaction_read_only" not in meaning.settings


def _privileged(name: str, values: list[str | None], meaning: Meaning) -> None:
    if name in _PRIVILEGED:
        meaning.tags.add("privilege")
    if name in _ROLE_SETTINGS:
        meaning.roles.update(value for value in values if value)


def read_transaction(node: Any, meaning: Meaning) -> None:
    """BEGIN to ROLLBACK PREPARED."""
    verb, transaction, safe = _TRANSACTIONS.get(
        node.kind, ("TRANSACTION", TransactionVerb.NONE, False)
    )
    meaning.verb, meaning.transaction, meaning.vector_safe = verb, transaction, safe
    if node.kind >= _FIRST_WRITE:
        meaning.sql_class = SqlClass.WRITE
        meaning.tables_complete = False
    for one in node.options:
        if one.WhichOneof("node") == "def_elem":
            meaning.settings.add(one.def_elem.defname.lower())


def read_discard(node: Any, meaning: Meaning) -> None:
    """DISCARD ALL, PLANS, SEQUENCES, TEMP."""
    meaning.verb = _DISCARDS.get(node.target, "DISCARD")
    meaning.vector_safe = meaning.verb in {"DISCARD PLANS", "DISCARD SEQUENCES"}
    if meaning.verb == "DISCARD ALL":
        meaning.settings.add("all")


def read_constraints(node: Any, meaning: Meaning) -> None:
    """SET CONSTRAINTS: IMMEDIATE runs what was deferred, triggers among it, at once."""
    if node.deferred:
        meaning.vector_safe = meaning.tables_complete = meaning.functions_complete = True
    else:
        meaning.sql_class = SqlClass.PROCEDURAL


def read_set_config(meaning: Meaning) -> None:
    """Calls of set_config count as SET; a name that is not a literal is `*`: any of them."""
    for call in meaning.found.calls:
        name = call.funcname[-1].string.sval if call.funcname else ""
        if name != "set_config":
            continue
        meaning.values_read = True
        values = [constant(one) for one in call.args]
        setting = (values[0] if values else None) or "*"
        meaning.settings.add(setting.lower())
        if setting == "*":
            meaning.tags.add("privilege")
        _privileged(setting.lower(), values[1:2], meaning)


def only_session_calls(meaning: Meaning, ground: Ground) -> bool:
    """Whether a query that is not proven is a SET in other words, and does nothing else.

    It calls set_config for settings that are named by literals and could be SET as harmless ones,
    or gives back the session's own locks; the rest is proven, reads no relation, and no user made
    a function of these names.
    """
    found, view = meaning.found, ground.resolver.view
    calls = {name for name in found.functions if name and name[-1] in _SESSION_CALLS}
    if not calls or view is None or found.reads or found.row_locks or found.current_of:
        return False
    if any(name[:-1] not in {(), ("pg_catalog",)} or name[-1] in view.functions for name in calls):
        return False
    if not all(name in _BY_FUNCTION or _is_custom(name) for name in meaning.settings):
        return False
    return not unproven(replace(found, functions=found.functions - calls), ground)


def set_config_is_safe(meaning: Meaning) -> bool:
    """Whether what set_config changes, if anything, leaves the reading of SQL as it is."""
    return all(name in _HARMLESS or _is_custom(name) for name in meaning.settings)


def _is_custom(name: str) -> bool:
    return "." in name
