"""A command's text: every character is seen, nothing is left out unsaid."""

from __future__ import annotations

import unicodedata

import hypothesis
from hypothesis import strategies as st

from gatekeep.messages import web as words
from gatekeep.web.pages.command_text import MAX_CHARACTERS, MAX_LINES, CommandText, command_text


def shown(text: str, *, redacted: bool = False) -> list[list[tuple[str, str]]]:
    """Lines of (kind, text)."""
    return [
        [(piece.kind, piece.text) for piece in line.pieces]
        for line in command_text(text, redacted=redacted).lines
    ]


def test_lines_and_their_numbers() -> None:
    """As many lines as there are, numbered from 1; a command of one line is not long."""
    found = command_text("a\nb\n\nc", redacted=False)
    assert [line.number for line in found.lines] == [1, 2, 3, 4]
    assert (found.count, found.whole, found.long) == (4, True, False)
    assert command_text("x\n" * 30, redacted=False).long
    assert command_text("x" * 2001, redacted=False).long


def test_what_hides_is_written_out() -> None:
    """Controls, bidi, zero-width, a lone return, other blanks: as escapes."""
    assert shown("a\rb") == [[("plain", "a"), ("escape", "\\x0d"), ("plain", "b")]]
    assert shown("\u202e\u200b\u2028\xa0\U000e0041") == [
        [("escape", "\\u202e\\u200b\\u2028\\xa0\\U000e0041")]
    ]
    assert shown("\tx") == [[("tab", "→\t"), ("plain", "x")]]


def test_letters_that_look_like_others_tell_what_they_are() -> None:
    """A Cyrillic a, a fullwidth semicolon: with their code points; an umlaut is a letter like any."""
    (line,) = command_text("p\u0430ssword \uff1b Müller", redacted=False).lines
    assert [(one.kind, one.text, one.note) for one in line.pieces] == [
        ("plain", "p", ""), ("foreign", "\u0430", "U+0430"), ("plain", "ssword ", ""),
        ("foreign", "\uff1b", "U+FF1B"), ("plain", " Müller", ""),
    ]  # fmt: skip


def test_runs_of_nothing_are_counted() -> None:
    """Nobody pushes the rest of a command out of sight with blanks or empty lines."""
    assert shown(f"SELECT 1;{' ' * 500}DROP TABLE x") == [
        [("plain", "SELECT 1;"), ("blanks", words.blanks(500)), ("plain", "DROP TABLE x")]
    ]
    assert shown("        indented")[0] == [("plain", "        indented")]
    assert shown(f"{' ' * 300}x")[0][0] == ("blanks", words.blanks(300))
    found = command_text("a" + "\n" * 101 + "b", redacted=False)
    assert [(line.number, line.last) for line in found.lines] == [(1, 1), (2, 101), (102, 102)]
    assert found.lines[1].pieces[0].text == words.empty_lines(100)


def test_secrets_are_marks_only_where_there_were_some() -> None:
    """`***` stands for a secret in a text that holds some, and for itself elsewhere."""
    assert shown("a '***' b /* *** */ ***", redacted=True) == [
        [("plain", "a "), ("secret", words.SECRET), ("plain", " b "), ("secret", words.SECRET),
         ("plain", " "), ("secret", words.SECRET)]
    ]  # fmt: skip
    assert shown("a '***' b") == [[("plain", "a '***' b")]]


def test_lines_that_were_not_there_before_are_marked() -> None:
    """Against the last request of the kind; without one nothing is marked."""
    found = command_text("a\nb\nc", redacted=False, before="a\nc\nx")
    assert [line.changed for line in found.lines] == [False, True, False]
    assert not any(line.changed for line in command_text("a\nb", redacted=False).lines)


def test_beyond_measure_is_said() -> None:
    """More than can be shown is not whole, and its lines are counted all the same."""
    assert not command_text("x" * (MAX_CHARACTERS + 1), redacted=False).whole
    found = command_text("x\n" * MAX_LINES, redacted=False)
    assert (found.whole, found.count, len(found.lines)) == (False, MAX_LINES + 1, MAX_LINES)


@hypothesis.given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_character_is_lost_or_unseen(text: str) -> None:
    """Whatever is printed has no hidden character, and says each one that the text has."""
    found = command_text(text, redacted=False)
    assert whole(found) == text
    for line in found.lines:
        for piece in line.pieces:
            if piece.kind != "tab":
                hidden = [c for c in piece.text if unicodedata.category(c)[0] == "C"]
                assert hidden == []


def whole(found: CommandText) -> str:
    """The text again, out of what is shown."""
    lines: list[str] = []
    for line in found.lines:
        if line.last > line.number:
            lines += [""] * (line.last - line.number + 1)
            continue
        parts = []
        for piece in line.pieces:
            if piece.kind == "tab":
                parts.append(piece.text.replace("→\t", "\t"))
            elif piece.kind == "escape":
                parts.append(piece.text.encode("ascii").decode("unicode_escape"))
            elif piece.kind == "blanks":
                parts.append(" " * int(piece.text.strip("⋯").split()[0]))
            else:
                parts.append(piece.text)
        lines.append("".join(parts))
    return "\n".join(lines)
