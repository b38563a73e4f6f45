"""What a strip reads as: the logical line, and every reason not to be sure of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.escapes import OutputReader
from gatekeep.protocols.ssh.shells.lines import (
    Reading,
    Typed,
    expands_history,
    looks_complete,
    prompt_at_cursor,
    read_line,
)
from gatekeep.protocols.ssh.shells.screen import Strip


def read(
    after: str, typed: Typed | None = None, *, prompt: str = "$ ", login: str = "bash"
) -> Reading:
    """What a line reads as that was painted behind a prompt."""
    strip = Strip(20, 10, 4_096)
    strip.wake()
    reader = OutputReader(strip, lambda _: None)
    reader.feed(prompt.encode())
    place = prompt_at_cursor(strip)
    reader.feed(after.encode())
    return read_line(strip, place, typed or Typed(), login)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ("ls", "ls"),
        ("ls  ", "ls"),
        ("echo \\ ", "echo \\ "),
        ("a" * 18, "a" * 18),
        ("a" * 50, "a" * 50),
        ("漢" * 20, "漢" * 20),
        ("\r(reverse-i-search)`l': ls -la", "ls -la"),
        ("\r(failed reverse-i-search)`lx': ls", "ls"),
        ("\x1b[H\x1b[2J$ ls", "ls"),
        ("", ""),
    ],
)
def test_sure_readings(after: str, text: str) -> None:
    """Wrapped rows joined, an open search read through, the cleared screen followed."""
    assert (read(after).text, read(after).doubts) == (text, frozenset())


@pytest.mark.parametrize(
    ("after", "doubt"),
    [
        ("ls\r\nmore", "rows"),
        ("ls\x1b[5Crp", "gap"),
        ("e\u0301", "characters"),
        ("ls\x1b[2;3H", "positioned"),
        ("\rgone", "prompt_lost"),
        ("ls\r\n$ ls -la", "prompt_repeated"),
        ("echo !x", "history_expansion"),
        ("^a^b", "history_expansion"),
        ("x" * 17 + ">", "cut"),
        ("(x): \r(reverse-i-search)`': ': x", "search"),
        ("aaaaaaaaaaaaaaaaa 漢", "edge"),
        ("x\r\n" * 12, "scrolled"),
    ],
)
def test_unsure_readings(after: str, doubt: str) -> None:
    """Each has its name."""
    assert doubt in read(after).doubts


def test_completion_may_paint_the_prompt_again() -> None:
    """After a Tab; not where the line itself may hold such a row."""
    listing = "ls d\r\ndir1 dir2\r\n$ ls dir1"
    assert read(listing, Typed(completes=True)) == Reading("ls dir1", 7)
    for typed in (Typed(completes=True, breaks=True), Typed(completes=True, recalls=True), Typed()):
        assert "prompt_repeated" in read(listing, typed).doubts
        assert read(listing, typed).text.startswith("ls d\n")


def test_a_wrapped_row_is_never_taken_for_a_prompt() -> None:
    """A line that is so long that its second row looks like the prompt with something harmless."""
    line = "rm -rf x; " + "y" * 8 + "$ ls"
    assert read(line, Typed(completes=True)).text == line


def test_a_stale_wrap_does_not_hide_a_line_end() -> None:
    """The row above must be full."""
    reading = read("a" * 30 + "\x1b[A\r\x1b[2C\x1b[Kls\r\n\x1b[Krm", Typed(breaks=True))
    assert reading.text == "ls\nrm"


def test_carets_are_control_characters_where_keys_may_have_brought_them() -> None:
    """C-v, or an earlier line; typed plainly they are what they are."""
    assert read("grep ^A x").doubts == frozenset()
    assert read("grep ^A x", Typed(quoted=True)).doubts == {"control_characters"}
    assert read("grep ^A x", Typed(recalls=True)).doubts == {"control_characters"}


def test_a_prompt_at_the_right_is_not_part_of_the_line() -> None:
    """It stands behind cells that nobody wrote; such a line is not sure."""
    reading = read("ls\x1b[8C12:00\x1b[5D\x1b[8D", login="zsh")
    assert (reading.text, reading.doubts) == ("ls", {"gap"})


@pytest.mark.parametrize(
    ("text", "expands"),
    [
        ("!!", True), ("echo !x", True), ("^a^b", True), ('echo "!x"', True), ("echo '!x'", False),
        ("echo \\!x", False), ("[ ! -f x ]", False), ("a != b", False), ("echo hi!", False),
        ('echo "hi!"', False), ("!(a|b)", False), ("echo \"it's\" !x", True),
    ],
)  # fmt: skip
def test_history_expansion(text: str, expands: bool) -> None:
    """As bash quotes it."""
    assert expands_history(text) is expands


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("ls", True), ("echo 'a", False), ('echo "a', False), ("echo \\", False), ("echo \\\\", True),
        ("ls |", False), ("ls &&", False), ("cat <<E", False), ("cat <<E\nx", False),
        ("cat <<E\nx\nE", True), ("cat <<-'E' > y\nE", True), ("echo 'a\nb'", True), ("", True),
    ],
)  # fmt: skip
def test_incomplete_texts(text: str, complete: bool) -> None:
    """Good enough where no parser is given."""
    assert looks_complete(text) is complete


@given(st.text(max_size=80), st.text(max_size=8), st.sampled_from(["bash", "zsh"]))
def test_any_text_is_read(after: str, prompt: str, login: str) -> None:
    """Nothing that is painted makes reading fail."""
    assert isinstance(read(after, prompt=prompt, login=login).text, str)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="!^>"), max_size=120))
def test_plain_text_is_read_back(text: str) -> None:
    """Printable ASCII of any length that fits."""
    reading = read(text)
    if reading.doubts:
        assert text.startswith("(") or reading.doubts == {"search"}
    else:
        assert reading.text == text
