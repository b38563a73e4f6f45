"""What an approval is bound to, encoded so that no two things look alike; and what a request says."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.domain.approvals import (
    ID_ALPHABET,
    ApprovalRequest,
    Binding,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Vote,
    VoteVerdict,
    Why,
)

FIELDS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=8)), max_size=6).map(tuple)
REQUEST = ApprovalRequest(
    "K3F9", Place("alice", "alice", "orders", "app"),
    Subject(RequestKind.STATEMENT, "DELETE", "DELETE", "t"), Why("rule", "why", "7f3a", (("dba",),)),
    "9c41" * 16, 0, 900,
)  # fmt: skip


@given(FIELDS, FIELDS)
def test_two_bindings_have_one_digest_only_if_they_are_one(
    one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]
) -> None:
    """Names, values, order and number: where a text ends and the next begins is part of it."""
    assert (Binding(one).digest == Binding(other).digest) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((("a", "bc"),), (("ab", "c"),)),
        ((("a", "b"), ("c", "d")), (("a", "bcd"),)),
        ((("a", ""),), (("", "a"),)),
        ((), (("", ""),)),
        ((("a", "b"), ("c", "d")), (("c", "d"), ("a", "b"))),
    ],
)
def test_what_runs_together_is_told_apart(
    one: tuple[tuple[str, str], ...], other: tuple[tuple[str, str], ...]
) -> None:
    """The shapes that joining without lengths would take for each other."""
    assert Binding(one).digest != Binding(other).digest


def test_the_encoding_is_versioned_and_stays_as_it_is() -> None:
    """A digest that was shown is one that can be worked out by others, from this description."""
    parts = [b"database", b"shop", b"text", "ü\udcff".encode("utf-8", "surrogatepass")]
    expected = hashlib.sha256(b"gatekeep approval binding 1\0")
    for part in parts:
        expected.update(len(part).to_bytes(8, "big") + part)
    assert Binding((("database", "shop"), ("text", "ü\udcff"))).digest == expected.hexdigest()


@given(FIELDS, FIELDS)
def test_what_changed_is_named(
    before: tuple[tuple[str, str], ...], now: tuple[tuple[str, str], ...]
) -> None:
    """Each name once: another value, gone, or new; none where all is as it was."""
    named = list(Binding(before).changed(Binding(now)))
    known, known_now = dict(before), dict(now)
    assert sorted(named) == sorted(
        name for name in {*known, *known_now} if known.get(name) != known_now.get(name)
    )
    assert list(Binding(before).changed(Binding(before))) == []


def test_changes_are_named_in_the_order_of_the_fields() -> None:
    """So the first is the same each time."""
    before = Binding((("a", "1"), ("b", "2"), ("c", "3")))
    assert list(before.changed(Binding((("c", "0"), ("d", "4"), ("a", "1"))))) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("risk", "high"), [("", False), ("low", False), ("moderate", False), ("high", True), ("critical", True)]
)
def test_high_risk_is_high_or_critical(risk: str, *, high: bool) -> None:
    """Then a yes takes a second factor."""
    assert replace(REQUEST, why=replace(REQUEST.why, risk=risk)).high_risk is high


def test_votes_for_it_are_those_that_approve() -> None:
    """In order."""
    yes = Vote("bob", "bob", VoteVerdict.APPROVE, "cli", 1)
    no = Vote("sam", "sam", VoteVerdict.DENY, "cli", 2)
    assert replace(REQUEST, votes=(no, yes)).approving == (yes,)


def test_a_new_request_is_pending_and_nothing_was_decided() -> None:
    """No verdict by default."""
    assert (REQUEST.state, REQUEST.settled, REQUEST.decided_by) == (RequestState.PENDING, False, "")


def test_ids_are_read_aloud_without_mistakes() -> None:
    """No 0 and O, no 1 and I."""
    assert len(set(ID_ALPHABET)) == len(ID_ALPHABET)
    assert not set("01IO") & set(ID_ALPHABET)
