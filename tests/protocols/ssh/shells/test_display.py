"""Our words on the client's terminal leave the picture as the target believes it to be."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells import display
from gatekeep.protocols.ssh.shells.escapes import OutputReader
from gatekeep.protocols.ssh.shells.screen import Strip, width


@given(
    st.integers(0, 7), st.integers(0, 90), st.integers(0, 60), st.lists(st.text(max_size=50), max_size=4)
)
def test_told_and_wiped_leaves_no_trace(above: int, length: int, back: int, words: list[str]) -> None:
    """The line and the cursor are where they were, though the screen may have scrolled."""
    plain = ["g" + "".join(char for char in word if char.isprintable()) for word in words]
    screen = pyte.Screen(30, 8)
    stream = pyte.ByteStream(screen)
    strip = Strip(30, 8, 4_096)
    strip.wake()
    painted = b"$ " + b"x" * length + b"\x1b[A" * (back // 30) + b"\x1b[D" * (back % 30)
    stream.feed(b"old\r\n" * above + painted)
    OutputReader(strip, lambda _: None).feed(painted)
    if strip.doubt or strip._full:
        return
    rows = [row.text().rstrip() for row in strip.rows]
    stream.feed(display.below(strip, plain))
    stream.feed(display.back(strip, len(plain)))
    shown = [line.rstrip() for line in screen.display]
    top = screen.cursor.y - strip.y
    assert screen.cursor.x == strip.x
    assert shown[top : top + len(rows)] == rows
    assert not any(shown[top + len(rows) :])


@given(
    st.integers(0, 9), st.integers(0, 90), st.integers(0, 60),
    st.lists(st.text("gatekep :世", max_size=50), min_size=1, max_size=3),
)
def test_what_stays_above_moves_the_line_down_as_it_is(
    above: int, length: int, back: int, words: list[str]
) -> None:
    """Line and cursor are one below the other as before, and right above stand the words."""
    screen = pyte.Screen(30, 10)
    stream = pyte.ByteStream(screen)
    strip = Strip(30, 10, 4_096)
    strip.wake()
    painted = b"$ " + b"x" * length + b"\x1b[A" * (back // 30) + b"\x1b[D" * (back % 30)
    stream.feed(b"old\r\n" * above + painted)
    OutputReader(strip, lambda _: None).feed(painted)
    if strip.doubt or strip._full:
        return
    rows = [row.text().rstrip() for row in strip.rows]
    folded = display.folded(words, 30)
    stream.feed(display.above(strip, 0, words))
    shown = [line.rstrip() for line in screen.display]
    top = screen.cursor.y - strip.y
    assert screen.cursor.x == strip.x
    assert shown[top : top + len(rows)] == rows
    assert not any(shown[top + len(rows) :])
    if len(folded) + len(rows) <= 10:
        said = [row.replace("世", "世 ").rstrip() for row in folded]
        assert [line.replace("世", "世 ").rstrip() for line in shown[top - len(folded) : top]] == said


def test_a_line_that_may_have_left_the_screen_is_not_moved() -> None:
    """Then nothing can be said above it."""
    strip = Strip(10, 3, 4_096)
    strip.wake()
    OutputReader(strip, lambda _: None).feed(b"$ " + b"x" * 25)
    assert display.above(strip, 0, ("gatekeep: carol approved",)) == b""


@given(st.lists(st.text(max_size=90), max_size=4), st.integers(1, 40))
def test_folding_loses_nothing(words: list[str], columns: int) -> None:
    """Each row fits, and together they are what was said."""
    rows = display.folded(words, columns)
    assert "".join(rows) == "".join(words)
    assert all(sum(map(width, row)) <= max(columns - 1, 2) for row in rows)


def test_words_where_no_line_is_edited() -> None:
    """Whole lines of their own."""
    assert display.plain(("one", "two")) == b"\r\none\r\ntwo\r\n"
