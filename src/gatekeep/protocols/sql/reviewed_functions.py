"""Built-in functions and aggregates that were read one by one and found to run no other code.

By name, PostgreSQL 13 to 18, without overloads: what is not here taints a statement. Off it on
purpose: whatever runs SQL or code named by an argument, reads files, opens connections, takes
locks that outlive the statement, assigns transaction ids, or changes state. Data only.
"""

from __future__ import annotations

# Arithmetic on their arguments alone; `random` moves the backend's own generator, seeds stay off.
_MATHS = """
abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh bit bit_count bool
cash_words cbrt ceil ceiling cos cosd cosh cot cotd crc32 crc32c degrees dexp div dround
dtrunc erf erfc exp factorial float4 float8 floor gamma gcd get_bit get_byte int2 int4 int8
lcm lgamma ln log log10 min_scale mod money numeric pi pow power radians random
random_normal round scale set_bit set_byte sign sin sind sinh sqrt tan tand tanh to_bin
to_hex to_oct trim_scale trunc width_bucket
"""
# Text in, text out. `convert*` and `to_ascii` use conversions, which only superusers can make.
_TEXT = """
ascii bit_length bpchar btrim bytea casefold char char_length character_length chr concat
concat_ws convert convert_from convert_to decode encode format gen_random_uuid initcap
is_normalized left length like like_escape lower lpad ltrim md5 name normalize notlike
octet_length overlay parse_ident position quote_ident quote_literal quote_nullable
regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad
rtrim sha224 sha256 sha384 sha512 similar_escape similar_to_escape split_part starts_with
string_to_array string_to_table strpos substr substring text textcat textlen to_ascii
to_char to_number translate unicode_assigned unicode_version unistr upper
uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 varchar
"""
# The clock and arithmetic on times; `pg_sleep` holds nothing but its own backend.
_DATES = """
age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract
interval isfinite justify_days justify_hours justify_interval make_date make_interval
make_time make_timestamp make_timestamptz now overlaps pg_sleep pg_sleep_for pg_sleep_until
statement_timestamp time timeofday timestamp timestamptz timetz timezone to_date
to_timestamp transaction_timestamp
"""
# Their transition and final functions are built-in; a user's aggregate of the same name taints.
_AGGREGATES = """
any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop
covar_samp cume_dist dense_rank every first_value json_agg json_agg_strict json_object_agg
json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg
jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
jsonb_object_agg_unique_strict lag last_value lead max min mode nth_value ntile percent_rank
percentile_cont percentile_disc range_agg range_intersect_agg rank regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy row_number stddev
stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg
"""
# What sorts, finds or unnests uses the element type's operators, which the look-up charges.
_ARRAYS = """
array_append array_cat array_dims array_fill array_length array_lower array_ndims
array_position array_positions array_prepend array_remove array_replace array_reverse
array_sample array_shuffle array_sort array_to_string array_upper cardinality enum_first
enum_last enum_range generate_series generate_subscripts num_nonnulls num_nulls trim_array
unnest
"""
# Off: *_populate_record*, *_to_record*: they run the input functions of any type, domains too.
_JSON = """
array_to_json json_array_elements json_array_elements_text json_array_length
json_build_array json_build_object json_each json_each_text json_extract_path
json_extract_path_text json_object json_object_keys json_strip_nulls json_typeof
jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
jsonb_build_object jsonb_concat jsonb_contains jsonb_delete jsonb_each jsonb_each_text
jsonb_exists jsonb_exists_all jsonb_exists_any jsonb_extract_path jsonb_extract_path_text
jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz
jsonb_path_match jsonb_path_match_tz jsonb_path_query jsonb_path_query_array
jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
jsonb_path_query_tz jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_typeof
row_to_json to_json to_jsonb
"""
# What the parser writes for grammar; RETURNING types are proven as types.
_SYNTAX = """
json json_array json_arrayagg json_exists json_objectagg json_query json_scalar json_serialize
json_table json_value
"""
# Constructors of the built-in ranges; a user's range is charged with its functions.
_RANGES = """
datemultirange daterange int4multirange int4range int8multirange int8range isempty lower_inc
lower_inf multirange nummultirange numrange range_merge tsmultirange tsrange tstzmultirange
tstzrange upper_inc upper_inf
"""
# Geometry and network addresses: arithmetic on values.
_PLACES = """
abbrev area bound_box box broadcast center cidr circle diagonal diameter family height host
hostmask inet_merge inet_same_family isclosed ishorizontal isopen isparallel isperp
isvertical line lseg macaddr macaddr8 macaddr8_set7bit masklen netmask network npoints path
pclose point polygon popen radius set_masklen slope width
"""
# Dictionaries and parsers are C that only superusers install. Off: ts_stat, ts_rewrite and
# *_to_xml, which run SQL that an argument names.
_SEARCH = """
array_to_tsvector get_current_ts_config json_to_tsvector jsonb_to_tsvector numnode
phraseto_tsquery plainto_tsquery querytree setweight strip to_tsquery to_tsvector ts_delete
ts_filter ts_headline ts_rank ts_rank_cd tsquery_phrase tsvector_to_array
websearch_to_tsquery xml_is_well_formed xml_is_well_formed_content
xml_is_well_formed_document xmlcomment xmlexists xmltext xpath xpath_exists
"""
# They look names up, print definitions, check rights, tell sizes and positions. Off: what takes a
# transaction id (txid_current), reads files, signals, or tells other people's statements.
_CATALOGUE = """
_pg_expandarray acldefault aclexplode col_description current_catalog current_database
current_query current_schema current_schemas current_setting current_user currval
format_type getdatabaseencoding getpgusername has_any_column_privilege has_column_privilege
has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege
has_language_privilege has_largeobject_privilege has_parameter_privilege
has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege
has_tablespace_privilege has_type_privilege icu_unicode_version inet_client_addr
inet_client_port inet_server_addr inet_server_port lastval makeaclitem mxid_age
obj_description oid oidvectortypes pg_available_extension_versions pg_available_extensions
pg_backend_pid pg_basetype pg_blocking_pids pg_char_to_encoding pg_client_encoding
pg_collation_actual_version pg_collation_for pg_collation_is_visible pg_column_compression
pg_column_is_updatable pg_column_size pg_conf_load_time pg_conversion_is_visible
pg_current_snapshot pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
pg_current_xact_id_if_assigned pg_database_collation_actual_version pg_database_size
pg_describe_object pg_encoding_max_length pg_encoding_to_char pg_filenode_relation
pg_function_is_visible pg_get_acl pg_get_catalog_foreign_keys pg_get_constraintdef
pg_get_expr pg_get_function_arg_default pg_get_function_arguments
pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody
pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_object_address
pg_get_partition_constraintdef pg_get_partkeydef pg_get_publication_tables
pg_get_replica_identity_index pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef
pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef
pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object pg_identify_object_as_address
pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_indexes_size
pg_is_in_recovery pg_is_other_temp_schema pg_is_wal_replay_paused pg_jit_available
pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn
pg_last_xact_replay_timestamp pg_listening_channels pg_lock_status pg_my_temp_schema
pg_notification_queue_usage pg_opclass_is_visible pg_operator_is_visible
pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors pg_partition_root
pg_partition_tree pg_postmaster_start_time pg_relation_filenode pg_relation_filepath
pg_relation_is_publishable pg_relation_is_updatable pg_relation_size
pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sequence_parameters
pg_settings_get_flags pg_show_all_settings pg_size_bytes pg_size_pretty pg_snapshot_xip
pg_snapshot_xmax pg_snapshot_xmin pg_stat_get_dead_tuples pg_stat_get_last_analyze_time
pg_stat_get_last_autoanalyze_time pg_stat_get_last_autovacuum_time
pg_stat_get_last_vacuum_time pg_stat_get_live_tuples pg_stat_get_numscans
pg_statistics_obj_is_visible pg_table_is_visible pg_table_size pg_tablespace_location
pg_tablespace_size pg_timezone_names pg_total_relation_size pg_trigger_depth
pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible
pg_ts_template_is_visible pg_type_is_visible pg_typeof pg_visible_in_snapshot
pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset pg_xact_commit_timestamp
pg_xact_status row_security_active session_user shobj_description system_user to_regclass
to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure
to_regrole to_regtype to_regtypemod ts_token_type txid_current_if_assigned
txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_status
txid_visible_in_snapshot version
"""
# Counters of the statistics system: numbers and times by oid, read from shared memory. Off: the
# resets, and what tells of other backends (pg_stat_get_activity, pg_stat_get_backend_*).
_COUNTERS = """
pg_stat_get_analyze_count pg_stat_get_archiver pg_stat_get_autoanalyze_count
pg_stat_get_autovacuum_count pg_stat_get_bgwriter_buf_written_clean
pg_stat_get_bgwriter_maxwritten_clean pg_stat_get_bgwriter_stat_reset_time
pg_stat_get_blocks_fetched pg_stat_get_blocks_hit pg_stat_get_buf_alloc
pg_stat_get_checkpointer_buffers_written pg_stat_get_checkpointer_num_requested
pg_stat_get_checkpointer_num_timed pg_stat_get_checkpointer_stat_reset_time
pg_stat_get_checkpointer_sync_time pg_stat_get_checkpointer_write_time
pg_stat_get_db_active_time pg_stat_get_db_blk_read_time pg_stat_get_db_blk_write_time
pg_stat_get_db_blocks_fetched pg_stat_get_db_blocks_hit pg_stat_get_db_checksum_failures
pg_stat_get_db_checksum_last_failure pg_stat_get_db_conflict_all
pg_stat_get_db_conflict_bufferpin pg_stat_get_db_conflict_lock pg_stat_get_db_conflict_snapshot
pg_stat_get_db_conflict_startup_deadlock pg_stat_get_db_conflict_tablespace
pg_stat_get_db_deadlocks pg_stat_get_db_idle_in_transaction_time pg_stat_get_db_numbackends
pg_stat_get_db_session_time pg_stat_get_db_sessions pg_stat_get_db_sessions_abandoned
pg_stat_get_db_sessions_fatal pg_stat_get_db_sessions_killed pg_stat_get_db_stat_reset_time
pg_stat_get_db_temp_bytes pg_stat_get_db_temp_files pg_stat_get_db_tuples_deleted
pg_stat_get_db_tuples_fetched pg_stat_get_db_tuples_inserted pg_stat_get_db_tuples_returned
pg_stat_get_db_tuples_updated pg_stat_get_db_xact_commit pg_stat_get_db_xact_rollback
pg_stat_get_function_calls pg_stat_get_function_self_time pg_stat_get_function_total_time
pg_stat_get_ins_since_vacuum pg_stat_get_io pg_stat_get_lastscan pg_stat_get_mod_since_analyze
pg_stat_get_slru pg_stat_get_snapshot_timestamp pg_stat_get_total_analyze_time
pg_stat_get_total_autoanalyze_time pg_stat_get_total_autovacuum_time
pg_stat_get_total_vacuum_time pg_stat_get_tuples_deleted pg_stat_get_tuples_fetched
pg_stat_get_tuples_hot_updated pg_stat_get_tuples_inserted
pg_stat_get_tuples_newpage_updated pg_stat_get_tuples_returned pg_stat_get_tuples_updated
pg_stat_get_vacuum_count pg_stat_get_wal pg_stat_get_xact_blocks_fetched
pg_stat_get_xact_blocks_hit pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted
pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_returned
pg_stat_get_xact_tuples_updated
"""
# What browsers of a server ask beside its schema: the control file's numbers, databases in a
# tablespace, time zone names, versions an extension could go to; and types called like functions.
_SERVER = """
pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
pg_extension_update_paths pg_get_wal_replay_pause_state pg_lsn pg_split_walfile_name
pg_tablespace_databases pg_timezone_abbrevs pg_timezone_abbrevs_abbrevs
pg_timezone_abbrevs_zone regclass varbit xid
"""

_TEXTS = (
    _MATHS,
    _TEXT,
    _DATES,
    _AGGREGATES,
    _ARRAYS,
    _JSON,
    _SYNTAX,
    _RANGES,
    _PLACES,
    _SEARCH,
    _CATALOGUE,
    _COUNTERS,
    _SERVER,
)
REVIEWED_FUNCTIONS = frozenset(name for text in _TEXTS for name in text.split())
