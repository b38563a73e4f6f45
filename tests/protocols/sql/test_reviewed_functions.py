"""What must never be on the list of reviewed functions is not on it."""

from __future__ import annotations

import re

import pytest

from gatekeep.protocols.sql.reviewed_functions import REVIEWED_FUNCTIONS

# By what they do; 12-threats C1 names most of them.
_RUNS_OTHER_CODE = """
ts_stat ts_rewrite query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml
table_to_xml schema_to_xml database_to_xml pg_input_is_valid pg_input_error_info
json_populate_record json_populate_recordset json_to_record json_to_recordset
jsonb_populate_record jsonb_populate_recordset jsonb_populate_record_valid jsonb_to_record
jsonb_to_recordset array_in array_recv domain_in domain_recv record_in record_recv range_in
multirange_in enum_in anyarray_in dblink dblink_exec crosstab connectby xpath_table
"""
_CHANGES = """
set_config nextval setval setseed pg_notify pg_advisory_lock pg_try_advisory_lock
pg_advisory_xact_lock pg_advisory_unlock_all txid_current pg_current_xact_id pg_export_snapshot
lo_create lo_creat lo_open lo_put lo_unlink lo_from_bytea lo_import lo_export lowrite loread
pg_cancel_backend pg_terminate_backend pg_reload_conf pg_rotate_logfile pg_promote
pg_switch_wal pg_create_restore_point pg_logical_emit_message pg_stat_reset pg_stat_reset_shared
pg_stat_force_next_flush pg_stat_clear_snapshot pg_restore_relation_stats
pg_import_system_collations pg_log_backend_memory_contexts gin_clean_pending_list
brin_summarize_new_values pg_replication_slot_advance pg_wal_replay_pause
"""
_TELLS_SECRETS = """
pg_read_file pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir
pg_stat_get_activity pg_stat_get_backend_activity pg_show_all_file_settings pg_hba_file_rules
pg_current_logfile pg_mcv_list_items lo_get pg_logical_slot_get_changes
pg_logical_slot_peek_changes pg_prepared_statement pg_cursor
"""


@pytest.mark.parametrize("names", [_RUNS_OTHER_CODE, _CHANGES, _TELLS_SECRETS])
def test_what_runs_code_changes_or_tells_secrets_is_not_reviewed(names: str) -> None:
    """By name, none of them is on the list."""
    assert REVIEWED_FUNCTIONS & set(names.split()) == set()


def test_families_that_stay_off() -> None:
    """No name on the list belongs to a family whose members change or run things."""
    off = re.compile(
        r"^(lo_|binary_upgrade_|pg_stat_reset|pg_(try_)?advisory|pg_replication_origin|pg_logical_"
        r"|pg_create_|pg_drop_|pg_copy_|pg_restore_|pg_backup|RI_FKey|dblink)"
        r"|_(to_xml|to_xmlschema|populate_record(set)?|to_record(set)?|in|recv)$"
    )
    assert [name for name in sorted(REVIEWED_FUNCTIONS) if off.search(name)] == []
