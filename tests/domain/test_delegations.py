"""Delegations: when one counts."""

from __future__ import annotations

from dataclasses import replace

from gatekeep.domain.delegations import Delegation


def test_a_delegation_counts_from_its_start_to_its_end_once_it_is_recorded() -> None:
    """Not before, not after, not once it was ended, and never while its event is not durable."""
    made = Delegation("D1", "bob", "p-bob", "carol", "p-carol", 5, 10, 20, settled=True)
    assert [made.live_at(now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert not replace(made, ended_us=12).live_at(15)
    assert not replace(made, settled=False).live_at(15)
