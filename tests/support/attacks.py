"""Statements that look like reads and write, one or more of each family of 12-threats C1.

`SETUP` makes a database in which each of them writes a row into `lab.trace`. Data only.
"""

from __future__ import annotations

SETUP = """
CREATE SCHEMA lab;
CREATE TABLE lab.trace (what text);
CREATE TABLE lab.orders (id int PRIMARY KEY, status text, tags text[]);
INSERT INTO lab.orders VALUES (1, 'new', '{a}'), (2, 'sent', '{b}'), (3, 'new', '{c}');
CREATE FUNCTION lab.spy(w text) RETURNS int LANGUAGE plpgsql VOLATILE AS
  $$ BEGIN INSERT INTO lab.trace VALUES (w); RETURN 1; END $$;
CREATE FUNCTION lab.stb(w text) RETURNS int LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN lab.spy(w); END $$;
CREATE FUNCTION lab.imm(w text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN lab.spy(w); END $$;
CREATE FUNCTION lab.sqlimm(w text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT lab.spy(w) $$;
CREATE FUNCTION lab.yes(w text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM lab.spy(w); RETURN true; END $$;
CREATE FUNCTION lab.eq(int, text) RETURNS bool LANGUAGE sql IMMUTABLE AS
  $$ SELECT lab.spy('operator') = 1 $$;
CREATE OPERATOR lab.=== (FUNCTION = lab.eq, LEFTARG = int, RIGHTARG = text);
CREATE FUNCTION lab.lower(int) RETURNS int LANGUAGE sql IMMUTABLE AS
  $$ SELECT lab.spy('lower') $$;
CREATE FUNCTION lab.evil(lab.orders) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT lab.spy('attribute') $$;
CREATE FUNCTION lab.evil(text) RETURNS int LANGUAGE sql STABLE AS
  $$ SELECT lab.spy('attribute') $$;
CREATE FUNCTION lab.step(bigint, text) RETURNS bigint LANGUAGE sql STABLE AS
  $$ SELECT lab.spy('aggregate')::bigint $$;
CREATE AGGREGATE lab.sum(text) (SFUNC = lab.step, STYPE = bigint, INITCOND = '0');
CREATE DOMAIN lab.dom AS text CHECK (lab.yes('domain'));
CREATE TYPE lab.pair AS (a lab.dom, b int);
CREATE TABLE lab.with_domain (id int, d lab.dom[]);
CREATE VIEW lab.viewed AS SELECT id, lab.stb('view') AS n FROM lab.orders;
CREATE VIEW lab.viewed_twice AS SELECT id FROM lab.viewed WHERE n > 0;
CREATE TABLE lab.guarded (id int);
INSERT INTO lab.guarded VALUES (1);
ALTER TABLE lab.guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE lab.guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON lab.guarded USING (lab.stb('policy') = 1);
CREATE TABLE lab.indexed (id int);
CREATE INDEX ON lab.indexed ((id + lab.imm('index')));
CREATE TABLE lab.predicate (id int);
CREATE INDEX ON lab.predicate (id) WHERE id = lab.imm('predicate');
CREATE TABLE lab.counted (id int, n int);
INSERT INTO lab.counted SELECT g, g FROM generate_series(1, 50) g;
CREATE STATISTICS lab.st ON (id + lab.imm('statistics')) FROM lab.counted;
ANALYZE lab.counted;
CREATE TABLE lab.parent (id int);
CREATE TABLE lab.child (CHECK (id > lab.imm('check'))) INHERITS (lab.parent);
CREATE TABLE lab.parts (id int) PARTITION BY LIST (id);
CREATE TABLE lab.part1 PARTITION OF lab.parts FOR VALUES IN (1);
CREATE TABLE lab.keyed (id int) PARTITION BY RANGE ((id + lab.imm('key')));
CREATE TABLE lab.keyed1 PARTITION OF lab.keyed FOR VALUES FROM (0) TO (100);
CREATE TABLE lab.virtual (id int, v int GENERATED ALWAYS AS (id) VIRTUAL);
CREATE TYPE lab.colour AS ENUM ('red', 'blue');
CREATE FUNCTION lab.to_colour(int) RETURNS lab.colour LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM lab.spy('cast'); RETURN 'red'; END $$;
CREATE CAST (int AS lab.colour) WITH FUNCTION lab.to_colour(int);
CREATE FUNCTION lab.to_js(lab.colour) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN PERFORM lab.spy('json cast'); RETURN '1'; END $$;
CREATE CAST (lab.colour AS json) WITH FUNCTION lab.to_js(lab.colour);
CREATE TABLE lab.painted (c lab.colour);
INSERT INTO lab.painted VALUES ('red');
CREATE MATERIALIZED VIEW lab.stored AS SELECT 1 AS id;
CREATE INDEX ON lab.stored ((id + lab.imm('stored')));
CREATE SEQUENCE lab.seq;
CREATE TABLE lab.queries (q tsquery);
INSERT INTO lab.queries VALUES ('a'::tsquery);
"""

