"""Neighbours of a value: three, of its type, other than itself."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from gatekeep.domain.grants import Slot
from gatekeep.domain.neighbours import COUNT, bare_value, neighbours
from gatekeep.protocols.sql.slots import slots_of
from gatekeep.protocols.sql.template import template_of


@pytest.mark.parametrize(
    ("kind", "value", "others"),
    [
        ("number", "42", ("0", "43", "42000")),
        ("number", "0", ("1", "1000", "7")),
        ("number", "1.5", ("0.0", "1000000.0", "1e300")),
        ("string", "'tmp%'", ("'%'", "''", "'%tmp%'")),
        ("string", "'2026-01-31'", ("'1970-01-01'", "'2026-02-01'", "'9999-12-31'")),
        ("string", "'true'", ("'false'", "''", "'any other text'")),
        ("string", "E'a'", ("''", "'ax'", "'any other text'")),
        ("string", "B'101'", ("B'0'", "B'1'", "X'FF'")),
    ],
)
def test_what_stands_beside_a_value(kind: str, value: str, others: tuple[str, ...]) -> None:
    """Near ones and the far ends, as they would be written."""
    assert neighbours(Slot(1, kind, value)) == others


def test_bound_values_are_shown_without_their_sign() -> None:
    """`=42` is how a bound 42 is kept; NULL is NULL."""
    assert neighbours(Slot(1, "oid 23", "=42", bound=True)) == ("0", "43", "42000")
    assert bare_value(Slot(1, "oid 25", "=a", bound=True)) == "a"
    assert bare_value(Slot(1, "oid 25", "NULL", bound=True)) == "NULL"


@hypothesis.given(
    st.sampled_from(["number", "string", "oid 25"]), st.text(max_size=40), st.booleans()
)
def test_always_three_others(kind: str, value: str, bound: bool) -> None:
    """Whatever was written, there are three, each another one, none repeated."""
    found = neighbours(Slot(1, kind, value, bound=bound))
    assert len(found) == len(set(found)) == COUNT


@pytest.mark.parametrize("value", ["0", "1", "7", "999999999999999999"])
def test_whole_numbers_stay_whole_and_without_sign(value: str) -> None:
    """A sign is an operator, and would be another template."""
    assert all(one.isdigit() for one in neighbours(Slot(1, "number", value)))


@pytest.mark.parametrize(
    "text",
    ["select 42 from t", "select 1.5 from t", "select 'a' from t", "select B'1' from t", "select '2026-01-31' from t"],
)
def test_a_neighbour_keeps_the_template(text: str) -> None:
    """What is shown as also allowed really is of the same template."""
    (slot,) = slots_of(text)
    for other in neighbours(slot):
        assert template_of(text.replace(slot.value, other)) == template_of(text)
