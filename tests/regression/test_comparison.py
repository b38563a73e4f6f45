"""A difference is found where it is, and explained only by an entry about all of its lines."""

from __future__ import annotations

from typing import Any

import pytest

from regression.comparison import Expected, Hunk, hunks

ENTRY = {"tests": ["pid*"], "direct": r" \d+", "through": r" \d+", "why": "a process id"}


def _expected(*entries: dict[str, Any], alike: list[dict[str, str]] | None = None) -> Expected:
    return Expected({"alike": alike or [], "differences": list(entries)})


def test_equal_outputs_are_the_same() -> None:
    """Nothing differs, nothing needs explaining."""
    verdict = _expected().judge("one", b"a\nb\n", b"a\nb\n")
    assert verdict.word == "same"
    assert verdict.lines == 3


def test_each_difference_is_told_with_its_place() -> None:
    """Changed, lost and added lines, counted in the direct output."""
    direct, through = ["a", "b", "c", "d"], ["a", "B", "c", "d", "e"]
    assert hunks(direct, through) == [Hunk(2, ("b",), ("B",)), Hunk(5, (), ("e",))]
    assert hunks(["a", "x", "a"], ["a", "a"]) == [Hunk(2, ("x",), ())]
    assert str(Hunk(2, ("b",), ("B",))) == "@ 2\n- b\n+ B"


def test_an_entry_explains_its_own_test_only() -> None:
    """The name or glob decides."""
    assert _expected(ENTRY).judge("pids", b" 1\n", b" 2\n").word == "explained"
    assert _expected(ENTRY).judge("other", b" 1\n", b" 2\n").word == "different"


@pytest.mark.parametrize(
    ("direct", "through"),
    [(b" 1\nx\n", b" 2\ny\n"), (b" 1\n", b""), (b"", b" 2\n"), (b" 1\n", b" x\n")],
    ids=["another line with it", "lost", "added", "of another kind"],
)
def test_an_entry_explains_whole_differences_only(direct: bytes, through: bytes) -> None:
    """What goes beyond its patterns, on either way, is a finding."""
    assert _expected(ENTRY).judge("pid", direct, through).word == "different"


def test_an_entry_explains_no_more_than_it_says() -> None:
    """One difference unless `most` says more; the next one is a finding."""
    twice = (b" 1\nx\n 1\n", b" 2\nx\n 2\n")
    verdict = _expected(ENTRY).judge("pid", *twice)
    assert (len(verdict.explained), len(verdict.findings)) == (1, 1)
    assert _expected({**ENTRY, "most": 2}).judge("pid", *twice).word == "explained"


def test_what_is_made_alike_does_not_differ() -> None:
    """Replaced on both ways before they are compared."""
    alike = [{"pattern": r"port \d+", "by": "port N", "why": "two servers"}]
    assert _expected(alike=alike).judge("one", b"port 1\n", b"port 22\n").word == "same"


def test_an_entry_that_explains_nothing_is_told() -> None:
    """If its test ran; of what did not run nothing can be said."""
    expected = _expected(ENTRY, {**ENTRY, "tests": ["never"]})
    used = expected.judge("pid", b" 1\n", b" 2\n")
    unused = expected.judge("pid", b" 1\n", b" 1\n")
    assert expected.unused([used]) == []
    assert [entry.tests for entry in expected.unused([unused])] == [("pid*",)]


def test_every_entry_of_our_list_says_why() -> None:
    """The list loads; each entry names tests, lines on at least one way, and a reason."""
    ours = Expected.load()
    assert ours.entries
    for entry in ours.entries:
        assert entry.tests
        assert entry.direct or entry.through
        assert len(entry.why) > 20
        assert entry.tests != ("*",)
    assert all(len(one.why) > 20 for one in ours.replacements)
