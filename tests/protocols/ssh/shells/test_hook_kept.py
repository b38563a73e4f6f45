"""What is typed ahead: nothing lost, nothing out of order, one line at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.shells.hook_kept import PACE_MS, Kept


@given(st.lists(st.tuples(st.sampled_from(["add", "line", "all"]), st.text("ab\r\n", max_size=5))))
def test_it_comes_out_as_it_went_in(steps: list[tuple[str, str]]) -> None:
    """In order; a line at most at a time; due only while something is left behind a line."""
    kept = Kept(1000)
    given_in = out = b""
    for what, text in steps:
        if what == "add":
            kept.add(text.encode())
            given_in += text.encode()
        elif what == "line":
            line = kept.line(7)
            assert line.count(b"\r") + line.count(b"\n") <= 1
            assert kept.due == (7 + PACE_MS if kept else None)
            out += line
        else:
            out += kept.all()
            assert kept.due is None
    assert out + kept.all() == given_in


def test_what_comes_back_stands_first() -> None:
    """It had been sent before the rest was typed."""
    kept = Kept(10)
    kept.add(b"later")
    kept.put_back(b"first ")
    assert kept.too_much
    assert kept.all() == b"first later"
    assert not kept.clear()