# (family, statement), under search_path = lab
ATTACKS: tuple[tuple[str, str], ...] = (
    ("label", "SELECT lab.stb('x')"),
    ("label", "SELECT lab.imm('x')"),
    ("label", "SELECT sqlimm('x')"),
    ("label", "SELECT * FROM orders WHERE id = (SELECT spy('x'))"),
    ("label", "WITH a AS (SELECT stb('x') AS n) SELECT n FROM a"),
    ("label", "VALUES (stb('x'))"),
    ("label", "SELECT * FROM stb('x')"),
    ("label", "SELECT 1 FROM orders ORDER BY stb('x')"),
    ("label", "SELECT count(*) FILTER (WHERE stb('x') = 1) FROM orders"),
    ("label", "SELECT id FROM orders LIMIT stb('x')"),
    ("label", "SELECT CASE WHEN stb('x') = 1 THEN 1 END"),
    ("label", "SELECT rank() OVER (ORDER BY stb('x')) FROM orders"),
    ("explain", "EXPLAIN SELECT * FROM orders WHERE id = imm('x')"),
    ("explain", "EXPLAIN DELETE FROM orders WHERE id = imm('x')"),
    ("explain", "EXPLAIN SELECT * FROM counted WHERE id < stb('x')"),
    ("explain", "EXPLAIN (ANALYZE) SELECT spy('x')"),
    ("explain", "EXPLAIN (ANALYZE 1, TIMING off) INSERT INTO trace VALUES ('x')"),
    ("operator", "SELECT * FROM orders WHERE id === '1'::text"),
    ("operator", "SELECT * FROM orders WHERE id OPERATOR(lab.===) '1'::text"),
    ("operator", "SELECT 1 FROM orders ORDER BY id === status"),
    ("overload", "SELECT lower(42)"),
    ("overload", "SELECT sum(status) FROM orders"),
    ("overload", "SELECT sum(status) OVER () FROM orders"),
    ("attribute", "SELECT o.evil FROM orders o"),
    ("attribute", "SELECT (o).evil FROM orders o"),
    ("attribute", "SELECT 1 FROM orders WHERE orders.evil = 0"),
    ("attribute", "SELECT ('x'::text).evil"),
    (
        "attribute",
        "SELECT a.evil FROM (SELECT 'x'::text) AS b(c), LATERAL regexp_split_to_table(c, ',') a",
    ),
    ("attribute", "SELECT ('lab.seq'::regclass).nextval"),
    ("type", "SELECT 'x'::dom"),
    ("type", "SELECT dom 'x'"),
    ("type", "SELECT dom('x')"),
    ("type", "SELECT CAST('x' AS lab.dom)"),
    ("type", "SELECT row('x', 1)::pair"),
    ("type", "SELECT '(x,1)'::pair"),
    ("type", "SELECT '{x}'::dom[]"),
    ("type", "SELECT '{x}'::_dom"),
    ("type", 'SELECT * FROM json_populate_record(null::pair, \'{"a":"x"}\')'),
    ("type", 'SELECT * FROM json_to_record(\'{"a":"x"}\') AS x(a dom)'),
    ("type", "SELECT * FROM JSON_TABLE('{\"a\":\"x\"}', '$' COLUMNS (a dom PATH '$.a'))"),
    ("type", "SELECT JSON_VALUE('{\"a\":\"x\"}', '$.a' RETURNING dom)"),
    ("type", "SELECT pg_input_is_valid('x', 'lab.dom')"),
    ("type", "SELECT * FROM with_domain WHERE d = '{x}'"),
    ("type", "SELECT * FROM XMLTABLE('/a' PASSING '<a>x</a>' COLUMNS b dom PATH '.')"),
    ("cast", "SELECT 1::colour"),
    ("cast", "SELECT to_json(c) FROM painted"),
    ("relation", "SELECT * FROM viewed"),
    ("relation", "TABLE viewed"),
    ("relation", "SELECT count(*) FROM viewed_twice"),
    ("relation", "SELECT * FROM guarded"),
    ("relation", "SELECT * FROM indexed"),
    ("relation", "SELECT * FROM stored"),
    ("relation", "SELECT * FROM predicate"),
    ("relation", "SELECT * FROM counted WHERE id + 1 = 2"),
    ("relation", "SELECT * FROM parent WHERE id = 0"),
    ("built-in", "SELECT * FROM ts_stat('SELECT to_tsvector(''a'') FROM lab.viewed WHERE n = 1')"),
    (
        "built-in",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT q, q FROM lab.queries WHERE lab.spy(''x'') = 1')",
    ),
    ("built-in", "SELECT query_to_xml('SELECT lab.spy(''x'')', true, false, '')"),
    ("built-in", "SELECT table_to_xml('lab.viewed', true, false, '')"),
    ("built-in", "SELECT nextval('lab.seq')"),
    ("built-in", "SELECT setval('lab.seq', 5)"),
    ("built-in", "SELECT lo_create(0)"),
    ("write", "WITH d AS (INSERT INTO trace VALUES ('x') RETURNING 1) SELECT * FROM d"),
    ("write", "SELECT 'x' AS what INTO made"),
    ("write", "COPY (SELECT spy('x')) TO STDOUT"),
)

# Needs a session that shadows, or is set otherwise: (statements before, the statement)
SHADOWS: tuple[tuple[str, str], ...] = (
    ("CREATE TEMP VIEW orders AS SELECT lab.spy('temp') AS id", "SELECT * FROM orders"),
    ("CREATE TEMP VIEW pg_class AS SELECT lab.spy('temp') AS oid", "SELECT * FROM pg_class"),
    (
        "CREATE DOMAIN pg_temp.int4 AS pg_catalog.int4 CHECK (lab.yes('temp'))",
        "SELECT '1'::int4",
    ),
    ("SET search_path = lab, pg_catalog", "SELECT lower(42)"),
    (
        (
            "CREATE FUNCTION lab.now() RETURNS int LANGUAGE sql AS $$ SELECT lab.spy('path') $$;"
            "SET search_path = lab, pg_catalog"
        ),
        "SELECT now()",
    ),
    ("SET constraint_exclusion = on", "SELECT * FROM keyed1 WHERE id = 5"),
)
