"""Our words on the client's terminal leave the picture as the target believes it to be."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells import display
from gatekeep.protocols.ssh.shells.escapes import OutputReader
from gatekeep.protocols.ssh.shells.screen import Strip


@given(
    st.integers(0, 7), st.integers(0, 90), st.integers(0, 60), st.lists(st.text(max_size=50), max_size=4)
)
def test_told_and_wiped_leaves_no_trace(above: int, length: int, back: int, words: list[str]) -> None:
    """The line and the cursor are where they were, though the screen may have scrolled."""
    plain = ["".join(char for char in word if char.isprintable()) for word in words]
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


def test_words_where_no_line_is_edited() -> None:
    """Whole lines of their own."""
    assert display.plain(("one", "two")) == b"\r\none\r\ntwo\r\n"
