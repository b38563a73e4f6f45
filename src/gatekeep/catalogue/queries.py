"""The look-up's SQL: whole classes of the catalogue by join, never one query a row.

Every name is qualified with pg_catalog and the connection's search_path holds nothing else, so
that no object of the database can stand in for a function or operator used here. Trees of
expressions come as the integers in them: the oids of functions, operators, types and relations
among those say what an expression runs, without trusting pg_depend, which leaves out built-ins.
"""

from __future__ import annotations

# Numbers in a node tree that are no oids, by the key before them, would only taint too much.
_NUMBERS = (
    "(SELECT pg_catalog.array_agg(DISTINCT m[1]::pg_catalog.int8) FROM pg_catalog.regexp_matches("
    "pg_catalog.regexp_replace({tree}::pg_catalog.text, "
    "':(location|stmt_location|stmt_len|list_start|list_end|[a-z_]*typmod|consttypmod|varno|varattno"
    "|resno|inputcollid|constcollid|varcollid|[a-z]*collid) -?[0-9]+', '', 'g'), "
    "'[ (]([1-9][0-9]{{1,9}})(?=[ )}}])', 'g') AS m)"
)

INFO = """
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
       pg_catalog.version() AS product, pg_catalog.session_user()::pg_catalog.text AS account,
       r.rolsuper AS superuser,
       pg_catalog.current_setting('server_encoding') AS encoding,
       EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid AND c.oid >= 16384)
         AS owns
FROM pg_catalog.pg_roles r WHERE r.rolname = pg_catalog.session_user()
"""

# Which state of the database is seen: two of the same text hold the same rows of every catalogue,
# because whatever changes one takes a transaction id, and its commit shows here. Not so on a
# standby. A server that was started or configured anew may give other settings.
STATE = """
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE
       pg_catalog.concat(pg_catalog.pg_postmaster_start_time(), ' ', pg_catalog.pg_conf_load_time(),
                         ' ', pg_catalog.pg_current_snapshot()) END
"""

MEMBERS = """
SELECT d.classid::pg_catalog.regclass::pg_catalog.text AS class, d.objid AS oid, e.extname::pg_catalog.text AS extension
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
"""

# `constructor`: what CREATE TYPE … AS RANGE made, by name and result one with its type. Only a
# superuser can make functions in `internal`; what the constructor runs is charged to the type.
FUNCTIONS = """
SELECT p.oid, n.nspname::pg_catalog.text AS schema, p.proname::pg_catalog.text AS name,
       r.rolsuper AS super, l.lanname IN ('c', 'internal') AS compiled,
       l.lanname = 'internal' AND p.prosrc IN ('range_constructor2', 'range_constructor3',
         'multirange_constructor0', 'multirange_constructor1', 'multirange_constructor2')
         AND EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = p.prorettype
           AND t.typname = p.proname AND t.typnamespace = p.pronamespace) AS constructor,
       p.pronargs > 0 AND p.pronargs - p.pronargdefaults <= 1 AS attribute
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
WHERE p.oid >= 16384
"""

BUILT_IN_ATTRIBUTES = """
SELECT DISTINCT p.proname::pg_catalog.text AS name FROM pg_catalog.pg_proc p
WHERE p.oid < 16384 AND p.pronargs > 0 AND p.pronargs - p.pronargdefaults <= 1
"""

# What stands behind built-in operators and casts is reviewed with them, by operator and type.
BUILT_IN_NAMES = """
SELECT p.oid, p.proname::pg_catalog.text AS name FROM pg_catalog.pg_proc p
WHERE p.oid::pg_catalog.int8 = ANY ($1::pg_catalog.int8[]) AND p.oid BETWEEN 256 AND 16383
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprcode = p.oid AND o.oid < 16384)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castfunc = p.oid AND c.oid < 16384)
"""

OPERATORS = """
SELECT o.oid, n.nspname::pg_catalog.text AS schema, o.oprname::pg_catalog.text AS name,
       r.rolsuper AS super, true AS compiled
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
JOIN pg_catalog.pg_roles r ON r.oid = o.oprowner
WHERE o.oid >= 16384
"""

TYPES = """
SELECT t.oid, n.nspname::pg_catalog.text AS schema, t.typname::pg_catalog.text AS name,
       t.typtype::pg_catalog.text AS kind, t.typelem AS element, t.typbasetype AS base,
       t.typrelid AS relation, coalesce(c.relkind::pg_catalog.text, '') AS relkind,
       coalesce(g.rngsubtype, 0::pg_catalog.oid) AS range_of,
       coalesce(g.rngcanonical::pg_catalog.oid, 0::pg_catalog.oid) AS canonical,
       coalesce(g.rngsubdiff::pg_catalog.oid, 0::pg_catalog.oid) AS difference,
       coalesce(g.rngsubopc, 0::pg_catalog.oid) AS opclass
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_range g ON g.rngtypid = t.oid
WHERE t.oid >= 16384
"""
MULTIRANGES = """
SELECT g.rngmultitypid AS multirange, g.rngtypid AS range FROM pg_catalog.pg_range g
WHERE g.rngmultitypid >= 16384
"""
# Before 14 there are none.
MULTIRANGES_13 = "SELECT 0::pg_catalog.oid AS multirange, 0::pg_catalog.oid AS range WHERE false"

