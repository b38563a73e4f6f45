"""Shapes: one shape, one tree up to literal values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sql_world import read

from gatekeep.protocols.sql.parse import parse_statements
from gatekeep.protocols.sql.shape import shape_of


def test_plain_literals_vanish() -> None:
    """Integers and strings are markers; names, quoted names, parameters and odd numbers stay."""
    first = shape_of("SELECT a1, \"x 5 'y\" FROM t WHERE id = 5 AND n = 'it''s' AND m = $1 + 1.5")
    again = shape_of("SELECT a1, \"x 5 'y\" FROM t WHERE id = 77 AND n = 'x''y' AND m = $1 + 1.5")
    assert first is None  # a doubled quote is left to the parser
    assert again is None
    assert shape_of("SELECT 1, 'a'") == shape_of("SELECT 22, 'ä; DROP'") != None  # noqa: E711 - chained
    assert shape_of('SELECT "a 1"') != shape_of('SELECT "a 2"')
    assert shape_of("SELECT 1.5") != shape_of("SELECT 1.6")
    assert shape_of("SELECT 1234567890") != shape_of("SELECT 1234567891")
    assert shape_of("SELECT $1") != shape_of("SELECT $2")
    assert shape_of("SELECT a1") != shape_of("SELECT a2")


@pytest.mark.parametrize("sign", ["€", "\u00a0", "·", "😀", "\u2028"])
def test_a_digit_beside_a_foreign_sign_is_part_of_a_name(sign: str) -> None:
    """To the target every character beyond ASCII is a letter, so two such names are two tables."""
    assert shape_of(f"SELECT v{sign}1") != shape_of(f"SELECT v{sign}2")
    assert shape_of(f"SELECT 1{sign}") != shape_of(f"SELECT 2{sign}")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT E'a'",
        "SELECT B'1'",
        "SELECT X'1'",
        "SELECT N'a'",
        "SELECT U&'a'",
        'SELECT U&"a"',
        "SELECT 'a\\'",
        "SELECT $$a$$",
        "SELECT $a$b$a$",
        "SELECT 1 -- x",
        "SELECT /* x */ 1",
        "SELECT 'a",
        "SELECT 1::float(24)",
        "ALTER ROLE x PASSWORD 'a'",
        "SELECT crypt('a', 'b')",
        "SELECT \x01",
    ],
)
def test_the_unusual_has_no_shape(text: str) -> None:
    """Prefixes, escapes, dollar quotes, comments, what may be secret, what depends on a number."""
    assert shape_of(text) is None


_PIECES = st.sampled_from(
    [
        "SELECT ", "a", " FROM t ", " WHERE ", "id", " = ", "'x'", "'y z'", "'--'", "5", "77", "0",
        " AND ", "(", ")", ",", "::int", " LIMIT ", "E", "\"q'1\"", "$1", "1.5", "1e5", "0x1F",
        " IN (1, 2)", "-", " interval ", "varchar(10)", "numeric(5,2)", "''", " ", "\n", "B", "_",
        "'", "N", "x", ";", ".", "[1:2]", "date ", "time(3) ", " AS ",
    ]
)  # fmt: skip


def _other_literals(text: str, number: str, string: str) -> str:
    text = re.sub(r"'[^']*'", f"'{string}'", text)
    return re.sub(r"(?<![\w.$'])\d{1,9}(?![\w.$'])", number, text)


def _bare(text: str) -> str | None:
    statements = parse_statements(text)
    if statements is None:
        return None
    trees = [one.kind + str(one.node) for one in statements]
    bare = re.sub(r"location: \d+|stmt_len: \d+|list_(?:start|end): \d+", "", "\n".join(trees))
    bare = re.sub(r"ival \{\s*(?:ival: -?\d+)?\s*\}", "ival {}", bare)
    bare = re.sub(r'sval \{\s*(?:sval: "(?:[^"\\]|\\.)*")?\s*\}', "sval {}", bare)
    return re.sub(r"\s+", " ", bare)


@given(st.lists(_PIECES, min_size=1, max_size=14), st.sampled_from(["1", "900", "123456789"]))
def test_equal_shapes_parse_to_equal_trees(pieces: list[str], number: str) -> None:
    """Texts of one shape differ in their trees by literal values alone."""
    text = "SELECT " + "".join(pieces)
    other = _other_literals(text, number, "other; -x")
    if shape_of(text) is None or shape_of(text) != shape_of(other):
        return
    assert _bare(text) == _bare(other), (text, other)


@given(st.lists(_PIECES, min_size=1, max_size=12), st.sampled_from(["1", "900"]))
def test_facts_that_read_no_values_hold_for_the_shape(pieces: list[str], number: str) -> None:
    """Where no fact depended on a value, both texts have the same facts but for the text."""
    text = "SELECT " + "".join(pieces)
    other = _other_literals(text, number, "zz")
    if shape_of(text) is None or shape_of(text) != shape_of(other):
        return
    mine, theirs = read(text), read(other)
    if any(facts.values_read for facts in mine):
        return
    assert [(f.sql_class, f.tables_read, f.columns, f.tags, f.where) for f in mine] == [
        (f.sql_class, f.tables_read, f.columns, f.tags, f.where) for f in theirs
    ]
