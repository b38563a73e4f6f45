"""From raw rows to what each name may run: taint by function, operator, type and relation.

Pure computation over one look-up's rows; closed over composites, domains, views and children.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Rows = list[Any]
Uses = frozenset[str]
FIRST_USER_OID = 16384

REVIEWED_EXTENSIONS = frozenset(
    {
        "citext", "hstore", "pg_trgm", "uuid-ossp", "pgcrypto", "ltree", "postgis", "btree_gin",
        "btree_gist", "cube", "earthdistance", "fuzzystrmatch", "intarray", "isn", "seg", "unaccent",
        "bloom", "vector", "pg_stat_statements",
    }
)  # fmt: skip
# Functions of reviewed extensions that change state all the same.
_NOT_THESE = frozenset({"pg_stat_statements_reset", "set_limit", "isn_weak"})
# Extensions whose SQL functions were read too: each calls pg_catalog by its full name.
_SQL_REVIEWED = frozenset({"citext"})


@dataclass(slots=True)
class Names:
    """Oids to names and uses, filled step by step."""

    functions: dict[int, str] = field(default_factory=dict)
    operators: dict[int, str] = field(default_factory=dict)
    types: dict[int, Uses] = field(default_factory=dict)
    built_in: dict[int, str] = field(default_factory=dict)

    def of(self, numbers: Iterable[int]) -> Uses:
        """What an expression with these oids in it runs."""
        uses: set[str] = set()
        for number in numbers:
            if number < FIRST_USER_OID:
                name = self.built_in.get(number)
                if name is not None:
                    uses.add(f"pg_catalog.{name}")
                continue
            for table in (self.functions, self.operators):
                if number in table:
                    uses.add(table[number])
            uses |= self.types.get(number, frozenset())
        return frozenset(uses)


def reviewed_members(rows: Rows) -> Mapping[str, frozenset[int]]:
    """Oids of members of reviewed extensions, by catalogue (`pg_proc`, `pg_type`, …).

    `sql` holds those whose functions in SQL were reviewed too.
    """
    members: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if row["extension"] in REVIEWED_EXTENSIONS:
            members[row["class"].rsplit(".", 1)[-1]].add(row["oid"])
        if row["extension"] in _SQL_REVIEWED:
            members["sql"].add(row["oid"])
    return {name: frozenset(oids) for name, oids in members.items()}


def split_known(
    rows: Rows, reviewed: frozenset[int], sql: frozenset[int] = frozenset()
) -> tuple[Rows, frozenset[str]]:
    """Rows that are users' own, and the names of those that count like built-ins.

    Only what a superuser owns counts: the owner of a trusted extension may add things to it. And
    constructors of ranges: what those run is charged to their type.
    """
    own: Rows = []
    known: set[str] = set()
    for row in rows:
        oid = row["oid"]
        read = oid in reviewed and (row["compiled"] or oid in sql)
        read = read and row["super"] and row["name"] not in _NOT_THESE
        if read or row.get("constructor"):
            known.add(row["name"])
        else:
            own.append(row)
    return own, frozenset(known)


def by_name(rows: Rows) -> dict[str, Uses]:
    """Bare name to all qualified names that share it."""
    names: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        names[row["name"]].add(f"{row['schema']}.{row['name']}")
    return {name: frozenset(full) for name, full in names.items()}


def closed(direct: Mapping[int, Uses], edges: Mapping[int, Iterable[int]]) -> dict[int, Uses]:
    """Uses of each node with those of everything it reaches along `edges`."""
    result: dict[int, Uses] = {}
    for start in set(direct) | set(edges):
        uses: set[str] = set()
        for node in reached(start, edges):
            uses |= direct.get(node, frozenset())
        result[start] = frozenset(uses)
    return result


def reached(start: int, edges: Mapping[int, Iterable[int]]) -> set[int]:
    """`start` and everything along `edges` from it."""
    seen = {start}
    pending = [start]
    while pending:
        for following in edges.get(pending.pop(), ()):
            if following not in seen:
                seen.add(following)
                pending.append(following)
    return seen


def type_uses(
    types: Rows,
    columns: Mapping[int, Any],
    direct: Mapping[int, Uses],
    reviewed: frozenset[int],
    multiranges: Mapping[int, int] = MappingProxyType({}),
) -> dict[int, Uses]:
    """What making or comparing a value of each user type may run.

    `direct` holds uses by type oid that come from CHECKs, casts, operator classes and ranges;
    `multiranges` leads from each multirange to its range, whose code it runs.
    """
    edges: dict[int, list[int]] = {}
    own: dict[int, Uses] = {}
    for row in types:
        oid = row["oid"]
        following = [row["element"], row["base"], row["range_of"], multiranges.get(oid, 0)]
        if row["relation"] in columns:
            following += columns[row["relation"]]["types"]
        edges[oid] = [number for number in following if number >= FIRST_USER_OID]
        uses = direct.get(oid, frozenset())
        is_base = row["kind"] == "b" and not row["element"] and oid not in reviewed
        if is_base:
            uses |= {f"{row['schema']}.{row['name']}"}
        own[oid] = uses
    return closed(own, edges)
