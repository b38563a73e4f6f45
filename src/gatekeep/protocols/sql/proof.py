"""The proof of `read` (12-threats C1): no name in a tree may meet a name that can run code.

Names are matched without overload resolution. The answer is the first thing that breaks the
proof; empty means proven. Labels such as IMMUTABLE are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.names import Found, Name
from gatekeep.protocols.sql.parse import GRAMMAR
from gatekeep.protocols.sql.relations import Resolver, path_of, written
from gatekeep.protocols.sql.reviewed_functions import REVIEWED_FUNCTIONS
from gatekeep.protocols.sql.reviewed_names import (
    REVIEWED_OPERATORS,
    REVIEWED_SAMPLING,
    REVIEWED_TYPES,
)

_UsesOf: TypeAlias = Callable[[RelationFacts], Iterable[str]]

_BUILT_IN = "pg_catalog."
_OLDEST = 130_000
_NEWEST = (GRAMMAR + 1) * 10_000


@dataclass(frozen=True, slots=True)
class Ground:
    """What a proof stands on: the catalogue, the resolver under the vector, trusted names."""

    resolver: Resolver
    trusted: frozenset[str]
    void: str

    @classmethod
    def of(
        cls, view: CatalogueView | None, vector: SessionVector, trusted: frozenset[str]
    ) -> Ground:
        """The ground under this vector; `void` says why nothing can be proven on it."""
        return cls(Resolver.under(view, vector), trusted, _void(view, vector))


def plain_strings(vector: SessionVector) -> bool:
    """Whether the target reads string literals as our parser does."""
    encoding = vector.client_encoding.upper().replace("-", "").replace("_", "")
    return vector.standard_conforming_strings == "on" and encoding in {"UTF8", "UNICODE"}


def _void(view: CatalogueView | None, vector: SessionVector) -> str:
    if view is None:
        return "catalogue not known"
    if view.product != "PostgreSQL":
        return f"target is {view.product}"
    if not _OLDEST <= view.server_version < _NEWEST:
        return f"target version {view.server_version}"
    return _void_session(vector) or view.poison


def _void_session(vector: SessionVector) -> str:
    if not plain_strings(vector):
        return "string syntax not known"
    if vector.temp_objects:
        return "temporary objects"
    if vector.session_replication_role != "origin":
        return "session_replication_role"
    path = path_of(vector.search_path, "")
    return "search_path" if "pg_catalog" in path and path[0] != "pg_catalog" else ""


def unproven(found: Found, ground: Ground, *, writing: bool = False) -> str:
    """What breaks the proof that this tree runs reviewed code only; empty when nothing does.

    With `writing` the relations written must be free of triggers, rules and the like too.
    """
    return _unproven(found, ground, _running if writing else None)


def unplannable(found: Found, ground: Ground) -> str:
    """What breaks the proof that *planning* this tree runs reviewed code only; empty: nothing.

    Planning a write runs no trigger, and touches nothing that only a cascade would.
    """
    return _unproven(found, ground, _planning)


def _unproven(found: Found, ground: Ground, of_writes: _UsesOf | None) -> str:
    if ground.void or ground.resolver.view is None:
        return ground.void or "catalogue not known"
    if found.strange:
        return found.strange
    return names_unproven(found, ground) or _relations(found, ground, of_writes)


def names_unproven(found: Found, ground: Ground) -> str:
    """The same for functions, operators and types alone, whatever the statement is."""
    view = ground.resolver.view
    if ground.void or view is None:
        return ground.void or "catalogue not known"
    return (
        _foreign_letters(found, view)
        or _functions(found, ground, view)
        or _operators(found, ground, view)
        or _types(found, ground, view)
        or _attributes(found, ground, view)
        or _sampling(found)
    )


def trusted_names(found: Found, ground: Ground) -> bool:
    """Whether the proof leans on names that the owner trusts, not on review."""
    view = ground.resolver.view
    if not ground.trusted or view is None:
        return False
    named = {name[-1] for name in found.functions | found.types} | found.attributes
    uses: set[str] = set()
    uses.update(*(view.functions.get(name, ()) for name in named))
    uses.update(*(view.types.get(name, ()) for name in named))
    uses.update(*(view.operators.get(name, ()) for name in found.operators))
    for name in found.reads | found.writes:
        for relation in ground.resolver.relations(name) or ():
            uses |= relation.read_uses | relation.write_uses
    return bool(uses & ground.trusted)


def breaks(uses: Iterable[str], ground: Ground) -> str:
    """The first of these uses that is neither a reviewed built-in nor trusted."""
    for use in sorted(uses):
        if use in ground.trusted:
            continue
        if use.startswith(_BUILT_IN) and use[len(_BUILT_IN) :] in REVIEWED_FUNCTIONS:
            continue
        return use
    return ""


def _foreign_letters(found: Found, view: CatalogueView) -> str:
    """A database in a single-byte encoding folds letters beyond ASCII, which our parser keeps."""
    if view.encoding == "UTF8":
        return ""
    names = found.reads | found.writes | found.functions | found.types
    for name in (*names, *((attribute,) for attribute in found.attributes)):
        if not written(name).isascii():
            return f"name {written(name)} in encoding {view.encoding}"
    return ""


def _functions(found: Found, ground: Ground, view: CatalogueView) -> str:
    for name in found.functions:
        last = name[-1] if name else "?"
        made = view.functions.get(last)
        kind = view.types.get(last, ())
        broken = breaks((*(made or ()), *kind), ground)
        if broken:
            return broken
        if not (last in REVIEWED_FUNCTIONS or last in view.known_functions or made):
            return written(name)
    return ""


def _operators(found: Found, ground: Ground, view: CatalogueView) -> str:
    for operator in found.operators:
        name = operator.rsplit(".", 1)[-1] if operator[0].isidentifier() else operator
        made = view.operators.get(name)
        broken = breaks(made or (), ground)
        if broken:
            return f"operator {broken}"
        if not (name in REVIEWED_OPERATORS or name in view.known_operators or made):
            return f"operator {name}"
    return ""


def _types(found: Found, ground: Ground, view: CatalogueView) -> str:
    for name in found.types:
        last = name[-1] if name else "?"
        made = view.types.get(last)
        broken = breaks(made or (), ground)
        if broken:
            return f"type {broken}"
        if last not in REVIEWED_TYPES and last not in view.known_types and made is None:
            return f"type {written(name)}"
    return ""


def _attributes(found: Found, ground: Ground, view: CatalogueView) -> str:
    for name in found.attributes:
        called: Iterable[str] = ()
        if name in view.attributes:
            called = view.functions.get(name) or (_BUILT_IN + name,)
        broken = breaks((*called, *view.types.get(name, ())), ground)
        if broken:
            return broken
    return ""


def _sampling(found: Found) -> str:
    for name in found.sampling:
        if name.removeprefix(_BUILT_IN) not in REVIEWED_SAMPLING:
            return f"sampling method {name}"
    return ""


def _reading(relation: RelationFacts) -> Iterable[str]:
    return relation.read_uses


def _planning(relation: RelationFacts) -> Iterable[str]:
    return relation.plan_uses | relation.read_uses


def _running(relation: RelationFacts) -> Iterable[str]:
    return relation.write_uses


def _relations(found: Found, ground: Ground, of_writes: _UsesOf | None) -> str:
    for name in sorted(found.reads):
        broken = _relation(name, ground, _reading)
        if broken:
            return broken
    if of_writes is not None:
        for name in sorted(found.writes):
            broken = _relation(name, ground, of_writes)
            if broken:
                return broken
    return ""


def _relation(name: Name, ground: Ground, uses_of: _UsesOf) -> str:
    relations: tuple[RelationFacts, ...] | None = ground.resolver.relations(name)
    if relations is None:
        return written(name)
    for relation in relations:
        broken = breaks(uses_of(relation), ground)
        if broken:
            return f"{relation.name} runs {broken}"
    return ""
