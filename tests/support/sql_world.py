"""A catalogue made by hand for tests of SQL facts: a shop, some code, one of each danger."""

from __future__ import annotations

from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.catalogue import CatalogueView, RelationFacts
from gatekeep.domain.sessions import SessionVector
from gatekeep.protocols.sql.reading import read_statements


def _relation(
    name: str,
    *columns: str,
    reaches: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    writes: tuple[str, ...] = (),
) -> RelationFacts:
    return RelationFacts(
        name,
        "r",
        columns,
        frozenset(reaches),
        frozenset(),
        frozenset(reads),
        frozenset(reads + writes),
    )


_RELATIONS = (
    _relation("public.orders", "id", "status", "total", "customer_id"),
    _relation("public.customers", "id", "name", "email", "password_hash"),
    _relation("public.salaries", "who", "amount"),
    _relation("public.t", "a", "b", "c", "id"),
    _relation("public.pay", "who", reaches=("public.salaries",)),
    _relation("public.dangerous", "id", reads=("public.evil",)),
    _relation("public.triggered", "id", writes=("public.tg",)),
    _relation("app.orders", "id", "note"),
)

WORLD = CatalogueView(
    epoch="1",
    server_version=180_004,
    system_identifier="7",
    account="app_rw",
    search_path='"$user", public',
    functions={
        "evil": frozenset({"public.evil"}),
        "tg": frozenset({"public.tg"}),
        "lower": frozenset({"app.lower"}),
    },
    operators={"===": frozenset({"public.==="})},
    types={
        "dom": frozenset({"public.evil"}),
        "mood": frozenset(),
        "_mood": frozenset(),
        "orders": frozenset(),
    },
    attributes=frozenset({"evil", "nextval", "upper", "lo_unlink"}),
    known_functions=frozenset({"similarity"}),
    known_operators=frozenset({"<%"}),
    relations={relation.name: relation for relation in _RELATIONS},
    system_relations=frozenset(
        {
            "pg_catalog.pg_class",
            "pg_catalog.pg_stats",
            "pg_catalog.pg_authid",
            "pg_catalog.pg_settings",
            "pg_catalog.pg_stat_activity",
            "information_schema.tables",
        }
    ),
    parameter_types=frozenset({20_000}),
)
PLAIN = SessionVector()


def read(
    text: str, *, view: CatalogueView | None = WORLD, vector: SessionVector = PLAIN
) -> tuple[SqlFacts, ...]:
    """The facts of `text` in this world."""
    return read_statements(text, catalogue=view, vector=vector)


def one(
    text: str, *, view: CatalogueView | None = WORLD, vector: SessionVector = PLAIN
) -> SqlFacts:
    """The facts of a single statement."""
    (facts,) = read(text, view=view, vector=vector)
    return facts
