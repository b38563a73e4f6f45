"""Searches as people type them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.events import SearchQuery
from gatekeep.errors import ClientFault
from gatekeep.journal.query import parse_query

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000


def parsed(text: str) -> SearchQuery:
    """Parse at a fixed now."""
    return parse_query(text, now_us=NOW)


def test_keys_times_and_words() -> None:
    """Keys become terms, times are counted back from now, the rest is text."""
    query = parsed("table:customers decision:ask since:7d text words")
    assert query.terms == (("table", "customers"), ("decision", "ask"))
    assert query.since_us == NOW - 7 * DAY
    assert query.text == "text words"


def test_quotes_hold_spaces_and_colons() -> None:
    """A quoted value is one value; a quoted word with a colon is text."""
    query = parsed('template:"select \\"a\\" from t" "drop: table"')
    assert query.terms == (("template", 'select "a" from t'),)
    assert query.text == "drop: table"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14", NOW - NOW % DAY),
        ("12h", NOW - DAY // 2),
        ("30s", NOW - 30_000_000),
    ],
)
def test_times(text: str, expected: int) -> None:
    """ISO times (UTC where they name no zone) and spans back from now."""
    assert parsed(f"until:{text}").until_us == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour:red", "colour"),
        ("since:yesterday", "since"),
        ("since:1d since:2d", "since"),
        ("table:", "table"),
        ("table:*", "table"),
        ("table:a*b", "table"),
        ('table:"open', "quote"),
        (" ".join(["word"] * 40), "32"),
    ],
)
def test_errors_name_the_key(text: str, said: str) -> None:
    """What cannot be understood is a client's fault that says where."""
    with pytest.raises(ClientFault, match=said):
        parsed(text)


@given(st.text(max_size=200))
def test_no_text_does_worse_than_a_fault(text: str) -> None:
    """Any text is a query or a ClientFault."""
    with contextlib.suppress(ClientFault):
        assert len(parsed(text).terms) <= 32
