"""What graphical clients ask of a server when a tree is opened, a table shown, a console started.

Written by us after the kinds of query that pgAdmin, DBeaver, DataGrip and their like send; each is
valid from PostgreSQL 15 to 18. Data only.
"""

from __future__ import annotations

BROWSING: tuple[str, ...] = (
    # --- the server and its databases
    "SELECT version(), current_setting('server_version_num')::int, pg_postmaster_start_time()",
    "SELECT set_config('bytea_output', 'hex', false) FROM pg_show_all_settings() WHERE name = 'bytea_output'",
    (
        "SELECT gss_authenticated, encrypted, ssl, version FROM pg_catalog.pg_stat_gssapi g"
        " LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = g.pid WHERE g.pid = pg_backend_pid()"
    ),
    (
        "SELECT roles.oid AS id, roles.rolname AS name, roles.rolsuper AS is_superuser,"
        " CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreaterole END AS can_create_role,"
        " CASE WHEN roles.rolsuper THEN true ELSE roles.rolcreatedb END AS can_create_db,"
        " CASE WHEN 'pg_signal_backend' = ANY (ARRAY(WITH RECURSIVE cte AS (SELECT"
        " pg_roles.oid, pg_roles.rolname FROM pg_roles WHERE pg_roles.oid = roles.oid UNION ALL"
        " SELECT m.roleid, pgr.rolname FROM cte cte_1 JOIN pg_auth_members m ON m.member ="
        " cte_1.oid JOIN pg_roles pgr ON pgr.oid = m.roleid) SELECT rolname FROM cte)) THEN true"
        " ELSE false END AS can_signal_backend FROM pg_catalog.pg_roles AS roles"
        " WHERE rolname = current_user"
    ),
    (
        "SELECT db.oid AS did, db.datname AS name, ta.spcname AS spcname, db.datallowconn,"
        " pg_encoding_to_char(db.encoding) AS serverencoding, datistemplate,"
        " has_database_privilege(db.oid, 'CREATE') AS cancreate, datdba, descr.description"
        " FROM pg_catalog.pg_database db LEFT OUTER JOIN pg_catalog.pg_tablespace ta ON"
        " db.dattablespace = ta.oid LEFT OUTER JOIN pg_catalog.pg_shdescription descr ON"
        " (db.oid = descr.objoid AND descr.classoid = 'pg_database'::regclass) ORDER BY datname"
    ),
    (
        "SELECT db.oid, db.datname, pg_catalog.pg_get_userbyid(db.datdba) AS owner,"
        " CASE WHEN has_database_privilege(db.datname, 'CONNECT')"
        " THEN pg_size_pretty(pg_database_size(db.datname)) ELSE 'No Access' END AS size,"
        " array_to_string(db.datacl::text[], ', ') AS acl FROM pg_database db"
    ),
    "SELECT name, setting, unit, category, short_desc, context, vartype, source FROM pg_settings",
    "SELECT name, default_version, installed_version, comment FROM pg_available_extensions",
    "SELECT * FROM pg_available_extension_versions WHERE name = 'plpgsql'",
    "SELECT extname, extversion, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
    "SELECT spcname, pg_tablespace_location(oid), spcacl, spcoptions FROM pg_tablespace",
    (
        "SELECT r.rolname, r.rolcanlogin, r.rolvaliduntil, r.rolconnlimit, ARRAY(SELECT b.rolname"
        " FROM pg_auth_members m JOIN pg_roles b ON m.roleid = b.oid WHERE m.member = r.oid),"
        " shobj_description(r.oid, 'pg_authid') FROM pg_roles r WHERE r.rolname !~ '^pg_'"
    ),
    "SELECT state, name, abbrev, utc_offset FROM pg_timezone_names, (VALUES (1)) AS v(state) LIMIT 5",
    "SELECT datname, numbackends, xact_commit, blks_hit, tup_returned, deadlocks FROM pg_stat_database",
    "SELECT pg_stat_get_db_numbackends(oid), pg_stat_get_db_xact_commit(oid) FROM pg_database",
    "SELECT locktype, relation::regclass, mode, granted, pid, pg_blocking_pids(pid) FROM pg_locks",
    "SELECT gid, prepared, owner, database FROM pg_prepared_xacts",
    # --- schemas
    (
        "SELECT nsp.oid, nsp.nspname AS name, has_schema_privilege(nsp.oid, 'CREATE') AS can_create,"
        " has_schema_privilege(nsp.oid, 'USAGE') AS has_usage, pg_get_userbyid(nsp.nspowner),"
        " des.description FROM pg_catalog.pg_namespace nsp LEFT OUTER JOIN"
        " pg_catalog.pg_description des ON (des.objoid = nsp.oid AND des.classoid ="
        " 'pg_namespace'::regclass) WHERE nspname NOT LIKE E'pg\\\\_%' ORDER BY nspname"
    ),
    "SELECT current_schemas(true), current_schema(), session_user, current_user, inet_server_port()",
    # --- relations of a schema
    (
        "SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS"
        " partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key FROM"
        " pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND"
        " d.objsubid = 0 AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace ="
        " 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c')"
    ),
    (
        "SELECT c.oid, c.relname, pg_relation_size(c.oid), pg_total_relation_size(c.oid),"
        " pg_indexes_size(c.oid), s.n_live_tup, s.last_vacuum, s.last_autoanalyze"
        " FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid WHERE c.relkind IN ('r','p')"
    ),
    (
        "SELECT a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
        " pg_get_expr(ad.adbin, ad.adrelid, true) AS def, dsc.description, a.attidentity,"
        " a.attgenerated, a.attstattarget, a.attstorage, t.typname, coll.collname,"
        " dep.objid FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON"
        " (a.attrelid = c.oid) JOIN pg_type t ON t.oid = a.atttypid LEFT OUTER JOIN"
        " pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)"
        " LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND"
        " a.attnum = dsc.objsubid) LEFT OUTER JOIN pg_catalog.pg_depend dep ON dep.refobjid ="
        " a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid ="
        " dep.refclassid LEFT JOIN pg_collation coll ON coll.oid = a.attcollation"
        " WHERE NOT a.attisdropped AND c.relname = 'orders' ORDER BY a.attnum"
    ),
    (
        "SELECT i.*, i.indkey AS keys, c.relname, c.relnamespace, c.relam, c.reltablespace,"
        " tc.relname AS tabrelname, dsc.description, pg_catalog.pg_get_expr(i.indpred, i.indrelid,"
        " true) AS pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS key_expr,"
        " pg_relation_size(i.indexrelid) AS index_rel_size, pg_stat_get_numscans(i.indexrelid),"
        " pg_get_indexdef(i.indexrelid, 1, true), pg_index_column_has_property(i.indexrelid, 1, 'asc'),"
        " am.amname FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid ="
        " i.indexrelid INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid JOIN pg_am am ON"
        " am.oid = c.relam LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid ="
        " dsc.objoid WHERE i.indrelid = 'orders'::regclass"
    ),
    (
        "SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace,"
        " d.description, pg_catalog.pg_get_constraintdef(c.oid, true), c.conkey::int[],"
        " ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = c.conrelid AND attnum ="
        " ANY (c.conkey)) FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid"
        " = c.conrelid LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid LEFT OUTER JOIN"
        " pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 WHERE c.conrelid ="
        " 'orders'::regclass"
    ),
    (
        "SELECT x.oid, x.*, p.pronamespace AS func_schema, pg_catalog.pg_get_triggerdef(x.oid, true),"
        " d.description FROM pg_catalog.pg_trigger x JOIN pg_proc p ON p.oid = x.tgfoid LEFT OUTER"
        " JOIN pg_catalog.pg_description d ON d.objoid = x.oid WHERE NOT x.tgisinternal"
    ),
    "SELECT r.oid, r.*, pg_get_ruledef(r.oid, true) FROM pg_rewrite r WHERE r.ev_class = 'recent'::regclass",
    "SELECT pg_get_viewdef('recent'::regclass, true), pg_get_viewdef('totals'::regclass::oid)",
    "SELECT polname, pg_get_expr(polqual, polrelid), polroles::regrole[] FROM pg_policy",
    (
        "SELECT (aclexplode(c.relacl)).grantee, (aclexplode(c.relacl)).privilege_type,"
        " relacl::text FROM pg_class c WHERE c.relname = 'customers'"
    ),
    (
        "SELECT grantee::regrole, string_agg(privilege_type, ',' ORDER BY privilege_type) FROM"
        " pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) WHERE c.oid ="
        " 'customers'::regclass GROUP BY 1"
    ),
    "SELECT s.relname, pg_sequence_last_value(s.oid), p.* FROM pg_class s, pg_sequence_parameters(s.oid) p WHERE s.relkind = 'S'",
    "SELECT sequencename, last_value, start_value, increment_by, cycle FROM pg_sequences",
    "SELECT last_value, is_called FROM tickets",
    "SELECT pg_get_serial_sequence('public.orders', 'id')",
    "SELECT pg_get_statisticsobjdef(oid), stxkind, stxkeys FROM pg_statistic_ext",
    "SELECT inhparent::regclass, inhrelid::regclass, inhseqno FROM pg_inherits",
    "SELECT relid, parentrelid, isleaf, level FROM pg_partition_tree('stock.events')",
    # --- code and types
    (
        "SELECT p.oid, p.proname, l.lanname, pg_get_function_identity_arguments(p.oid) AS args,"
        " pg_get_function_result(p.oid), pg_get_function_arguments(p.oid), p.prokind, p.proargnames,"
        " oidvectortypes(p.proargtypes), pg_get_function_arg_default(p.oid, 2), p.prosrc,"
        " has_function_privilege(p.oid, 'EXECUTE') FROM pg_catalog.pg_proc p JOIN pg_language l ON"
        " l.oid = p.prolang WHERE p.pronamespace = 'stock'::regnamespace"
    ),
    "SELECT pg_get_functiondef('stock.price(sku, int)'::regprocedure)",
    "SELECT a.aggfnoid::regproc, a.aggkind, a.aggtransfn, format_type(a.aggtranstype, NULL) FROM pg_aggregate a LIMIT 9",
    (
        "SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS"
        " base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN"
        " pg_catalog.pg_type et ON et.oid = t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON"
        " c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE"
        " t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS"
        " NULL OR et.typcategory <> 'C')"
    ),
    "SELECT e.enumlabel, e.enumsortorder FROM pg_enum e WHERE e.enumtypid = 'status'::regtype ORDER BY 2",
    "SELECT rngsubtype::regtype, rngcollation, rngcanonical FROM pg_range WHERE rngtypid = 'span'::regtype",
    "SELECT castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext FROM pg_cast LIMIT 9",
    "SELECT oprname, oprleft::regtype, oprright::regtype, oprcode FROM pg_operator LIMIT 9",
    "SELECT collname, pg_collation_is_visible(oid), collversion FROM pg_collation LIMIT 9",
    "SELECT evtname, evtevent, evtfoid::regproc FROM pg_event_trigger",
    "SELECT pubname, puballtables, pg_get_userbyid(pubowner) FROM pg_publication",
    "SELECT srvname, fdwname, array_to_string(srvoptions, ',') FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw",
    "SELECT word, catcode, catdesc FROM pg_get_keywords()",
    # --- what depends on what
    (
        "SELECT dep.deptype, dep.classid::regclass, pg_describe_object(dep.classid, dep.objid,"
        " dep.objsubid), (pg_identify_object(dep.classid, dep.objid, dep.objsubid)).type FROM"
        " pg_depend dep WHERE dep.refobjid = 'customers'::regclass"
    ),
    "SELECT deptype, pg_describe_object(classid, objid, 0) FROM pg_shdepend WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 9",
    # --- information_schema
    "SELECT * FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    (
        "SELECT tc.constraint_name, kcu.column_name, ccu.table_name FROM"
        " information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu"
        " USING (constraint_name) JOIN information_schema.constraint_column_usage ccu USING"
        " (constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY'"
    ),
    "SELECT routine_name, data_type, routine_definition FROM information_schema.routines WHERE routine_schema = 'stock'",
    "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = 'customers'",
    "SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers",
    "SELECT schema_name, schema_owner FROM information_schema.schemata",
    "SELECT domain_name, data_type FROM information_schema.domains; SELECT * FROM information_schema.views",
    # --- the rows of a table in a grid
    "SELECT x.*, x.ctid, x.xmin FROM public.orders x ORDER BY x.id LIMIT 200 OFFSET 0",
    "SELECT count(*) FROM (SELECT * FROM public.orders) AS counted",
    "EXPLAIN (FORMAT json, COSTS true, VERBOSE true, BUFFERS false) SELECT * FROM orders",
    "SELECT reltuples::bigint AS estimate FROM pg_class WHERE oid = 'public.orders'::regclass",
)
