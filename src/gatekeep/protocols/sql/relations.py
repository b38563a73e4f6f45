"""Names as written to relations of the catalogue: resolution by search path, expansion to bases.

A bare name stands for every relation of that name on the path, so that what is found is an upper
bound; nothing is guessed where the catalogue is silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.names import Found, Name

_SYSTEM = ("pg_catalog", "information_schema")


def path_of(search_path: str, current: str) -> tuple[str, ...]:
    """The schemas of a search_path as the target prints it; `$user` becomes `current`."""
    return tuple(current if piece == "$user" else piece for piece in _split(search_path))


def _split(search_path: str) -> Iterable[str]:
    word, quoted = "", False
    for character in search_path:
        if character == '"':
            quoted = not quoted
            word += character
        elif character == "," and not quoted:
            yield _unquoted(word.strip())
            word = ""
        else:
            word += character
    if word.strip():
        yield _unquoted(word.strip())


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] == '"':
        return word[1:-1].replace('""', '"')
    return folded(word)


def folded(word: str) -> str:
    """An unquoted name as the target keeps it: it folds A to Z alone, whatever else has two cases."""
    return word.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def written(name: Name) -> str:
    """A name as it is shown and matched by policies."""
    return ".".join(name)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Looks names up under one vector. `view` None: nothing is known."""

    view: CatalogueView | None
    path: tuple[str, ...]

    @classmethod
    def under(cls, view: CatalogueView | None, vector: SessionVector) -> Resolver:
        """The resolver for statements under this vector."""
        current = vector.role if vector.role != "none" else (view.account if view else "")
        listed = path_of(vector.search_path, current)
        path = listed if "pg_catalog" in listed else ("pg_catalog", *listed)
        return cls(view, path)

    def relations(self, name: Name) -> tuple[RelationFacts, ...] | None:
        """What this name may stand for; None when nothing of the name is known."""
        if self.view is None:
            return None
        if len(name) > 1:
            candidates = [f"{name[-2]}.{name[-1]}"]
        else:
            candidates = [f"{schema}.{name[0]}" for schema in self.path]
        found = []
        for full in candidates:
            relation = self.view.relations.get(full)
            if relation is not None:
                found.append(relation)
            elif full in self.view.system_relations:
                changed = frozenset({f"system relation {full}"})
                found.append(RelationFacts(full, "r", write_uses=changed, plan_uses=changed))
        return tuple(found) or None

    def tables(self, names: Iterable[Name]) -> tuple[frozenset[str], bool]:
        """The names as written, canonical, and everything below; and whether all were known."""
        tables: set[str] = set()
        complete = True
        for name in names:
            tables.add(written(name))
            relations = self.relations(name)
            if relations is None:
                complete = False
                continue
            for relation in relations:
                tables.add(relation.name)
                tables |= relation.reaches
        return frozenset(tables), complete


def columns_of(found: Found, resolver: Resolver) -> tuple[frozenset[str], bool]:
    """Every column the statement may name, canonical where known; and whether that is all."""
    by_alias = {
        alias: [r for name in names for r in (resolver.relations(name) or ())]
        for alias, names in found.aliases.items()
    }
    everything = [relation for relations in by_alias.values() for relation in relations]
    columns: set[str] = set()
    complete = not found.natural or not by_alias
    for parts in found.columns:
        complete &= _place(parts, found, by_alias, everything, columns)
    for name in found.assigned:
        if name:
            complete &= _place((name,), found, by_alias, everything, columns)
    if found.whole_insert:
        complete &= _star([r for n in found.writes for r in resolver.relations(n) or ()], columns)
    unknown = any(resolver.relations(name) is None for name in found.reads | found.writes)
    return frozenset(columns), complete and not (unknown and _has_star(found))


def _has_star(found: Found) -> bool:
    return found.whole_insert or any(parts[-1] == "*" for parts in found.columns)


def _place(
    parts: Name,
    found: Found,
    by_alias: dict[str, list[RelationFacts]],
    everything: list[RelationFacts],
    columns: set[str],
) -> bool:
    """Add what one column reference may mean; false if that may not be all of it."""
    last = parts[-1]
    owners = by_alias.get(parts[-2], []) if len(parts) > 1 else everything
    if last == "*":
        return _star(owners, columns)
    placed = False
    for relation in owners:
        if last in relation.columns:
            placed = True
            columns.add(f"{relation.name}.{last}")
            columns.update(f"{child}.{last}" for child in relation.reaches)
            columns.update(relation.reached_columns)
    if not placed:
        columns.add(written(parts))
        if len(parts) == 1 and last in by_alias and last not in found.derived:
            return _star(by_alias[last], columns)
    return True


def _star(owners: list[RelationFacts], columns: set[str]) -> bool:
    complete = True
    for relation in owners:
        complete &= bool(relation.columns)
        for base in (relation.name, *relation.reaches):
            columns.update(f"{base}.{column}" for column in relation.columns)
        columns.update(relation.reached_columns)
    return complete
