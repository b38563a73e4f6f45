"""Nothing in a shown text can hide, pass for another, or push its end out of sight."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.messages.legible import legible, seen

_ALLOWED = {"⟨", "⟩", "⋯"}


def test_a_plain_text_stays_as_it_is() -> None:
    """Tabs, accents and quotes are nobody's disguise."""
    text = "SELECT 'café', \"naïve\"\n\tFROM t; -- ok"
    assert legible(text).text == text
    assert not legible(text).confusable
    assert legible(text).count == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a⟨U+001B⟩[2Jb"),
        ("a\x07\x00b", "a⟨U+0007 U+0000⟩b"),
        ("a\u202eb\u2066c", "a⟨U+202E⟩b⟨U+2066⟩c"),
        ("pa\u200bss", "pa⟨U+200B⟩ss"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("\ud800", "⟨U+D800⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_what_would_not_be_seen_is_named(text: str, shown: str) -> None:
    """Controls, bidirectional and zero-width characters, strange blanks, halves of characters."""
    assert legible(text).text == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u043erders", "\u043e⟨U+043E⟩rders"),
        ("ﬁle", "ﬁ⟨U+FB01⟩le"),
        ("a\uff1bb", "a\uff1b⟨U+FF1B⟩b"),
        ("\u0131d", "\u0131⟨U+0131⟩d"),
        ("⟨U+202E⟩", "⟨⟨U+27E8⟩U+202E⟩⟨U+27E9⟩"),
        ("⋯ 9 empty lines", "⋯⟨U+22EF⟩ 9 empty lines"),
    ],
)
def test_what_may_be_taken_for_another_is_tagged(text: str, shown: str) -> None:
    """Our own marks, too: a text cannot claim to hold one."""
    assert legible(text).text == shown
    assert legible(text).confusable


def test_runs_of_blanks_and_empty_lines_are_counted() -> None:
    """The end of a line or text cannot be pushed out of sight."""
    text = "SELECT 1;" + " " * 200 + "DROP TABLE t;" + "\n" * 100 + "DROP TABLE u;"
    assert legible(text).lines == (
        "SELECT 1;⋯200 blanks⋯DROP TABLE t;",
        "⋯ 99 empty lines",
        "DROP TABLE u;",
    )
    assert legible(text).count == 101


def test_a_name_is_one_line() -> None:
    """Wherever it came from."""
    assert seen("a\nb\x1b") == "a b⟨U+001B⟩"


@given(st.text())
def test_nothing_unseen_is_ever_left(text: str) -> None:
    """Whatever the text: each character shown can be seen, or is a blank, tab or end of line."""
    for character in legible(text).text:
        if character in " \t\n" or character in _ALLOWED:
            continue
        assert unicodedata.category(character)[0] in "LMNPS", repr(character)


@given(st.text(alphabet="ab \t\u202e\u043e⟨⋯\n", max_size=30), st.text(alphabet="ab \t\u202e\u043e⟨⋯\n", max_size=30))
def test_two_texts_look_alike_only_where_blanks_do(one: str, other: str) -> None:
    """Escapes and tags are never ambiguous."""
    if legible(one).text == legible(other).text:
        assert "".join(one.split()) == "".join(other.split())
