"""Which executions have a likeness: one statement that reads or writes, all of it shown."""

from __future__ import annotations

from typing import Any

import pytest
from support import builders

from gatekeep.domain.actions import BoundValue, NameKind, Naming, SqlAction, SqlClass
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.protocols.sql.template import template_of
from gatekeep.proxies.postgres.likeness import likeness_of

TEXT = "DELETE FROM orders WHERE id = 7"


def deletion(text: str = TEXT, **known: Any) -> SqlAction:
    """One write."""
    given = {"template": template_of(text), **known}
    sql_class = given.pop("sql_class", SqlClass.WRITE)
    return builders.action(text, builders.facts(sql_class, "DELETE", **given))


def test_a_write_has_one() -> None:
    """Its template, and its values; bound ones behind those that are written."""
    assert likeness_of(deletion()) == Likeness(template_of(TEXT), (LikeSlot("int", "7"),))
    bound = deletion("DELETE FROM orders WHERE id = $1")._replace(
        mode="extended", parameters=(BoundValue(23, "7", 1),)
    )
    found = likeness_of(bound)
    assert found is not None
    assert [(one.type, one.value) for one in found.slots] == [("bound", "=7")]


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (700, "16777217"), (701, "9007199254740993"), (1082, "2026-01-01 10:00:00"),
        (1114, "2026-01-01 10:00:00+05"), (18, "open"), (19, "open"), (1042, "open"), (25, "0"),
        (23, "x"), (1186, "1"), (3802, "1"), (1007, "{1}"), (2205, "orders"), (16_400, None),
        (23, "7\n"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_what_it_looks_like_has_none(oid: int, text: str | None) -> None:
    """As a real 16777217 is 16777216, and a row that nobody approved: `id = $1` deletes that one."""
    action = deletion("DELETE FROM orders WHERE id = $1")._replace(
        mode="extended", parameters=(BoundValue(oid, text, len(text or "")),)
    )
    assert likeness_of(action) is None


@pytest.mark.parametrize(
    ("oid", "text"),
    [
        (0, "7"), (20, "7"), (21, "-7"), (1700, "7.50"), (16, "t"), (1082, "2026-01-01"),
        (1114, "2026-01-01 10:00:00"), (1184, "2026-01-01 10:00:00.5+00"), (25, "open"),
        (1043, ""), (23, None), (2950, "0190a1b2-0000-7000-8000-000000000001"), (0, "x y"),
    ],
)  # fmt: skip
def test_a_value_of_the_type_that_it_looks_like_has_one(oid: int, text: str | None) -> None:
    """Drivers declare these, or leave it to the target."""
    action = deletion("DELETE FROM orders WHERE id = $1")._replace(
        mode="extended", parameters=(BoundValue(oid, text, len(text or "")),)
    )
    found = likeness_of(action)
    assert found is not None
    assert found.values == ("NULL" if text is None else f"={text}",)


@pytest.mark.parametrize(
    "action",
    [
        deletion(sql_class=SqlClass.COPY),
        deletion(sql_class=SqlClass.DDL),
        deletion(sql_class=SqlClass.PROCEDURAL),
        deletion(takes=Naming(NameKind.CURSOR, "c")),
        deletion(template="exact:ab12"),
        deletion()._replace(mode="function_call"),
        deletion()._replace(facts=()),
        deletion()._replace(facts=deletion().facts * 2),
        deletion()._replace(redacted="DELETE FROM orders WHERE id = '***'"),
        deletion()._replace(parameters=(BoundValue(25, "", 9, "ab" * 32),)),
        deletion()._replace(parameters=(BoundValue(25, "x", 1, secret=True),)),
        deletion()._replace(parameters=(BoundValue(16_400, "x", 1),)),
    ],
)
def test_the_rest_has_none(action: SqlAction) -> None:
    """Other classes, a cursor's row, several statements, a FunctionCall, and whatever is hidden."""
    assert likeness_of(action) is None
