"""Neighbours of a value: three, of its type, other than itself."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from gatekeep.domain.grants import Slot
from gatekeep.domain.neighbours import COUNT, neighbours


@pytest.mark.parametrize(
    ("kind", "value", "others"),
    [
        ("int", "42", ("0", "43", "42000")),
        ("int", "0", ("1", "1000", "7")),
        ("numeric", "1.5", ("0.0", "1000000.0", "1e300")),
        ("text", "'tmp%'", ("'%'", "''", "'%tmp%'")),
        ("text", "'2026-01-31'", ("'1970-01-01'", "'2026-02-01'", "'9999-12-31'")),
        ("text", "'true'", ("'false'", "''", "'any other text'")),
        ("text", "E'a'", ("''", "'ax'", "'any other text'")),
        ("bits", "B'101'", ("B'0'", "B'1'", "X'FF'")),
    ],
)
def test_what_stands_beside_a_value(kind: str, value: str, others: tuple[str, ...]) -> None:
    """Near ones and the far ends, as they would be written."""
    assert neighbours(Slot(1, kind, value)) == others


@hypothesis.given(
    st.sampled_from(["int", "numeric", "text", "bits"]), st.text(max_size=40), st.booleans()
)
def test_always_three_others(kind: str, value: str, bound: bool) -> None:
    """Whatever was written, there are three, each another one, none repeated."""
    found = neighbours(Slot(1, kind, value, bound=bound))
    assert len(found) == len(set(found)) == COUNT
    assert value not in found or kind == "bits"


@pytest.mark.parametrize("value", ["0", "1", "7", "999999999999999999"])
def test_whole_numbers_stay_whole_and_without_sign(value: str) -> None:
    """A sign is an operator, and would be another template."""
    assert all(one.isdigit() for one in neighbours(Slot(1, "int", value)))
