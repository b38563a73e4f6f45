"""Scores: Wilson's bound as published, roots that can be checked, weights of rubber stamps."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deeds import History, command, often

from gatekeep.domain.suggestions import SlotBound, SlotScope, SuggestionKind, SuggestionScope
from gatekeep.feedback.scoring import blast_radius, evidence_root, newest, weight_of, wilson


@pytest.mark.parametrize(
    ("count", "bound"), [(5, 0.57), (10, 0.72), (20, 0.84), (30, 0.89), (50, 0.93), (100, 0.96)]
)
def test_all_approved_as_calibrated(count: int, bound: float) -> None:
    """The figures that the design names."""
    assert wilson(count, count) == pytest.approx(bound, abs=0.006)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_bound_lies_below_the_share(good: int, bad: int) -> None:
    """And within 0 and 1; nothing at all is worth nothing."""
    bound = wilson(good, good + bad)
    assert 0 <= bound <= (good / (good + bad) if good + bad else 0) + 1e-12


def test_the_root_is_that_of_rfc_6962() -> None:
    """Over 0x00 and the index in 8 bytes; two leaves under 0x01."""
    leaf = [sha256(b"\x00" + n.to_bytes(8, "big")).digest() for n in (3, 7)]
    assert evidence_root([7, 3, 7]) == sha256(b"\x01" + leaf[0] + leaf[1]).hexdigest()
    assert evidence_root([]) == sha256(b"").hexdigest()


def test_at_most_500_events_are_named() -> None:
    """The newest ones; the root stands for all."""
    assert newest(range(1_000)) == tuple(range(500, 1_000))


def test_rubber_stamps_weigh_a_quarter() -> None:
    """Four of them are one."""
    deeds = often(replace(command("uptime"), weight=0.25), 8)
    assert weight_of(deeds) == 2


def test_what_reaches_further_costs_more() -> None:
    """Targets, freed slots, writes and moderate risk are taken off the score."""
    near = SuggestionScope("g", "sql.read", "prod", ("a",), "x")
    assert blast_radius(near, "") == 0
    many = replace(near, targets=tuple("abcdef"))
    freed = replace(near, slots=(SlotScope(SlotBound.ANY),))
    writes = replace(near, tables_written=("public.t",))
    assert min(blast_radius(one, "") for one in (many, freed, writes)) > 0
    assert blast_radius(near, "moderate") > 0


def test_a_pair_that_keeps_to_itself_is_shown() -> None:
    """The busiest pair of approver and requester, as a share."""
    deeds = often(command("uptime"), 20, persons=("ann",), approvers=("bob",))
    (one,) = History().add(deeds).all(SuggestionKind.RELAX)
    assert one.vector.largest_share == 1.0
