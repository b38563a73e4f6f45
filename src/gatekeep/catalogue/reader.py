"""Reads one database's catalogue with asyncpg into a frozen view. Reads only, judges nothing.

A fixed number of queries over whole classes (queries.py), joined here and closed in `uses`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from gatekeep.catalogue import queries
from gatekeep.catalogue.uses import (
    FIRST_USER_OID,
    Names,
    Rows,
    Uses,
    by_name,
    closed,
    reached,
    reviewed_members,
    split_known,
    type_uses,
)
from gatekeep.domain.catalogue import CatalogueView, RelationFacts

_TIMEOUT_MS = 10_000
_STATISTICS_EXPRESSIONS = 140_000
_VIEWS = frozenset({"v", "m"})
_OTHER_PRODUCTS = ("Redshift", "CockroachDB", "EnterpriseDB", "YB-", "Greenplum", "Yellowbrick")


async def read_catalogue(connection: Any) -> CatalogueView:
    """The view of the database this fresh asyncpg connection is in, as its account.

    The connection should be new and is good for nothing else afterwards (its search_path is
    changed). Raises what asyncpg raises; callers treat that as "nothing is known".
    """
    view, _ = await _whole(connection)
    return view


async def read_changed(connection: Any, known: str) -> tuple[CatalogueView | None, str]:
    """The same with the state of the database that it shows; no view where that state is `known`.

    States are texts to compare; an empty one equals none.
    """
    if known and await _state(connection) == known:
        return None, known
    return await _whole(connection)


async def _whole(connection: Any) -> tuple[CatalogueView, str]:
    search_path = str(await connection.fetchval("SHOW search_path"))
    await connection.execute("SET search_path = pg_catalog, pg_temp")
    await connection.execute(f"SET statement_timeout = {_TIMEOUT_MS}")
    identifier = await _system_identifier(connection)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        state = await _state(connection)
        view = await _read(connection)
    return replace(view, search_path=search_path, system_identifier=identifier), state


async def _state(connection: Any) -> str:
    return str(await connection.fetchval(queries.STATE))


async def _system_identifier(connection: Any) -> str:
    try:
        return str(
            await connection.fetchval(
                "SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() c"
            )
        )
    except asyncpg.PostgresError:
        return ""


@dataclass(slots=True)
class _Raw:
    """One look-up's rows, by what they are."""

    digest: Any
    rows: dict[str, Rows]

    def __getitem__(self, name: str) -> Rows:
        return self.rows[name]


async def _read(connection: Any) -> CatalogueView:
    info = await connection.fetchrow(queries.INFO)
    raw = _Raw(hashlib.sha256(), {})
    newer = info["version"] >= _STATISTICS_EXPRESSIONS
    wanted = {
        "members": queries.MEMBERS,
        "functions": queries.FUNCTIONS,
        "attributes": queries.BUILT_IN_ATTRIBUTES,
        "operators": queries.OPERATORS,
        "types": queries.TYPES,
        "multiranges": queries.MULTIRANGES if newer else queries.MULTIRANGES_13,
        "checks": queries.DOMAIN_CHECKS,
        "casts": queries.CASTS,
        "opclasses": queries.OPERATOR_CLASSES,
        "support": queries.SUPPORT_FUNCTIONS,
        "relations": queries.RELATIONS,
        "columns": queries.COLUMNS,
        "children": queries.CHILDREN,
        "cascades": queries.CASCADES,
        "view_columns": queries.VIEW_COLUMNS,
        "triggers": queries.TRIGGERS,
        "rules": queries.RULES,
        "methods": queries.ACCESS_METHODS,
        "expressions": queries.EXPRESSIONS if newer else queries.EXPRESSIONS_13,
    }
    for name, query in wanted.items():
        await _fetch(connection, raw, name, query)
    await _fetch(connection, raw, "built_in", queries.BUILT_IN_NAMES, _numbers(raw))
    members = reviewed_members(raw["members"])
    strange_classes = [
        row["oid"] for row in raw["opclasses"] if row["oid"] not in members.get("pg_opclass", ())
    ]
    methods = [row["oid"] for row in raw["methods"] if row["oid"] not in members.get("pg_am", ())]
    await _fetch(connection, raw, "odd", queries.ODD_INDEXES, methods, strange_classes)
    return _Builder(info, raw).view()


async def _fetch(connection: Any, raw: _Raw, name: str, query: str, *values: Any) -> None:
    rows = await connection.fetch(query, *values)
    raw.rows[name] = rows
    raw.digest.update(name.encode())
    for line in sorted(repr(tuple(row)) for row in rows):
        raw.digest.update(line.encode())


def _numbers(raw: _Raw) -> list[int]:
    numbers: set[int] = set()
    for row in raw["checks"]:
        numbers.update(row["numbers"] or ())
    for row in raw["expressions"]:
        numbers.update(row[2] or ())
    return sorted(number for number in numbers if number < FIRST_USER_OID)


