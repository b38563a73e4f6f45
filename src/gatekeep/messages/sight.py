"""What an approver reads of what a statement would touch: short phrases for NOTICE, pages, Slack.

Made from a sight, the plain mapping that `gate.sight_ports.Sights` gives; a key that is
missing says nothing. Also the reasons why there is no estimate, which are a sight's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gatekeep.messages import printable

LIMIT_S: Final = 3

NOT_IN_TIME: Final = f"could not be estimated in {LIMIT_S} s"
NOT_LOOKED: Final = "nobody looked"
NOT_UNDERSTOOD: Final = "the statement is not understood"
SEVERAL: Final = "several statements at once"
TOO_LONG: Final = "the statement is too long"
TURNS_ON_CURSOR: Final = "it turns on a cursor"
MAKES_TABLE: Final = "it makes a table"
WRITES_WITHIN: Final = "it changes rows in a WITH clause"
LOCKS_WITHIN: Final = "it locks rows in a subquery"
VECTOR_UNKNOWN: Final = "how the session reads SQL is not known"
TEMPORARY_OBJECTS: Final = "the session has temporary objects"
OPEN_CHANGES: Final = "the open transaction may have changed the schema"
CATALOGUE_CHANGED: Final = "the schema changed meanwhile"
NO_RIGHT: Final = "the account may not"
ROLE_REFUSED: Final = "the account may not take the session's role"
UNREACHABLE: Final = "the target could not be asked"
PLAN_TOO_LARGE: Final = "its plan is too large"
PLAN_UNREADABLE: Final = "its plan could not be read"

_SURE_LOCKS: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_SHOWN_NAMES: Final = 3
_SHOWN_CHARACTERS: Final = 120


def runs(what: str) -> str:
    """Planning it would run code that nobody reviewed; `what` is what broke the proof."""
    if " runs " in what:
        return what  # a view, a policy, an index: it says itself what it runs
    return f"a {what.replace(' ', ' runs ', 1)}" if what.startswith("type ") else f"runs {what}"


def unreviewed(syntax: str) -> str:
    """The statement holds syntax that was not reviewed."""
    return f"{syntax} is not reviewed"


def unknown_table(name: str) -> str:
    """The catalogue knows no such table."""
    return f"table {name} is not known"


def nothing_proven(why: str) -> str:
    """Nothing is proven under this session or on this target."""
    return f"nothing is proven here ({why})"


def has_no_plan(verb: str) -> str:
    """Only queries and DML are planned."""
    return f"{verb} has no plan"


def not_planned(sqlstate: str) -> str:
    """The target answered with an error."""
    return f"the target did not plan it ({sqlstate})"


def phrases(sight: Mapping[str, Any]) -> tuple[str, ...]:
    """All of it, the most telling first; none for a sight that says nothing."""
    return tuple(
        phrase for phrase in (rows(sight), wanted(sight), blocked(sight), held(sight)) if phrase
    )


def rows(sight: Mapping[str, Any]) -> str:
    """How many rows it touches, of how many, and whether an index finds them; or why that is open."""
    estimate, total = _number(sight, "rows_estimate"), _number(sight, "rows_total")
    table = _name(sight.get("table"))
    if estimate is not None:
        return _estimated(sight, estimate, total)
    why = _name(sight.get("no_estimate"))
    if not why:
        return ""
    said = why if why == NOT_IN_TIME else f"no estimate: {why}"
    return said if total is None or not table else f"{said}; {table} holds about {_counted(total)}"


def held(sight: Mapping[str, Any]) -> str:
    """What the session's open transaction keeps locked while this waits."""
    count, tables = _locks(sight, "locks_held")
    if not count:
        return ""
    return f"the open transaction holds locks on {_tables(count)} ({_listed(tables, count)})"


def wanted(sight: Mapping[str, Any]) -> str:
    """The strongest locks that the statement takes on tables, without those of plain reading."""
    _, tables = _locks(sight, "locks_wanted")
    told = [lock for lock in tables if lock.get("mode") != "ACCESS SHARE"]
    if not told:
        return ""
    mode = _name(told[0].get("mode"))
    of_mode = [lock for lock in told if lock.get("mode") == told[0].get("mode")]
    surely = "" if sight.get("verb") in _SURE_LOCKS else "up to "
    return f"takes {surely}{mode} on {_listed(of_mode, len(of_mode))}"


def blocked(sight: Mapping[str, Any]) -> str:
    """Who would make it wait now."""
    blockers = sight.get("blocked_by")
    if not isinstance(blockers, Sequence) or isinstance(blockers, str) or not blockers:
        return ""
    first = blockers[0]
    if not isinstance(first, Mapping):
        return ""
    more = f" and {len(blockers) - 1} more" if len(blockers) > 1 else ""
    verb = "waits for" if first.get("waiting") else "holds"
    return (
        f"would wait: {_who(first)} {verb} {_name(first.get('mode'))}"
        f" on {_name(first.get('table'))}{more}"
    )


def _estimated(sight: Mapping[str, Any], estimate: int, total: int | None) -> str:
    said = f"about {_counted(estimate)}"
    if total is not None and sight.get("verb") not in {"INSERT", "SELECT"}:
        said += f" of {total:,}"
    if sight.get("analysed") is False:
        said += " (a guess: the table was never analysed)"
    index = sight.get("index_used")
    if not isinstance(index, str) or sight.get("verb") == "INSERT":
        return said
    return f"{said}, index {_name(index)}" if index else f"{said}, no index"


def _who(blocker: Mapping[str, Any]) -> str:
    named = [_name(blocker.get(key)) for key in ("account", "application")]
    told = ", ".join(name for name in named if name)
    pid = blocker.get("pid")
    who = f"process {pid}" if isinstance(pid, int) and pid else "a prepared transaction"
    return f"{who} ({told})" if told else who


def _counted(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _tables(count: int) -> str:
    return f"{count:,} table" if count == 1 else f"{count:,} tables"


def _listed(locks: Sequence[Mapping[str, Any]], count: int) -> str:
    names = [_name(lock.get("table")) for lock in locks[:_SHOWN_NAMES]]
    more = count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _locks(sight: Mapping[str, Any], key: str) -> tuple[int, list[Mapping[str, Any]]]:
    value = sight.get(key)
    if not isinstance(value, Mapping):
        return 0, []
    tables = value.get("tables")
    listed = tables if isinstance(tables, Sequence) and not isinstance(tables, str) else ()
    return _number(value, "count") or 0, [one for one in listed if isinstance(one, Mapping)]


def _number(sight: Mapping[str, Any], key: str) -> int | None:
    value = sight.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _name(value: object) -> str:
    return printable(value, _SHOWN_CHARACTERS) if isinstance(value, str) else ""
