"""Stories of likeness: the same likeness is the same statement with the same values (12-threats C5)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sql_world import read

from gatekeep.domain.actions import BoundValue
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.protocols.sql.likeness import BoundShown, bound_values, sql_likeness

PAIRS = [
    ("DELETE FROM orders WHERE id > 1000000", "DELETE FROM orders WHERE id > 0"),
    ("DELETE FROM orders WHERE status LIKE 'tmp%'", "DELETE FROM orders WHERE status LIKE '%'"),
    ("DELETE FROM orders WHERE false", "DELETE FROM orders WHERE true"),
    ("UPDATE orders SET status = 'user' WHERE id = 1", "UPDATE orders SET status = 'admin' WHERE id = 1"),
    ("SELECT id FROM orders WHERE total = 1::int", "SELECT id FROM orders WHERE total = 1::dom"),
    ("SELECT id FROM orders LIMIT 1", "SELECT id FROM orders LIMIT 1000000"),
    ("SELECT id FROM orders", "SELECT id AS total FROM orders"),
    ("DELETE FROM orders WHERE id IN (1)", "DELETE FROM orders WHERE id IN (1, 2, 3, 4)"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM app.orders WHERE id = 1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = -1"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = '1'"),
    ("DELETE FROM orders WHERE id = 1", "DELETE FROM orders WHERE id = 1 OR 1 = 1"),
    ("DELETE FROM orders WHERE status = B'1'", "DELETE FROM orders WHERE status = B'0'"),
    ("DELETE FROM orders WHERE status = 'a'", "DELETE FROM orders WHERE status = E'a'"),
    ("DELETE FROM orders WHERE status = N'a'", "DELETE FROM orders WHERE status = n 'a'"),
    ('DELETE FROM "Orders" WHERE id = 1', "DELETE FROM orders WHERE id = 1"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id = 1 FOR UPDATE"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT\N{NO-BREAK SPACE}id FROM orders WHERE id = 1"),
    ("SELECT id FROM orders WHERE id = 1", "SELECT id FROM orders WHERE id = 1 AND id = 1"),
]
EXACT = [
    "SET ROLE a",
    "SELECT set_config('role', 'postgres', false)",
    "EXECUTE p1",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT dblink_exec('x', 'SELECT 1')",
    "COPY (SELECT 1) TO STDOUT",
    "SELECT 1; SELECT 2",
    "not SQL",
    "",
    "SELECT id FROM orders WHERE id IN (1,2,3,4,5,6,7,8,9,10)",
    "ALTER ROLE a PASSWORD 'geheim'",
]


def like(text: str, *bound: BoundShown) -> Likeness | None:
    """The likeness of what the gateway makes of a text, from what events hold of it."""
    known = read(text)
    if len(known) != 1:
        return sql_likeness("; ".join(one.template for one in known), text, bound)
    return sql_likeness(known[0].template, known[0].redacted, bound)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_second_of_a_pair_is_not_like_the_first(first: str, second: str) -> None:
    """By its template or by its values."""
    assert like(first) is not None
    assert like(first) != like(second)


@pytest.mark.parametrize("text", EXACT)
def test_what_counts_only_as_its_bytes_has_no_likeness(text: str) -> None:
    """Code, rights, settings, several statements, too many values, secrets."""
    assert like(text) is None


def test_blanks_comments_and_a_last_semicolon_are_nothing() -> None:
    """The same likeness, value for value."""
    one = like("UPDATE orders SET status = 'paid' WHERE id = 5")
    other = like("update  orders /* x */ set status='paid'\n where id = 5;")
    assert one == other
    assert one == Likeness(
        "update orders set status = $1:text where id = $2:int",
        (LikeSlot("text", "'paid'"), LikeSlot("int", "5")),
    )


def test_values_beside_telling_words_are_sensitive() -> None:
    """Whose and how much it is: such a value never stands for others."""
    found = like("UPDATE t SET a = 1 WHERE tenant_id = 7")
    assert found is not None
    assert [slot.sensitive for slot in found.slots] == [False, True]


def test_bound_values_are_slots_too() -> None:
    """NULL is not the word NULL, and a statement may hold both kinds."""
    found = like("UPDATE orders SET status = $1 WHERE id = $2 AND total = 3", None, "NULL")
    assert found is not None
    assert found.values == ("3", "NULL", "=NULL")
    assert [slot.type for slot in found.slots] == ["int", "bound", "bound"]


def test_a_bound_value_that_is_not_shown_leaves_no_likeness() -> None:
    """A secret, a long one, one of a type that users made; as in the gate, so in its event."""
    text = "SELECT id FROM orders WHERE id = $1"
    for value in (
        BoundValue(25, "", secret=True), BoundValue(25, "", 5000, "ab" * 32), BoundValue(16_384, "1")
    ):  # fmt: skip
        assert like(text, *bound_values([value])) is None
    assert like(text, *bound_values([BoundValue(23, "1") ])) is not None
    assert like(text, {"length": 3, "secret": True}) is None


def test_a_masked_text_has_no_likeness() -> None:
    """What stood there is not known, though the template is the same."""
    known = read("SELECT id FROM orders WHERE status = 'x'")
    assert sql_likeness(known[0].template, "SELECT id FROM orders WHERE status = '***'") is None
    assert sql_likeness(known[0].template, "SELECT [40 bytes, sha256 abc]") is None


@given(st.lists(st.text("ab1' \"-/*;$n\\E%", max_size=6), min_size=2, max_size=2))
@settings(max_examples=200, deadline=None)
def test_two_statements_of_one_likeness_differ_in_nothing(pieces: list[str]) -> None:
    """Drawn pieces of text in the place of a condition: equal likeness means equal tokens."""
    texts = [f"SELECT id FROM orders WHERE status = 'a' {piece}" for piece in pieces]  # noqa: S608 - read only
    one, other = like(texts[0]), like(texts[1])
    if one is not None and one == other:
        plain = [read(text)[0] for text in texts]
        assert plain[0].template == plain[1].template
        assert (plain[0].sql_class, plain[0].where) == (plain[1].sql_class, plain[1].where)
