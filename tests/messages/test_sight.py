"""A sight in words: short, whole, harmless on any terminal, and silent where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from gatekeep.messages import sight as words


def sight(**changes: Any) -> dict[str, Any]:
    """That of a DELETE of everything."""
    made: dict[str, Any] = {
        "verb": "DELETE",
        "table": "lab.orders",
        "rows_estimate": 1_204_331,
        "rows_total": 1_204_331,
        "analysed": True,
        "index_used": "",
        "no_estimate": "",
        "locks_held": {"count": 0, "tables": []},
        "locks_wanted": {"count": 0, "tables": []},
        "blocked_by": [],
    }
    return {**made, **changes}


def locked(*modes: tuple[str, str], count: int = 0) -> dict[str, Any]:
    """Tables with modes."""
    tables = [{"table": table, "mode": mode} for table, mode in modes]
    return {"count": count or len(tables), "tables": tables}


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({}, "about 1,204,331 rows of 1,204,331, no index"),
        (
            {"rows_estimate": 1, "index_used": "orders_pkey"},
            "about 1 row of 1,204,331, index orders_pkey",
        ),
        ({"rows_total": None, "index_used": None}, "about 1,204,331 rows"),
        ({"verb": "INSERT"}, "about 1,204,331 rows"),
        ({"verb": "SELECT"}, "about 1,204,331 rows, no index"),
        (
            {"rows_estimate": 10, "rows_total": None, "analysed": False},
            "about 10 rows (a guess: the table was never analysed), no index",
        ),
        (
            {"rows_estimate": None, "no_estimate": "runs lab.spy"},
            "no estimate: runs lab.spy; lab.orders holds about 1,204,331 rows",
        ),
        (
            {"rows_estimate": None, "no_estimate": "runs lab.spy", "rows_total": None},
            "no estimate: runs lab.spy",
        ),
        (
            {"rows_estimate": None, "no_estimate": words.NOT_IN_TIME, "table": ""},
            "could not be estimated in 3 s",
        ),
    ],
)
def test_rows(changes: dict[str, Any], phrase: str) -> None:
    """How many of how many, and how they are found; or why that is not known."""
    assert words.rows(sight(**changes)) == phrase


def test_locks_that_are_held() -> None:
    """As many as there are, the first few by name."""
    held = locked(("a", "SHARE"), ("b", "SHARE"), ("c", "SHARE"), ("d", "SHARE"), count=40)
    assert words.held(sight(locks_held=held)) == (
        "the open transaction holds locks on 40 tables (a, b, c and 37 more)"
    )
    assert words.held(sight(locks_held=locked(("a", "SHARE")))) == (
        "the open transaction holds locks on 1 table (a)"
    )


def test_locks_that_are_wanted() -> None:
    """The strongest; plain reading is not worth a word, and DDL may take less."""
    two = locked(("a", "ROW EXCLUSIVE"), ("b", "ROW EXCLUSIVE"), ("c", "ACCESS SHARE"))
    assert words.wanted(sight(locks_wanted=two)) == "takes ROW EXCLUSIVE on a, b"
    ddl = sight(verb="ALTER TABLE", locks_wanted=locked(("a", "ACCESS EXCLUSIVE")))
    assert words.wanted(ddl) == "takes up to ACCESS EXCLUSIVE on a"
    assert words.wanted(sight(locks_wanted=locked(("a", "ACCESS SHARE")))) == ""


def test_who_is_in_the_way() -> None:
    """By process, account and what it calls itself; a prepared transaction has no process."""
    one = {
        "table": "lab.orders", "mode": "SHARE", "pid": 42, "account": "app_rw",
        "application": "night job", "waiting": False,
    }  # fmt: skip
    assert words.blocked(sight(blocked_by=[one])) == (
        "would wait: process 42 (app_rw, night job) holds SHARE on lab.orders"
    )
    prepared = {**one, "pid": 0, "account": "", "application": "", "waiting": True}
    assert words.blocked(sight(blocked_by=[prepared, one])) == (
        "would wait: a prepared transaction waits for SHARE on lab.orders and 1 more"
    )


@pytest.mark.parametrize(
    ("what", "phrase"),
    [
        ("lab.spy", "runs lab.spy"),
        ("operator lab.===", "runs operator lab.==="),
        ("type lab.yes", "a type runs lab.yes"),
        ("lab.viewed runs lab.stb", "lab.viewed runs lab.stb"),
    ],
)
def test_what_would_run(what: str, phrase: str) -> None:
    """What broke the proof, as a predicate."""
    assert words.runs(what) == phrase


def test_all_of_it_in_order() -> None:
    """What it touches comes first, what it keeps others from last; nothing empty among it."""
    whole = sight(
        locks_held=locked(("a", "SHARE")), locks_wanted=locked(("lab.orders", "ROW EXCLUSIVE"))
    )
    assert words.phrases(whole) == (
        "about 1,204,331 rows of 1,204,331, no index",
        "takes ROW EXCLUSIVE on lab.orders",
        "the open transaction holds locks on 1 table (a)",
    )
    assert words.phrases({}) == ()


def test_what_a_target_says_is_harmless_and_short() -> None:
    """Names come from the target: escapes are shown, and nothing is longer than a line."""
    evil = "\x1b]52;c;\u202eevil" + "x" * 500
    blocker = {
        "table": evil, "mode": evil, "pid": 1, "account": evil, "application": evil, "waiting": 0,
    }  # fmt: skip
    told = sight(
        index_used=evil, locks_held=locked((evil, evil)), locks_wanted=locked((evil, "SHARE")),
        blocked_by=[blocker],
    )  # fmt: skip
    phrases = words.phrases(told)
    assert len(phrases) == 4
    assert all(phrase.isprintable() and len(phrase) < 700 for phrase in phrases)


@pytest.mark.parametrize("wrong", [None, 7, "x", [], [1], {"tables": 3}, {"count": "x"}])
def test_what_is_no_sight_says_nothing(wrong: object) -> None:
    """What a store gives back may be of an older version: never an exception."""
    keys = ("rows_estimate", "rows_total", "table", "index_used", "no_estimate")
    for key in (*keys, "locks_held", "locks_wanted", "blocked_by"):
        assert isinstance(words.phrases({key: wrong}), tuple)
