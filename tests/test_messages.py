"""The words on the wire: foreign text in them is harmless and short."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.messages import context_line, printable, session_killed


@given(st.text())
def test_nothing_foreign_drives_a_terminal(text: str) -> None:
    """No control, bidirectional, zero-width or unassigned character passes, whatever comes in."""
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(shown) <= 201


@pytest.mark.parametrize("text", ["alice", "Zoë 東京", "a b"])
def test_ordinary_text_stays_itself(text: str) -> None:
    """What can be read is not touched."""
    assert printable(text) == text


def test_ten_kilobytes_are_cut() -> None:
    """Psql shows one readable line, not a page."""
    message = session_killed("\x1b[2J\u202e" + "x" * 10_000)
    assert len(message.primary) < 300
    assert message.primary.endswith("…")
    assert r"\x1b[2J\u202e" in message.primary


def test_context_leaves_out_what_is_empty() -> None:
    """Programs find only parts that say something."""
    assert context_line(rule="r1", session="S-8QZ4") == "rule r1, session S-8QZ4"
