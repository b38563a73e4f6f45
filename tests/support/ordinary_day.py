"""An engineer's ordinary day in SQL, and what is not part of one. Data only.

`READING` and `SESSION` may go to production, `CHANGING` to any other environment.
"""

from __future__ import annotations

SESSION: tuple[str, ...] = (
    "SET application_name = 'day'",
    "SET statement_timeout = '30s'",
    "SET lock_timeout TO 2000",
    "SET idle_in_transaction_session_timeout = 60000",
    "SET search_path = public, stock",
    "SET search_path TO DEFAULT",
    "SET DateStyle = ISO",
    "SET TimeZone = 'Europe/Berlin'",
    "SET TIME ZONE 'UTC'",
    "SET extra_float_digits = 3",
    "SET client_min_messages = notice",
    "SET client_encoding = 'UTF8'",
    "SET NAMES 'UTF8'",
    "SET standard_conforming_strings = on",
    "SET bytea_output TO 'hex'",
    "SET intervalstyle = 'iso_8601'",
    "SET work_mem = '64MB'",
    "SET jit = off",
    "SET enable_seqscan = off",
    "SET random_page_cost = 1.1",
    "SET max_parallel_workers_per_gather = 0",
    "SET plan_cache_mode = force_custom_plan",
    "RESET statement_timeout",
    "RESET ALL",
    "SELECT set_config('statement_timeout', '5s', false)",
    "SELECT pg_advisory_unlock_all()",
    "BEGIN",
    "SET LOCAL statement_timeout = '1s'",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "COMMIT",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET TRANSACTION READ ONLY",
    "ROLLBACK",
    "START TRANSACTION",
    "END",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "LISTEN news",
    "UNLISTEN *",
    "PREPARE one (int) AS SELECT * FROM orders WHERE id = $1",
    "DEALLOCATE one",
    "DEALLOCATE ALL",
    "DISCARD PLANS",
    "DISCARD ALL",
    "",
)
READING: tuple[str, ...] = (
    "SHOW search_path",
    "SHOW ALL",
    "SHOW server_version",
    "SHOW TRANSACTION ISOLATION LEVEL",
    "SELECT 1",
    "SELECT version(), now(), current_user, current_database()",
    "SELECT * FROM orders ORDER BY at DESC LIMIT 50",
    "TABLE customers",
    "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.name ILIKE 'a%'",
    "SELECT * FROM orders NATURAL JOIN (SELECT 1 AS id) one",
    "SELECT * FROM recent",
    "SELECT * FROM totals t JOIN customers c ON c.id = t.customer_id",
    "SELECT * FROM stock.events WHERE at BETWEEN '2026-01-05' AND '2026-01-10'",
    "SELECT state, count(*), sum(total), avg(total)::numeric(10, 2), min(at), max(at) FROM orders GROUP BY state",
    "SELECT date_trunc('day', at), count(*) FILTER (WHERE state = 'paid') FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT extract(dow FROM at), to_char(at, 'IYYY-IW'), age(at), at + interval '1 day', at AT TIME ZONE 'UTC' FROM orders",
    "SELECT id, total, rank() OVER (PARTITION BY state ORDER BY total DESC), lag(total) OVER w, sum(total) OVER (ORDER BY at ROWS 3 PRECEDING) FROM orders WINDOW w AS (ORDER BY at)",
    "SELECT data->'a'->>'b', data #>> '{a,b,0}', data ? 'vip', data @> '{\"vip\": true}', jsonb_path_query_first(data, '$.a.b[*]') FROM customers",
    "SELECT jsonb_pretty(data), jsonb_object_keys(data) FROM customers",
    "SELECT id, e.key, e.value FROM customers, jsonb_each(data) AS e",
    "SELECT jsonb_agg(jsonb_build_object('id', id, 'name', name) ORDER BY id) FROM customers",
    "SELECT regexp_replace(email, '@.*', ''), email ~* '^a', substring(name from '[a-z]+'), regexp_matches(name, '(.)(.)') FROM customers",
    "SELECT d::date FROM generate_series('2026-11-01'::timestamptz, '2026-11-07', '1 day') AS d",
    "SELECT d, count(o.id) FROM generate_series(date '2026-11-01', date '2026-11-05', interval '1 day') d LEFT JOIN orders o ON o.at::date = d GROUP BY d",
    "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t",
    "WITH last AS (SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, at DESC) SELECT * FROM last",
    "SELECT c.name, l.* FROM customers c CROSS JOIN LATERAL (SELECT id, total FROM orders o WHERE o.customer_id = c.id ORDER BY at DESC LIMIT 3) l",
    "SELECT string_agg(DISTINCT name, ', ' ORDER BY name), array_agg(id), mode() WITHIN GROUP (ORDER BY name), percentile_cont(0.9) WITHIN GROUP (ORDER BY id) FROM customers",
    "SELECT coalesce(state::text, 'all'), count(*), grouping(state) FROM orders GROUP BY CUBE (state)",
    "SELECT * FROM orders WHERE tags && ARRAY['t1', 't2'] AND 't1' = ANY (tags) AND cardinality(tags) > 0",
    "SELECT unnest(tags), count(*) FROM orders GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC",
    "SELECT CASE WHEN total > 50 THEN 'big' ELSE 'small' END, count(*) FROM orders GROUP BY 1",
    "SELECT * FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 10) AND email IS NOT NULL",
    "SELECT * FROM customers WHERE NOT EXISTS (SELECT FROM orders WHERE customer_id = customers.id)",
    "SELECT (home).town, home IS NULL FROM customers",
    "SELECT count(*) FROM orders WHERE at > now() - interval '30 days' AND total::int % 2 = 0",
    "SELECT width_bucket(total, 0, 100, 5), count(*), stddev(total), corr(total, id) FROM orders GROUP BY 1",
    "SELECT to_tsvector('english', name) @@ plainto_tsquery('ada') FROM customers",
    "SELECT md5(name), encode(sha256(name::bytea), 'hex'), gen_random_uuid(), random() FROM customers",
    "SELECT * FROM customers TABLESAMPLE BERNOULLI (50)",
    "SELECT id FROM orders UNION ALL SELECT id FROM customers INTERSECT SELECT 1 ORDER BY 1",
    "SELECT format('%s has %s', name, id), lpad(id::text, 5, '0'), initcap(name), split_part(email, '@', 2) FROM customers",
    "SELECT least(1, 2), greatest(1, 2), nullif(1, 1), round(1.55, 1), div(7, 2), 7 % 2, 2 ^ 8, |/ 16",
    "EXPLAIN SELECT * FROM orders WHERE id = 1",
    "EXPLAIN (ANALYZE, BUFFERS, FORMAT text) SELECT count(*) FROM orders",
    "SELECT relname, n_live_tup, last_analyze FROM pg_stat_user_tables ORDER BY 2 DESC",
    "SELECT pg_size_pretty(pg_database_size(current_database())), pg_size_pretty(pg_total_relation_size('orders'))",
    "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes ORDER BY idx_scan",
    "SELECT * FROM pg_locks WHERE NOT granted",
    "SELECT pid, pg_blocking_pids(pid) FROM pg_locks",
)
CHANGING: tuple[str, ...] = (
    "INSERT INTO customers (name, email) VALUES ('Dee', 'dee@example.com')",
    "INSERT INTO notes (note) SELECT 'n' || g FROM generate_series(1, 5) g RETURNING id",
    "INSERT INTO customers (id, name) VALUES (2, 'Ben') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "INSERT INTO orders (customer_id, total, article) VALUES (1, 9.5, 'XY-1') RETURNING *",
    "UPDATE customers SET email = 'ada@example.org', data = data || '{\"seen\": true}' WHERE id = 1",
    "UPDATE orders o SET total = o.total * 1.1 FROM customers c WHERE c.id = o.customer_id AND c.name = 'Cid'",
    "DELETE FROM notes WHERE id = 1",
    "DELETE FROM orders USING customers c WHERE c.id = customer_id AND c.name = 'Dee'",
    "WITH gone AS (DELETE FROM notes WHERE note = 'n2' RETURNING *) SELECT count(*) FROM gone",
    "MERGE INTO notes n USING (VALUES (3::bigint, 'x')) AS v(id, note) ON n.id = v.id WHEN MATCHED THEN UPDATE SET note = v.note WHEN NOT MATCHED THEN INSERT (note) VALUES (v.note)",
    "SELECT * FROM orders WHERE id = 1 FOR UPDATE",
    "UPDATE stock.watched SET note = 'x' WHERE id = 1",
    "NOTIFY news, 'done'",
)
# What needs another person even outside production, with the class it has.
NOT_ORDINARY: tuple[tuple[str, str], ...] = (
    ("UPDATE customers SET email = NULL", "write"),
    ("DELETE FROM notes", "write"),
    ("CREATE TABLE more (n int)", "ddl"),
    ("SELECT * FROM pg_stat_activity", "read"),
    ("SELECT most_common_vals FROM pg_stats", "read"),
    ("SELECT rolpassword FROM pg_authid", "read"),
    ("SELECT nextval('tickets')", "procedural"),
    ("SELECT set_config('role', 'postgres', false)", "procedural"),
    ("SET ROLE postgres", "session"),
    ("SET row_security = off", "session"),
    ("SET session_replication_role = replica", "session"),
    ("SET app.tenant = '7'", "session"),
    ("SELECT set_config('app.tenant', '7', false)", "session"),
    ("SELECT pg_terminate_backend(1)", "procedural"),
    ("SELECT pg_advisory_lock(1)", "procedural"),
    ("SELECT stock.price('AB-1', 2)", "procedural"),
    ("CALL stock.tidy()", "procedural"),
    ("GRANT SELECT ON customers TO PUBLIC", "dcl"),
    ("DO $$ BEGIN NULL; END $$", "procedural"),
)
# What drivers and tools that no journey runs send when they open a session, text by text, written
# by us after the kinds of statement that they send.
OPENING: tuple[str, ...] = (
    # pgAdmin
    (
        "SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false)"
        " FROM pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='utf-8';"
    ),
    # ODBC
    "SET DateStyle = 'ISO';SET extra_float_digits = 2;show transaction_isolation",
    "select oid, typbasetype from pg_type where typname = 'lo'",
    # Ruby
    "SET client_min_messages TO 'warning'",
    "SET standard_conforming_strings = on",
    "SET SESSION timezone TO 'UTC'",
    "SET SESSION intervalstyle TO 'iso_8601'",
    (
        "SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype,"
        " t.typbasetype FROM pg_type AS t LEFT JOIN pg_range AS r ON oid = rngtypid WHERE"
        " t.typtype IN ('r', 'e', 'd') OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure"
    ),
    (
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid),"
        " a.attnotnull, c.collname, col_description(a.attrelid, a.attnum) AS comment FROM"
        " pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
        " LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation ="
        " c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '\"orders\"'::regclass"
    ),
    # .NET
    (
        "SELECT version(); SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid"
        " FROM (SELECT typ.oid, typ.typnamespace, typ.typname, typ.typrelid, typ.typnotnull,"
        " CASE WHEN proc.proname = 'array_recv' THEN 'a' ELSE typ.typtype END AS typtype,"
        " CASE WHEN proc.proname = 'array_recv' THEN typ.typelem WHEN typ.typtype = 'r' THEN"
        " rng.rngsubtype WHEN typ.typtype = 'd' THEN typ.typbasetype END AS elemtypoid"
        " FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid) LEFT JOIN"
        " pg_proc AS proc ON proc.oid = typ.typreceive LEFT JOIN pg_range AS rng ON rng.rngtypid ="
        " typ.oid) AS t JOIN pg_namespace AS ns ON ns.oid = t.typnamespace ORDER BY 2"
    ),
    # Go and Rust
    "SELECT t.typname, t.typtype, t.typelem, r.rngsubtype, t.typbasetype, n.nspname, t.typrelid FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid INNER JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 25",
    "-- ping",
    ";",
    # pools
    "ROLLBACK",
    "DISCARD ALL",
    "CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; RESET ALL",
)