DOMAIN_CHECKS = f"""
SELECT k.contypid AS type, {_NUMBERS.format(tree="k.conbin")} AS numbers
FROM pg_catalog.pg_constraint k WHERE k.contypid <> 0 AND k.contype = 'c' AND k.oid >= 16384
"""  # noqa: S608 - made of constants

CASTS = """
SELECT c.oid, c.castsource AS source, c.casttarget AS target, c.castfunc AS function
FROM pg_catalog.pg_cast c WHERE c.oid >= 16384 AND c.castfunc <> 0
"""

OPERATOR_CLASSES = """
SELECT o.oid, o.opcintype AS type, o.opcdefault AS is_default, o.opcname::pg_catalog.text AS name
FROM pg_catalog.pg_opclass o WHERE o.oid >= 16384
"""

SUPPORT_FUNCTIONS = """
SELECT p.amproc::pg_catalog.oid AS function, p.amproclefttype AS type
FROM pg_catalog.pg_amproc p WHERE p.oid >= 16384
"""

RELATIONS = """
SELECT c.oid, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name,
       c.relkind::pg_catalog.text AS kind, c.relam >= 16384 AS odd_access
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
  AND n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
"""

COLUMNS = """
SELECT a.attrelid AS relation,
       pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) AS names,
       pg_catalog.array_agg(DISTINCT a.atttypid) AS types
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid >= 16384
  AND c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c')
GROUP BY a.attrelid
"""

CHILDREN = "SELECT i.inhparent AS parent, i.inhrelid AS child FROM pg_catalog.pg_inherits i"

CASCADES = """
SELECT k.confrelid AS parent, k.conrelid AS child FROM pg_catalog.pg_constraint k
WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
"""

VIEW_COLUMNS = """
SELECT DISTINCT w.ev_class AS view, d.refobjid AS relation, a.attname::pg_catalog.text AS name
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refobjsubid > 0 AND w.ev_type = '1' AND w.oid >= 16384 AND d.refobjid <> w.ev_class
"""

TRIGGERS = """
SELECT t.tgrelid AS relation, t.tgfoid::pg_catalog.oid AS function
FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
"""

ODD_INDEXES = """
SELECT i.indrelid AS relation FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid >= 16384 AND (c.relam = ANY ($1::pg_catalog.oid[])
  OR i.indclass::pg_catalog.oid[] && $2::pg_catalog.oid[])
UNION SELECT p.partrelid FROM pg_catalog.pg_partitioned_table p
WHERE p.partclass::pg_catalog.oid[] && $2::pg_catalog.oid[]
"""

ACCESS_METHODS = "SELECT a.oid FROM pg_catalog.pg_am a WHERE a.oid >= 16384"


def _tree(relation: str, use: str, tree: str, source: str) -> str:
    numbers = _NUMBERS.format(tree=tree)
    return f"SELECT {relation}, {use}::pg_catalog.text, {numbers} FROM {source}"  # noqa: S608 - made of constants


# Each expression that belongs to a relation, with when it may run: on write `w`, on read (planning
# counts) and write `b`; `k` is a partition key, which also runs for each partition that is read by
# itself; `v` is a view's query, which for a materialized view is only a fact.
_TREES = (
    _tree("i.indrelid", "'b'", "i.indexprs", "pg_catalog.pg_index i WHERE i.indexprs IS NOT NULL"),
    _tree("i.indrelid", "'b'", "i.indpred", "pg_catalog.pg_index i WHERE i.indpred IS NOT NULL"),
    _tree(
        "s.stxrelid",
        "'b'",
        "s.stxexprs",
        "pg_catalog.pg_statistic_ext s WHERE s.stxexprs IS NOT NULL",
    ),
    _tree(
        "k.conrelid",
        "'b'",
        "k.conbin",
        "pg_catalog.pg_constraint k WHERE k.conrelid >= 16384 AND k.conbin IS NOT NULL",
    ),
    _tree(
        "p.partrelid",
        "'k'",
        "p.partexprs",
        "pg_catalog.pg_partitioned_table p WHERE p.partexprs IS NOT NULL",
    ),
    _tree(
        "d.adrelid",
        "CASE WHEN a.attgenerated = 'v' THEN 'b' ELSE 'w' END",
        "d.adbin",
        "pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a"
        " ON a.attrelid = d.adrelid AND a.attnum = d.adnum",
    ),
    _tree(
        "p.polrelid",
        "'b'",
        "pg_catalog.concat(p.polqual::pg_catalog.text, p.polwithcheck::pg_catalog.text)",
        "pg_catalog.pg_policy p",
    ),
    _tree(
        "w.ev_class",
        "CASE WHEN w.ev_type = '1' THEN 'v' ELSE 'w' END",
        "pg_catalog.concat(w.ev_qual::pg_catalog.text, w.ev_action::pg_catalog.text)",
        "pg_catalog.pg_rewrite w WHERE w.oid >= 16384",
    ),
)
EXPRESSIONS = " UNION ALL ".join(_TREES)
# Before 14 extended statistics have no expressions.
EXPRESSIONS_13 = " UNION ALL ".join(tree for tree in _TREES if "stxexprs" not in tree)

RULES = """
SELECT w.ev_class AS relation, w.rulename::pg_catalog.text AS name
FROM pg_catalog.pg_rewrite w WHERE w.ev_type <> '1' AND w.ev_class >= 16384
"""
