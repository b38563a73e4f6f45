"""What is read out of a plan: rows that are touched, and the index that finds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatekeep.catalogue.plans import PlanFacts, read_plan

T = frozenset({"t"})


def node(kind: str, rows: int = 1, *plans: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One node of a plan, as PostgreSQL writes it."""
    made = {"Node Type": kind, "Plan Rows": rows, "Parent Relationship": "Outer", **more}
    return {**made, "Plans": list(plans)} if plans else made


def scan(kind: str, rows: int = 1, table: str = "t", **more: Any) -> dict[str, Any]:
    """A scan of a table."""
    named = {key.replace("_", " "): value for key, value in more.items()}
    return node(kind, rows, **{"Relation Name": table, **named})


def facts(top: dict[str, Any], tables: frozenset[str] = T) -> PlanFacts:
    """What is read."""
    return read_plan(json.dumps([{"Plan": top}]), tables)


BY_KEY = scan("Index Scan", 7, Index_Name="t_pkey", Index_Cond="(id = 1)")
WHOLE = scan("Seq Scan", 500)


def test_a_write_touches_what_its_children_find() -> None:
    """Its own rows are those that it returns: none. Sub-plans beside it are not touched."""
    assert facts(node("ModifyTable", 0, BY_KEY)) == PlanFacts(7, "t_pkey")
    other = scan("Seq Scan", 9, "u") | {"Parent Relationship": "InitPlan"}
    assert facts(node("ModifyTable", 0, other, BY_KEY)).rows == 7


def test_before_14_a_write_has_a_child_for_each_partition() -> None:
    """Their rows are summed."""
    one = scan("Seq Scan", 10) | {"Parent Relationship": "Member"}
    two = scan("Seq Scan", 5) | {"Parent Relationship": "Member"}
    assert facts(node("ModifyTable", 15, one, two)) == PlanFacts(15, "")


def test_a_table_that_is_read_whole_uses_no_index() -> None:
    """Also where a part of it is found by one, or an index only gives the order."""
    assert facts(WHOLE) == PlanFacts(500, "")
    assert facts(node("Append", 507, BY_KEY, WHOLE)).index == ""
    assert facts(scan("Index Scan", 500, Index_Name="t_pkey")).index == ""
    assert facts(scan("Index Only Scan", 500, Index_Name="t_pkey")).index == ""


def test_bitmaps_name_their_indexes_below() -> None:
    """Each of them, in order."""
    heap = scan("Bitmap Heap Scan", 3) | {
        "Plans": [
            node(
                "BitmapOr",
                3,
                node("Bitmap Index Scan", 1, **{"Index Name": "a", "Index Cond": "x"}),
                node("Bitmap Index Scan", 2, **{"Index Name": "b", "Index Cond": "y"}),
            )
        ]
    }
    assert facts(heap) == PlanFacts(3, "a, b")


def test_only_the_tables_asked_about_count() -> None:
    """A join partner that is read whole says nothing of them."""
    join = node("Nested Loop", 70, scan("Seq Scan", 10, "u"), BY_KEY)
    assert facts(join) == PlanFacts(70, "t_pkey")
    assert facts(join, frozenset()) == PlanFacts(70, "")
    assert facts(node("Result", 1)) == PlanFacts(1, None)


def test_what_is_no_plan_is_an_error() -> None:
    """Of a kind that callers expect."""
    for text in (
        "",
        "{}",
        "[]",
        "[1]",
        '[{"Plan": 1}]',
        '[{"Plan": {"Node Type": "ModifyTable"}}]',
    ):
        with pytest.raises((ValueError, LookupError, TypeError)):
            read_plan(text, T)
    with pytest.raises(RecursionError):
        read_plan('[{"Plan": ' + "[" * 100_000, T)
