"""Splitting `options` and naming settings, as a target does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.postgres import options


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), max_size=5))
def test_escaped_words_come_back_whole(words: list[str]) -> None:
    """A backslash before every character carries any word through."""
    written = " ".join("".join(f"\\{character}" for character in word) for word in words)
    assert options.split_words(written) == words


@given(st.text())
def test_any_text_is_settings_or_a_refusal(text: str) -> None:
    """And every name that comes out is one that a setting can have, in lower case."""
    try:
        settings = options.settings_of(text)
    except options.OptionsRefused:
        return
    assert all(options.setting_name(name) == name for name, _ in settings)


def test_names_as_the_target_folds_them() -> None:
    """Case is ignored, dashes stand for underscores, a class name may lead."""
    assert options.settings_of("-c Work-Mem=1 --My.Setting=x") == [
        ("work_mem", "1"), ("my.setting", "x"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "a b", "1a", "a.", ".a", "a;b", "\u0131d", "a\n"])
def test_names_that_no_setting_has(name: str) -> None:
    """Are none."""
    assert options.setting_name(name) is None


def test_encodings() -> None:
    """UTF8 in every spelling, SQL_ASCII, and the rest."""
    assert {options.encoding_family(name) for name in ("'utf-8'", "UNICODE", "Utf_8")} == {"utf8"}
    assert options.encoding_family("sql ascii") == "sql_ascii"
    assert options.encoding_family("latin1") == ""
