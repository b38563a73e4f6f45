"""What a target's catalogue says, as a frozen value: the ground of the proof of `read`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Uses = frozenset[str]


@dataclass(frozen=True, slots=True)
class RelationFacts:
    """One relation, with everything that reading or writing it reaches.

    `kind` is pg_class.relkind. `reaches` are the canonical names of all relations that a read of
    this one also reads (base tables of views, children, partitions), `reached_columns` their
    columns as far as a view names them. `read_uses` and `write_uses` name the code that planning
    or running a read or a write may run beside what the statement itself names: functions,
    operators and types as `schema.name` (built-ins as `pg_catalog.name`), or a thing in words
    (`foreign table x`), which no trust covers. `plan_uses` are those of them that planning a write
    may run: no triggers, and nothing of tables that only a cascade reaches.
    """

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    reaches: frozenset[str] = frozenset()
    reached_columns: frozenset[str] = frozenset()
    read_uses: Uses = frozenset()
    write_uses: Uses = frozenset()
    plan_uses: Uses = frozenset()


@dataclass(frozen=True, slots=True)
class CatalogueView:
    """One database's catalogue at one moment. `epoch` changes whenever the content does.

    `functions`, `operators`, `types`: names, without schema, of what users made, each with the
    code behind it as `schema.name` (a user type that runs nothing has the empty set).
    `attributes` are all names of functions, built-in or not, that one argument suffices for: `o.f`
    may call them. `known_*` are names from reviewed extensions, as good as built-ins. `relations` by
    canonical name; `system_relations` are the target's own. `parameter_types` are the oids at or
    above 16384 that a bind value may have without running code. `poison` names what voids every
    proof (a user cast between built-in types). `encoding` is the database's.
    `function_oids` are the names of the functions that users made. `account` is the log-in that looked, `search_path`
    what it gets by default; `superuser` and `owns_relations` are for `doctor`.
    """

    epoch: str
    server_version: int
    system_identifier: str
    product: str = "PostgreSQL"
    account: str = ""
    search_path: str = ""
    superuser: bool = False
    owns_relations: bool = False
    poison: str = ""
    functions: Mapping[str, Uses] = field(default_factory=dict)
    operators: Mapping[str, Uses] = field(default_factory=dict)
    types: Mapping[str, Uses] = field(default_factory=dict)
    attributes: frozenset[str] = frozenset()
    known_functions: frozenset[str] = frozenset()
    known_operators: frozenset[str] = frozenset()
    known_types: frozenset[str] = frozenset()
    relations: Mapping[str, RelationFacts] = field(default_factory=dict)
    system_relations: frozenset[str] = frozenset()
    parameter_types: frozenset[int] = frozenset()
    encoding: str = "UTF8"
    function_oids: Mapping[int, str] = field(default_factory=dict)
