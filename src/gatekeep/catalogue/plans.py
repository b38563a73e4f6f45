"""What a plan in JSON says: rows, and by which index they are found. Pure; asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MAX_CHARACTERS: Final = 2_000_000
"""Of a plan: thousands of partitions make it long, and reading it holds everybody up."""
_MOST_INDEXES: Final = 3
_WRITES: Final = "ModifyTable"
_BELOW_WRITES: Final = frozenset({"Outer", "Member"})  # before 14 one member for each partition
_WHOLE: Final = frozenset({"Seq Scan", "Sample Scan"})
_IN_ORDER: Final = frozenset({"Index Scan", "Index Only Scan"})


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """`rows` is what the target expects to touch or give.

    `index` names the indexes by which rows of the tables asked about are found; empty where one
    of these is read whole, None where the plan reads none of them.
    """

    rows: int
    index: str | None


def read_plan(text: str, tables: frozenset[str]) -> PlanFacts:
    """The facts of `EXPLAIN (FORMAT JSON)`; `tables` are bare names, empty for all.

    Raises ValueError, KeyError, TypeError or RecursionError for what is no such plan.
    """
    top = json.loads(text)[0]["Plan"]
    return PlanFacts(_rows(top), _index(top, tables))


def _rows(top: Any) -> int:
    """A node that writes gives no rows itself: those below it are what it touches."""
    if top["Node Type"] != _WRITES:
        return int(top["Plan Rows"])
    below = [one for one in top["Plans"] if one.get("Parent Relationship") in _BELOW_WRITES]
    return sum(int(one["Plan Rows"]) for one in below)


def _index(top: Any, tables: frozenset[str]) -> str | None:
    names: dict[str, None] = {}
    whole = False
    for node in _nodes(top):
        relation = node.get("Relation Name")
        if relation is None or node["Node Type"] == _WRITES or (tables and relation not in tables):
            continue
        whole = whole or _reads_all(node)
        names.update((found, None) for found in _index_names(node))
    if whole:
        return ""
    return ", ".join(list(names)[:_MOST_INDEXES]) or None


def _reads_all(node: Any) -> bool:
    """Also where an index only gives the order."""
    kind = node["Node Type"]
    return kind in _WHOLE or (kind in _IN_ORDER and not {"Index Cond", "Order By"} & node.keys())


def _index_names(node: Any) -> Iterator[str]:
    """Of a scan itself, or of the bitmaps below it."""
    for one in _nodes(node):
        name = one.get("Index Name")
        if name is not None:
            yield str(name)


def _nodes(top: Any) -> Iterator[Any]:
    pending = [top]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.get("Plans", ())))
