"""Which tables a statement would lock and how, and which locks conflict. Pure tables; asks nobody.

Modes are PostgreSQL's, in the words of its manual ("Explicit Locking"), and for each statement
the strongest that any form of it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gatekeep.domain.actions import SqlFacts

_CONFLICTS_TEXT: Final = """
ACCESS SHARE: ACCESS EXCLUSIVE
ROW SHARE: EXCLUSIVE, ACCESS EXCLUSIVE
ROW EXCLUSIVE: SHARE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
SHARE UPDATE EXCLUSIVE: SHARE UPDATE EXCLUSIVE, SHARE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
SHARE: ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
SHARE ROW EXCLUSIVE: ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE, SHARE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
EXCLUSIVE: ROW SHARE, ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE, SHARE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
ACCESS EXCLUSIVE: ACCESS SHARE, ROW SHARE, ROW EXCLUSIVE, SHARE UPDATE EXCLUSIVE, SHARE, SHARE ROW EXCLUSIVE, EXCLUSIVE, ACCESS EXCLUSIVE
"""
_CONFLICTS: Final = {
    line.split(": ")[0]: frozenset(line.split(": ")[1].split(", "))
    for line in _CONFLICTS_TEXT.strip().splitlines()
}
_WEAKEST_FIRST: Final = tuple(_CONFLICTS)

READING: Final = "ACCESS SHARE"
_ROWS: Final = "ROW EXCLUSIVE"
_STRONGEST: Final = "ACCESS EXCLUSIVE"
_OF_WRITES: Final = {
    "INSERT": _ROWS, "UPDATE": _ROWS, "DELETE": _ROWS, "MERGE": _ROWS, "COPY FROM": _ROWS,
    "TRUNCATE": _STRONGEST, "LOCK TABLE": _STRONGEST, "CLUSTER": _STRONGEST,
    "VACUUM": _STRONGEST, "REINDEX": _STRONGEST, "REFRESH MATERIALIZED VIEW": _STRONGEST,
    "ANALYZE": "SHARE UPDATE EXCLUSIVE", "COMMENT": "SHARE UPDATE EXCLUSIVE",
    "CREATE INDEX": "SHARE", "CREATE TRIGGER": "SHARE ROW EXCLUSIVE",
    "CREATE POLICY": _STRONGEST, "ALTER POLICY": _STRONGEST, "CREATE RULE": _STRONGEST,
}  # fmt: skip
_CHANGED: Final = re.compile(
    r"(?:ALTER|DROP) (?:TABLE|VIEW|MATERIALIZED VIEW|FOREIGN TABLE|TRIGGER|RULE|POLICY)\b"
)
_DML: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})


def stronger(one: str, other: str) -> str:
    """The stronger of two modes."""
    return max(one, other, key=strength)


def strength(mode: str) -> int:
    """Its place from the weakest on; 0 for what is no mode of a table."""
    return _WEAKEST_FIRST.index(mode) + 1 if mode in _CONFLICTS else 0


def conflicts(mode: str, other: str) -> bool:
    """Whether two sessions cannot hold these on one table at the same time."""
    return other in _CONFLICTS.get(mode, ())


def spelt(mode: str) -> str:
    """A mode of `pg_locks` (`RowExclusiveLock`) in the words of SQL."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


def wanted(facts: Iterable[SqlFacts]) -> dict[str, str]:
    """The strongest mode for each table that the facts name, as written and canonical."""
    modes: dict[str, str] = {}
    for fact in facts:
        reads = "ROW SHARE" if "row_locks" in fact.tags else READING
        for table in fact.tables_read:
            modes[table] = stronger(modes.get(table, READING), reads)
        mode = _of_writes(fact.verb)
        for table in fact.tables_written if mode else ():
            modes[table] = stronger(modes.get(table, READING), mode)
    return modes


def _of_writes(verb: str) -> str:
    """Empty where the statement locks no table that it is told to write, or none that is known."""
    last = verb.rsplit(" ", 1)[-1]
    if last in _DML and not verb.startswith(("ALTER", "CREATE", "DROP")):
        verb = last  # PREPARE, DECLARE, EXPLAIN of it
    if _CHANGED.match(verb):
        return _STRONGEST
    return _OF_WRITES.get(verb, "")
