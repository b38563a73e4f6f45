"""Counts and hashes of what went over one file."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.files.file_content import Content


def sha(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_in_order_there_is_one_hash(body: bytes, cuts: list[int]) -> None:
    """In any pieces."""
    content = Content()
    edges = sorted({0, len(body), *(min(cut, len(body)) for cut in cuts)})
    for start, end in pairwise(edges):
        content.take(start, body[start:end])
    assert content.summary() == {"bytes": len(body), "sha256": sha(body)}


@given(st.lists(st.tuples(st.integers(0, 50), st.binary(min_size=1, max_size=9)), min_size=1, max_size=30))
def test_out_of_order_each_run_has_its_own(pieces: list[tuple[int, bytes]]) -> None:
    """All bytes are in some run, each run is hashed, and nothing pretends to be the whole."""
    content = Content()
    for offset, data in pieces:
        content.take(offset, data)
    summary = content.summary()
    joined = [list(pieces[0])]
    for offset, data in pieces[1:]:
        if offset == joined[-1][0] + len(joined[-1][1]):
            joined[-1][1] += data
        else:
            joined.append([offset, data])
    if len(joined) == 1 and joined[0][0] == 0:
        assert "sparse" not in summary
        return
    assert summary["sparse"] is True
    assert summary["ranges"] == [
        {"offset": at, "bytes": len(data), "sha256": sha(data)} for at, data in joined
    ]


def test_runs_are_bounded() -> None:
    """The bytes are counted all the same."""
    content = Content()
    for at in range(0, 3000, 3):
        content.take(at, b"x")
    summary = content.summary()
    assert summary["bytes"] == 1000
    assert len(summary["ranges"]) + summary["ranges_left_out"] == 1000
    assert len(summary["ranges"]) == 256


def test_nothing_is_the_hash_of_nothing() -> None:
    """An empty file."""
    assert Content().summary() == {"bytes": 0, "sha256": sha(b"")}


def test_what_is_appended_says_so() -> None:
    """Offsets are ignored where the other side ignores them."""
    content = Content(appends=True)
    content.take(500, b"a")
    content.take(0, b"b")
    assert content.summary() == {"bytes": 2, "appended": True, "sha256": sha(b"ab")}
