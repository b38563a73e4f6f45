"""The SQL by which sizes and locks are looked at: from the catalogue and the lock table alone.

As in `queries`, every name is qualified and search_path holds pg_catalog only; nothing here calls
code that a user made, and nothing waits for a lock but SIZE.
"""

from __future__ import annotations

STAND = """
SELECT pg_catalog.set_config('statement_timeout', $1::pg_catalog.text, false),
       pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, false),
       pg_catalog.set_config('role', $2::pg_catalog.text, false)
"""

# For the savepoint in which a plan is asked for: the session's own path, and what time is left.
AS_SESSION = """
SELECT pg_catalog.set_config('statement_timeout', $1::pg_catalog.text, true),
       pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true),
       pg_catalog.set_config('search_path', $2::pg_catalog.text, true)
"""

# For bound values: EXPLAIN (GENERIC_PLAN) is 16's, and asks for values in the extended protocol.
# These run under the session's own path: no operator is used. Ours is the only name there is.
GENERIC = "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)"
PARAMETERS = """
SELECT pg_catalog.cardinality(p.parameter_types) FROM pg_catalog.pg_prepared_statements p
"""
EXECUTE = "EXPLAIN (FORMAT JSON) EXECUTE gk_sight"

WAIT_SHORTLY = "SELECT pg_catalog.set_config('lock_timeout', $1::pg_catalog.text, true)"

# `may`: whether the session's role has any right to its rows. Who has none is told no number.
TABLES = """
SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
       c.reltuples::pg_catalog.float8 AS tuples,
       (SELECT pg_catalog.array_agg(i.inhparent) FROM pg_catalog.pg_inherits i
        WHERE i.inhrelid = c.oid) AS parents,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (
         pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
         OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')) AS may
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')
  AND pg_catalog.concat(n.nspname, '.', c.relname) = ANY ($1::pg_catalog.text[])
LIMIT 2000
"""

# A table with everything below it that holds rows of its own.
FAMILY = """
WITH RECURSIVE below AS (
  SELECT $1::pg_catalog.oid AS oid
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON b.oid = i.inhparent)
SELECT c.oid, c.relname::pg_catalog.text AS name, c.reltuples::pg_catalog.float8 AS tuples,
       c.relpages AS pages
FROM below b JOIN pg_catalog.pg_class c ON c.oid = b.oid
WHERE c.relkind IN ('r', 'm') LIMIT 10000
"""

INDEXES = """
SELECT x.relname::pg_catalog.text AS name FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = $1::pg_catalog.oid AND i.indisvalid ORDER BY 1 LIMIT 20
"""

SIZE = """
SELECT pg_catalog.sum(pg_catalog.pg_relation_size(o))::pg_catalog.int8
FROM pg_catalog.unnest($1::pg_catalog.oid[]) o
"""

# A process of that number may be another one's, where a pooler stands between.
IS_OURS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::pg_catalog.int4
  AND a.usename = pg_catalog.session_user() AND a.datname = pg_catalog.current_database())
"""

HELD = """
SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, l.mode
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = $1::pg_catalog.int4 AND l.granted AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND c.relkind IN ('r', 'p', 'm', 'v', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
LIMIT 10000
"""

OTHERS = """
SELECT l.relation AS oid, l.mode, l.granted, coalesce(l.pid, 0) AS pid,
       coalesce(a.usename::pg_catalog.text, '') AS account,
       coalesce(a.application_name, '') AS application
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = ANY ($1::pg_catalog.oid[])
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
  AND coalesce(l.pid, 0) NOT IN ($2::pg_catalog.int4, pg_catalog.pg_backend_pid())
LIMIT 10000
"""
