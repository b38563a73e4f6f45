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
