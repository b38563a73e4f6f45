"""Stories of order: the strictest verdict, the smallest approver sets."""

from __future__ import annotations

from collections.abc import Callable

from gatekeep.domain.actions import SqlClass
from gatekeep.domain.decisions import Verdict
from gatekeep.policy.lattice import (
    implied,
    largest_approval,
    severest,
    smallest_sets,
    strictest,
)


def test_deny_before_ask_before_allow_and_deny_for_nothing() -> None:
    """Of several answers the strictest stands for all; no answer is a deny."""
    assert strictest([Verdict.ALLOW, Verdict.ASK]) is Verdict.ASK
    assert strictest([Verdict.DENY, Verdict.ASK]) is Verdict.DENY
    assert strictest([]) is Verdict.DENY


def test_the_severest_class_stands_for_several() -> None:
    """An empty query string is a read."""
    assert severest([SqlClass.WRITE, SqlClass.READ, SqlClass.SESSION]) is SqlClass.WRITE
    assert severest([]) is SqlClass.READ


def test_two_votes_out_of_a_group_are_one_vote_out_of_it_too() -> None:
    """`dba:3` includes `dba:2` and `dba`."""
    assert implied("dba:3") == {"dba", "dba:2", "dba:3"}
    assert implied("dba") == {"dba"}


def test_the_requester_never_counts() -> None:
    """Groups that only the requester is in, or too few others, supply nothing."""
    members = {"dba": {"bob", "eve"}, "security": {"alice"}, "empty": set()}
    wanted = {"dba", "dba:2", "dba:3", "security", "empty", "unknown"}
    assert largest_approval(wanted, members, {"alice"}) == {"dba", "dba:2"}
    assert largest_approval(wanted, members, {"bob"}) == {"dba", "security"}


def _counting(rule: Callable[[frozenset[str]], bool]) -> tuple[Callable[[frozenset[str]], bool], list[int]]:
    asked = [0]

    def releases(groups: frozenset[str]) -> bool:
        asked[0] += 1
        return rule(groups)

    return releases, asked


def test_each_group_that_suffices_alone_is_an_answer() -> None:
    """And more votes out of the same group are not named when fewer do."""
    releases, _ = _counting(lambda groups: bool(groups & {"dba", "security"}))
    found = smallest_sets(frozenset({"dba", "dba:2", "security", "sre"}), releases)
    assert found == (("dba",), ("security",))


def test_otherwise_one_set_from_which_nothing_can_be_left_out() -> None:
    """Shrunk group by group, within twice as many questions as there are groups."""
    releases, asked = _counting(lambda groups: {"dba", "security"} <= groups)
    largest = frozenset({"dba", "security", "sre", "legal"})
    assert smallest_sets(largest, releases) == (("dba", "security"),)
    assert asked[0] <= 2 * len(largest) + 1


def test_what_needs_no_group_has_no_approver_set() -> None:
    """Then nobody would look at it, and the engine denies."""
    assert smallest_sets(frozenset({"dba"}), lambda _: True) == ()
