"""A request on a terminal: the whole text is there, and nothing of it can hide or pretend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile_terminal import HOSTILE, forbidden

from gatekeep.cli.asked import strange_letters, whole_text


def shown(text: str) -> list[str]:
    """The lines of a text."""
    return list(whole_text(text))


def test_every_line_is_there_and_indented() -> None:
    """So that none looks like one of ours."""
    assert shown("a\n  b\n\nApprove and run once? [y/N]") == [
        "    a", "      b", "", "    Approve and run once? [y/N]",
    ]  # fmt: skip


def test_nothing_is_pushed_out_of_sight() -> None:
    """Long runs of blanks and empty lines are told with their length."""
    assert shown("SELECT 1;" + " " * 500 + "DROP TABLE x") == [
        "    SELECT 1; [500 blanks] DROP TABLE x"
    ]
    assert shown("a" + "\n" * 300 + "b") == ["    a", "  [299 empty lines]", "    b"]
    assert shown(" " * 300 + "x") == ["     [300 blanks] x"]
    assert shown("a  --" + " " * 16 + "b") == ["    a  --" + " " * 16 + "b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_drives_the_terminal(name: str) -> None:
    """Whatever is in it."""
    assert forbidden("\n".join(shown(HOSTILE[name].decode("latin-1")))) == ""


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=300))
def test_every_visible_letter_is_shown_in_order(text: str) -> None:
    """Nothing is cut, nothing changes its place."""
    letters = [c for c in text if c.isascii() and c.isalpha()]
    told = "".join(line for line in shown(text) if not line.startswith("  ["))
    rest = iter(told)
    assert all(letter in rest for letter in letters)


def test_letters_that_only_look_like_others_are_named() -> None:
    """With code point and name, each once, and not without end."""
    assert strange_letters("SELECT 1") == ""
    assert strange_letters("\u0440 \u0440") == "\u0440 U+0440 CYRILLIC SMALL LETTER ER"
    many = strange_letters("".join(chr(0x400 + n) for n in range(20)))
    assert many.count("U+") == 12
    assert many.endswith(" and 8 more")
