"""The values of a statement, numbered as its template numbers them; some are never freed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.actions import BoundValue
from gatekeep.protocols.sql.slots import slots_of
from gatekeep.protocols.sql.template import template_of


def values(text: str, *bound: BoundValue) -> list[str]:
    """The values, as written."""
    return [slot.value for slot in slots_of(text, bound)]


def sensitive(text: str, *bound: BoundValue) -> list[str]:
    """Those that may never be freed."""
    return [slot.value for slot in slots_of(text, bound) if slot.sensitive]


def test_literals_in_the_order_of_the_text_then_what_is_bound() -> None:
    """Each with number and type; comments hold none, and NULL is not the text that reads so."""
    found = slots_of(
        "UPDATE t /* 9 */ SET a = 'x''y', b = 1.5 -- 'z'\nWHERE c = $1 AND d IN (2, $2)",
        (BoundValue(25, "NULL", 4), BoundValue(23, None)),
    )
    assert [(one.number, one.type, one.value, one.bound) for one in found] == [
        (1, "string", "'x''y'", False), (2, "number", "1.5", False), (3, "number", "2", False),
        (4, "oid 25", "=NULL", True), (5, "oid 23", "NULL", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "literal",
    [
        "'a'", "E'a\\n'", "U&'d\\0061t'", "N'a'", "B'101'", "X'1F'", "$$a$$", "$tag$a$tag$", "7",
        "1.5", "1e9", ".5", "0x1F", "1_000", "'it''s'", "'über'",
    ],
)  # fmt: skip
def test_whatever_the_template_leaves_open_is_a_slot(literal: str) -> None:
    """Of every kind: what the template replaced stands among the values, whole."""
    text = "DELETE FROM t WHERE a = LITERAL AND b = 2".replace("LITERAL", literal)
    assert template_of(text).count(":") == 2
    assert values(text)[1:] == ["2"]
    assert values(text)[0] in literal
    assert values(text)[0].strip("N") == literal.strip("N")


@pytest.mark.parametrize("word", ["true", "false", "NULL", "CURRENT_USER", "DEFAULT"])
def test_words_that_stand_for_values_stay_in_the_template(word: str) -> None:
    """They are no slots, so no grant covers another."""
    text = "UPDATE t SET a = WORD WHERE b = 1".replace("WORD", word)
    assert values(text) == ["1"]
    assert word.lower() in template_of(text)


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("UPDATE u SET role = 'user' WHERE id = 5", ["'user'"]),
        ("UPDATE u SET x = 1 WHERE role IN ('a', 'b', 'c', 'd') AND id = 5", ["'a'", "'b'", "'c'", "'d'"]),
        ("UPDATE u SET (a, role) = (1, 'admin') WHERE id = 5", ["1", "'admin'"]),
        ("DELETE FROM o WHERE price BETWEEN 1 AND 10 AND id = 5", ["1", "10"]),
        ("DELETE FROM o WHERE price BETWEEN (1 + 2) AND 10 AND id = 5", ["1", "2", "10"]),
        ("DELETE FROM o WHERE 'acme' = tenant AND x AND id = 5", ["'acme'"]),
        ("DELETE FROM roles WHERE name = 'x'", ["'x'"]),
        ("DELETE FROM o WHERE coalesce(nullif(lower(trim(tenant)), 'x'), 'y') = 'z' AND id = 5", ["'x'", "'y'", "'z'"]),
        ("DELETE FROM o WHERE id IN (SELECT id FROM p WHERE owner_id = 3 AND y = 4) AND z = 5", ["3", "4"]),
        ('DELETE FROM o WHERE "Tenant" = 3 AND id = 5', ["3"]),
        ("DELETE FROM o WHERE data ->> 'role' = 'x' AND id = 5", ["'role'", "'x'"]),
        ("SELECT a FROM t WHERE id = 5 ORDER BY b LIMIT 10 OFFSET 20", ["10", "20"]),
        ("SELECT a FROM t WHERE id = 5 ORDER BY b FETCH FIRST 10 ROWS ONLY", ["10"]),
        ("UPDATE salaries SET amount = 9 WHERE id = 5 OR who = 'x'", ["9"]),
        ("DELETE FROM t WHERE id = 5 AND path LIKE '/tmp/%'", ["'/tmp/%'"]),
        ("DELETE FROM t WHERE /* role */ id = 5", ["5"]),
        ("DELETE FROM t WHERE id = 5 AND name = 'x'", []),
    ],
)  # fmt: skip
def test_whose_and_how_much_is_never_free(text: str, never: list[str]) -> None:
    """Roles, tenants, owners, prices, paths, limits: in lists, ranges, calls, and on either side."""
    assert sensitive(text) == never


def test_a_bound_value_is_as_sensitive_as_where_it_stands() -> None:
    """The place of its parameter tells, however often it is used."""
    text = "UPDATE u SET role = $2, name = $1 WHERE id = $3 AND x = $1"
    bound = tuple(BoundValue(25, word, 1) for word in ("n", "r", "7"))
    assert sensitive(text, *bound) == ["=r"]
    assert sensitive("UPDATE u SET a = $1, tenant = $1 WHERE id = $2", *bound[:2]) == ["=n"]


def test_what_is_known_by_its_hash_alone_is_never_free() -> None:
    """Nobody could have seen what it stands for."""
    assert sensitive("DELETE FROM t WHERE a = $1", BoundValue(17, "", 5000, "ab" * 32)) == [
        f"sha256:{'ab' * 32}:5000"
    ]


def test_what_cannot_be_read_has_no_slots() -> None:
    """Nothing of it may repeat."""
    assert slots_of("SELECT 'never closed", ()) == ()


LITERALS = st.one_of(
    st.integers(0, 10**20).map(str),
    st.floats(0, 1e12, allow_nan=False).map(lambda number: f"{number:.4f}"),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12).map(
        lambda text: "'" + text.replace("'", "''") + "'"
    ),
    st.sampled_from(["B'1'", "X'1F'", "E'\\x41'", "true", "NULL", "-1", "1::text", "date '2020-01-01'"]),
)
SHAPES = st.sampled_from(
    [
        "DELETE FROM t WHERE a = {} AND b = {}", "UPDATE t SET a = {} WHERE b = {}",
        "SELECT a FROM t WHERE a IN ({}, 2) AND b LIKE {}", "DELETE FROM t WHERE {} = a /* {} */ OR b = 1",
    ]
)  # fmt: skip


@given(SHAPES, LITERALS, LITERALS, LITERALS, LITERALS)
def test_two_texts_alike_in_template_and_values_are_the_same(
    shape: str, one: str, two: str, three: str, four: str
) -> None:
    """Whatever literals they hold: nothing that a target reads differs between them unseen."""
    first, second = shape.format(one, two), shape.format(three, four)
    if "/*" in shape:
        first, second = shape.format(one, "x"), shape.format(three, "y")
        two = four = ""
    alike = template_of(first) == template_of(second) and values(first) == values(second)
    assert alike == ((one, two) == (three, four))