class _Builder:
    """Makes the view out of one look-up's rows."""

    def __init__(self, info: Any, raw: _Raw) -> None:
        self._info = info
        self._raw = raw
        members = reviewed_members(raw["members"])
        empty: frozenset[int] = frozenset()
        self._own, self._known = split_known(
            raw["functions"], members.get("pg_proc", empty), members.get("sql", empty)
        )
        self._operators, self._known_operators = split_known(
            raw["operators"], members.get("pg_operator", empty)
        )
        self._reviewed_types = members.get("pg_type", empty)
        self._reviewed_classes = members.get("pg_opclass", empty)
        self._poison = ""
        self._names = Names(
            functions={row["oid"]: f"{row['schema']}.{row['name']}" for row in self._own},
            operators={row["oid"]: f"{row['schema']}.{row['name']}" for row in self._operators},
            built_in={row["oid"]: row["name"] for row in raw["built_in"]},
        )
        self._columns = {row["relation"]: row for row in raw["columns"]}
        self._names.types = type_uses(
            raw["types"],
            self._columns,
            self._direct_types(),
            self._reviewed_types,
            {row["multirange"]: row["range"] for row in raw["multiranges"]},
        )
        self._full = {row["oid"]: f"{row['schema']}.{row['name']}" for row in raw["relations"]}

    def view(self) -> CatalogueView:
        """The whole, with the epoch as digest of all rows."""
        info = self._info
        types: dict[str, Uses] = defaultdict(frozenset)
        for row in self._raw["types"]:
            types[row["name"]] |= self._names.types[row["oid"]]
        product = str(info["product"])
        other = next((name for name in _OTHER_PRODUCTS if name in product), "")
        attributes = {row["name"] for row in self._own if row["attribute"]}
        attributes.update(row["name"] for row in self._raw["attributes"])
        return CatalogueView(
            epoch=self._raw.digest.hexdigest()[:32],
            server_version=info["version"],
            system_identifier="",
            product=other or product.split(" ", 1)[0],
            account=info["account"],
            superuser=info["superuser"],
            owns_relations=info["owns"],
            poison=self._poison,
            encoding=info["encoding"],
            functions=by_name(self._own),
            operators=by_name(self._operators),
            types=dict(types),
            attributes=frozenset(attributes),
            known_functions=self._known,
            known_operators=self._known_operators,
            relations=self._relations(),
            system_relations=frozenset(
                self._full[row["oid"]]
                for row in self._raw["relations"]
                if row["oid"] < FIRST_USER_OID
            ),
            function_oids={
                row["oid"]: f"{row['schema']}.{row['name']}" for row in self._raw["functions"]
            },
            parameter_types=frozenset(oid for oid, uses in self._names.types.items() if not uses),
        )

    def _direct_types(self) -> dict[int, Uses]:
        """What CHECKs, casts, operator classes and ranges add to a type by themselves."""
        direct: dict[int, set[str]] = defaultdict(set)
        for row in self._raw["checks"]:
            direct[row["type"]] |= self._names.of(row["numbers"] or ())
        for row in self._raw["types"]:
            direct[row["oid"]] |= self._names.of((row["canonical"], row["difference"]))
            if row["opclass"] >= FIRST_USER_OID and row["opclass"] not in self._reviewed_classes:
                direct[row["oid"]].add(f"operator class of {row['schema']}.{row['name']}")
        for row in self._raw["casts"]:
            self._charge(direct, row["function"], (row["source"], row["target"]), "cast")
        for row in self._raw["opclasses"]:
            if row["oid"] not in self._reviewed_classes and row["is_default"]:
                self._taint(direct, {f"operator class {row['name']}"}, (row["type"],), "class")
        for row in self._raw["support"]:
            self._charge(direct, row["function"], (row["type"],), "operator class")
        return {oid: frozenset(uses) for oid, uses in direct.items()}

    def _charge(
        self, direct: dict[int, set[str]], function: int, types: Iterable[int], what: str
    ) -> None:
        name = self._names.functions.get(function)
        if name is not None:
            self._taint(direct, {name}, types, what)

    def _taint(
        self, direct: dict[int, set[str]], uses: set[str], types: Iterable[int], what: str
    ) -> None:
        """Charge the user types; between built-ins nobody names it, so everything is void."""
        made = [oid for oid in types if oid >= FIRST_USER_OID]
        for oid in made:
            direct[oid] |= uses
        if not made:
            self._poison = self._poison or f"{what} {min(uses)}"

    def _relations(self) -> dict[str, RelationFacts]:
        reads, writes, edges, shown = self._direct_relations()
        children: dict[int, set[int]] = defaultdict(set)
        parents: dict[int, set[int]] = defaultdict(set)
        cascades: dict[int, set[int]] = defaultdict(set)
        for row in self._raw["children"]:
            children[row["parent"]].add(row["child"])
            parents[row["child"]].add(row["parent"])
        for row in self._raw["cascades"]:
            cascades[row["parent"]].add(row["child"])
        read_edges = _joined(edges, children)
        write_edges = _joined(edges, children, cascades)
        closed_reads = closed(reads, read_edges)
        closed_writes = closed(writes, write_edges)
        fact_edges = _joined(shown, children)
        view_columns = self._view_columns(fact_edges)
        facts: dict[str, RelationFacts] = {}
        for row in self._raw["relations"]:
            oid = row["oid"]
            if oid < FIRST_USER_OID:
                continue
            near = reached(oid, fact_edges)
            near |= {above for one in near for above in reached(one, parents)}
            name = self._full[oid]
            columns = self._columns.get(oid)
            facts[name] = RelationFacts(
                name=name,
                kind=row["kind"],
                columns=tuple(columns["names"]) if columns else (),
                reaches=frozenset(self._full[n] for n in near - {oid} if n in self._full),
                reached_columns=frozenset().union(*(view_columns.get(n, ()) for n in near)),
                read_uses=closed_reads.get(oid, frozenset()),
                write_uses=closed_writes.get(oid, frozenset()) | closed_reads.get(oid, frozenset()),
            )
        return facts

    def _view_columns(self, _edges: Any) -> dict[int, set[str]]:
        columns: dict[int, set[str]] = defaultdict(set)
        for row in self._raw["view_columns"]:
            if row["relation"] in self._full:
                columns[row["view"]].add(f"{self._full[row['relation']]}.{row['name']}")
        return columns

    def _direct_relations(
        self,
    ) -> tuple[dict[int, Uses], dict[int, Uses], dict[int, set[int]], dict[int, set[int]]]:
        """Uses by relation on read and on write; edges that run code, and edges for facts."""
        reads: dict[int, set[str]] = defaultdict(set)
        writes: dict[int, set[str]] = defaultdict(set)
        edges: dict[int, set[int]] = defaultdict(set)
        shown: dict[int, set[int]] = defaultdict(set)
        kinds = {row["oid"]: row["kind"] for row in self._raw["relations"]}
        for relation, when, numbers in self._raw["expressions"]:
            found = set(numbers or ()) - {relation}
            uses = set(self._names.of(found))
            named = found & self._full.keys()
            shown[relation] |= named
            if when == "v" and kinds.get(relation) == "m":
                continue
            if when in "bkv":
                reads[relation] |= uses
                edges[relation] |= named
            writes[relation] |= uses - {"pg_catalog.nextval"}
        self._charge_kinds(reads, writes)
        self._charge_partitions(reads, writes)
        return _frozen(reads), _frozen(writes), edges, shown

    def _charge_kinds(self, reads: dict[int, set[str]], writes: dict[int, set[str]]) -> None:
        """Uses that come from what a relation is: foreign, odd storage, types, triggers, rules."""
        for row in self._raw["relations"]:
            oid = row["oid"]
            if row["kind"] == "f":
                reads[oid].add(f"foreign table {self._full[oid]}")
            if row["odd_access"]:
                reads[oid].add(f"access method of {self._full[oid]}")
            columns = self._columns.get(oid)
            for number in columns["types"] if columns else ():
                reads[oid] |= self._names.types.get(number, frozenset())
        for row in self._raw["odd"]:
            reads[row["relation"]].add(f"index of {self._full.get(row['relation'], '?')}")
        for row in self._raw["triggers"]:
            function = self._names.functions.get(row["function"])
            writes[row["relation"]].add(function or "trigger")
        for row in self._raw["rules"]:
            writes[row["relation"]].add(f"rule {row['name']}")

    def _charge_partitions(self, reads: dict[int, set[str]], writes: dict[int, set[str]]) -> None:
        """A partition by itself runs the keys above it: constraint_exclusion reads its bounds."""
        keys: dict[int, set[str]] = defaultdict(set)
        for relation, when, numbers in self._raw["expressions"]:
            if when == "k":
                keys[relation] |= self._names.of(numbers or ())
        for row in self._raw["odd"]:
            keys[row["relation"]].add(f"index of {self._full.get(row['relation'], '?')}")
        children: dict[int, set[int]] = defaultdict(set)
        for row in self._raw["children"]:
            children[row["parent"]].add(row["child"])
        for relation, uses in keys.items():
            for below in reached(relation, children):
                reads[below] |= uses
                writes[below] |= uses


def _frozen(uses: dict[int, set[str]]) -> dict[int, Uses]:
    return {oid: frozenset(names) for oid, names in uses.items()}


def _joined(*several: dict[int, set[int]]) -> dict[int, set[int]]:
    edges: dict[int, set[int]] = defaultdict(set)
    for one in several:
        for oid, following in one.items():
            edges[oid] |= following
    return edges
