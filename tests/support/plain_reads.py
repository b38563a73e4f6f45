"""Ordinary reads: what clients, tools and analysts send to a clean database. Data only."""

from __future__ import annotations

SHOP = """
CREATE TYPE status AS ENUM ('new', 'paid', 'sent');
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, email text, since date,
  data jsonb DEFAULT '{}');
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers,
  status status DEFAULT 'new', total numeric(10,2) CHECK (total >= 0), at timestamptz DEFAULT now(),
  tags text[]);
CREATE INDEX ON customers (lower(email));
CREATE INDEX ON orders (at) WHERE status = 'new';
CREATE VIEW recent AS SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id
  WHERE o.at > now() - interval '7 days';
CREATE TABLE events (at date, n int) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1;
"""

PLAIN_READS: tuple[str, ...] = (
    "SELECT 1",
    "SELECT version()",
    "SELECT current_user, session_user, current_database(), current_schema",
    "SELECT now(), current_date, current_timestamp - interval '1 day'",
    "SELECT * FROM customers",
    "TABLE orders",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT id, name FROM customers WHERE id = 1",
    "SELECT c.id, c.name FROM public.customers AS c WHERE c.email LIKE '%@example.com' LIMIT 10",
    "SELECT count(*), avg(total), min(at), max(at) FROM orders",
    "SELECT status, count(*) FROM orders GROUP BY status HAVING count(*) > 1 ORDER BY 2 DESC",
    "SELECT date_trunc('day', at) AS d, sum(total) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.total BETWEEN 1 AND 9",
    "SELECT * FROM orders LEFT JOIN customers USING (id)",
    "SELECT * FROM recent WHERE name ILIKE 'a%'",
    "SELECT * FROM totals",
    "SELECT * FROM events WHERE at >= '2026-02-01'",
    "SELECT name, row_number() OVER (PARTITION BY since ORDER BY id) FROM customers",
    "WITH t AS (SELECT * FROM orders WHERE status = 'paid') SELECT count(*) FROM t",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
    "SELECT data->>'a', data#>'{a,b}', jsonb_typeof(data) FROM customers WHERE data @> '{\"a\": 1}'",
    "SELECT j.key, j.value FROM customers, LATERAL jsonb_each(data) j",
    "SELECT upper(name), length(name), substring(name from 1 for 3), coalesce(email, '-') FROM customers",
    "SELECT CASE status WHEN 'new' THEN 1 ELSE 0 END FROM orders",
    "SELECT * FROM orders WHERE status IN ('new', 'paid') AND customer_id = ANY (ARRAY[1, 2])",
    "SELECT id FROM customers WHERE EXISTS (SELECT 1 FROM orders WHERE customer_id = customers.id)",
    "SELECT id FROM orders UNION SELECT id FROM customers EXCEPT SELECT 5 ORDER BY 1",
    "SELECT string_agg(name, ', ' ORDER BY name), array_agg(id) FROM customers",
    "SELECT extract(year from at), to_char(at, 'YYYY-MM'), at::date, at AT TIME ZONE 'UTC' FROM orders",
    "SELECT * FROM generate_series(1, 3) g, unnest(ARRAY['a', 'b']) u",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders",
    "SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, at DESC",
    "SELECT * FROM orders TABLESAMPLE SYSTEM (10)",
    "SELECT pg_size_pretty(pg_total_relation_size('orders')), pg_database_size(current_database())",
    "SELECT regexp_replace(name, '[aeiou]', '', 'g'), split_part(email, '@', 2) FROM customers",
    "SELECT GREATEST(1, 2), NULLIF(1, 2), 5 % 2, 2 ^ 3, 'a' || 'b', round(1.5), abs(-1)",
    "SELECT json_build_object('id', id, 'name', name) FROM customers",
    "SELECT row_to_json(c) FROM customers c",
    "SELECT grouping(status), sum(total) FROM orders GROUP BY ROLLUP (status)",
    "SELECT 'new'::status, '{1,2}'::int[], '1 day'::interval, 'orders'::regclass",
    "SELECT gen_random_uuid(), md5('a'), random()",
    "SELECT current_setting('server_version_num'), pg_is_in_recovery(), pg_backend_pid()",
    "SELECT oid, typname, typarray FROM pg_catalog.pg_type WHERE typname = 'hstore'",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'",
    (
        "SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c"
        " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', '') AND n.nspname !~ '^pg_toast'"
        " AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2"
    ),
    (
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),"
        " (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d"
        "  WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef)"
        " FROM pg_catalog.pg_attribute a WHERE a.attrelid = 'orders'::regclass AND a.attnum > 0"
    ),
    (
        "SELECT d.datname, pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate"
        " FROM pg_catalog.pg_database d ORDER BY 1"
    ),
    (
        "SELECT c2.relname, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true)"
        " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c2 ON i.indexrelid = c2.oid"
    ),
    "SELECT conname, pg_catalog.pg_get_constraintdef(oid, true) FROM pg_catalog.pg_constraint",
    "SELECT relname, n_live_tup FROM pg_stat_user_tables ORDER BY n_live_tup DESC",
    "SELECT obj_description('orders'::regclass), has_table_privilege('orders', 'SELECT')",
    "EXPLAIN SELECT * FROM orders WHERE id = 1",
    "SHOW search_path",
    "SELECT pg_sleep(0)",
)
