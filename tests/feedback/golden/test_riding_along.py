"""What few did rides along with what many did: another target, another value. None of it is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.deeds import History, ago, at, command, failed, moved, often, statement

from gatekeep.domain.suggestions import SlotBound, SuggestionKind
from gatekeep.feedback.deeds import Deed
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.template import template_of

CLEAN = command("nginx-cache clean")
_STATE = "select a from t where state = {}"
_KEYED = "delete from t where a = 'k{}'"
PAY = {"target": "pay-1", "labels": frozenset({"role=pay"})}


def written(text: str) -> Deed:
    """A statement as evidence has it."""
    likeness = sql_likeness(template_of(text), text)
    assert likeness is not None
    return statement(likeness.template, likeness.slots)


def targets(history: History) -> tuple[str, ...]:
    """Where the one suggestion would let it pass."""
    (one,) = history.suggest()
    return one.scope.targets


def test_one_yes_elsewhere_opens_nothing_there() -> None:
    """Forty on the web servers, one on pay-1: the suggestion is about the web servers."""
    history = History().add(often(CLEAN, 40, targets=("web-1", "web-2")))
    history.add(moved(CLEAN, ago(3), where=at("mal", **PAY), approvers=("bob",)))
    assert targets(history) == ("web-1", "web-2")
    (one,) = history.suggest()
    assert one.not_counted["seldom_there"] == 1
    assert one.scope.labels == ("role=web",)


@pytest.mark.parametrize(
    ("persons", "approvers", "opened"),
    [(("mal", "mal"), ("bob", "dan"), False), (("mal", "ann"), ("bob", "bob"), False), (("mal", "ann"), ("bob", "dan"), True)],
)
def test_nor_do_two_of_one_person_or_by_one_person(
    persons: tuple[str, ...], approvers: tuple[str, ...], opened: bool
) -> None:
    """Two persons, and two who said yes, is what it takes at least."""
    history = History().add(often(CLEAN, 40, targets=("web-1", "web-2")))
    for day, (who, voter) in enumerate(zip(persons, approvers, strict=True), 3):
        history.add(moved(CLEAN, ago(day), where=at(who, **PAY), approvers=(voter,)))
    assert ("pay-1" in targets(history)) is opened


def test_a_rubber_stamp_opens_no_target() -> None:
    """Of the two who said yes one did not look."""
    history = History().add(often(CLEAN, 40, targets=("web-1",)))
    for day, (who, voter, weight) in enumerate((("mal", "bob", 1.0), ("ann", "dan", 0.25)), 3):
        history.add(moved(CLEAN, ago(day), where=at(who, **PAY), approvers=(voter,), weight=weight))
    assert targets(history) == ("web-1",)


def test_targets_that_bear_the_same_labels_are_alike() -> None:
    """One of a fleet where it ran once is one of the fleet."""
    history = History().add(often(CLEAN, 40, targets=("web-1", "web-2")))
    history.add(moved(CLEAN, ago(3), where=at("zoe", target="web-9"), approvers=("bob",)))
    assert targets(history) == ("web-1", "web-2", "web-9")


def test_where_nothing_is_enough_anywhere_nothing_is_proposed() -> None:
    """Twenty targets without labels, one yes each: nowhere did two look."""
    history = History()
    for number, one in enumerate(often(CLEAN, 20)):
        history.add(replace(one, where=replace(one.where, target=f"t-{number}", labels=frozenset())))
    (one,) = history.all(SuggestionKind.RELAX)
    assert failed(one) == {"each target"}


def test_each_form_stands_on_its_own_targets() -> None:
    """The web servers know many values of it; pay-1 saw this one once, and others often."""
    history = History()
    common, other = (written(_KEYED.format(n)) for n in (1, 2))
    for deed, where in ((common, {}), (other, PAY)):
        placed = replace(deed, where=replace(deed.where, **where))
        history.add(often(placed, 40))
    once = replace(common, where=replace(common.where, principal="mal", person="mal", **PAY))
    history.add(moved(once, ago(3), approvers=("bob",)))
    for one in history.suggest():
        if one.scope.slots[0].bound is SlotBound.EXACT and one.scope.slots[0].values == ("'k1'",):
            assert one.scope.targets == ("orders",)


def test_a_value_that_one_approver_let_pass_is_not_in_the_set() -> None:
    """Two persons, but the same yes both times."""
    history = History()
    for day, value in enumerate(("'open'", "'paid'")):
        history.add(often(written(_STATE.format(value)), 20, since=89 - day))
    for day, who in ((3, "ann"), (4, "ben")):
        deed = written("select a from t where state = 'hidden'")
        history.add(moved(replace(deed, where=replace(deed.where, principal=who, person=who)), ago(day)))
    (one,) = history.suggest()
    assert one.scope.slots[0].values == ("'open'", "'paid'")


@pytest.mark.parametrize(
    ("template", "common", "rare"),
    [
        ("update people set role = {} where id = 7", "'user'", "'admin'"),
        ("update orders set price = {} where id = 7", "10", "0"),
        ("select a from t where tenant = {}", "'ours'", "'theirs'"),
        ("select a from t where id = 7 limit {}", "1", "1000000"),
    ],
)
def test_a_sensitive_value_is_never_one_of_a_set(template: str, common: str, rare: str) -> None:
    """`role = 'admin'` twice does not ride on `role = 'user'` fifty times: each stands for itself."""
    history = History().add(often(written(template.format(common)), 50))
    history.add(often(written(template.format(rare)), 4, since=40))
    (one,) = history.suggest()
    (bound,) = [slot for slot in one.scope.slots if common in slot.values]
    assert (bound.bound, bound.values) == (SlotBound.EXACT, (common,))
    (made,) = history.all(SuggestionKind.RELAX)
    assert rare not in {value for slot in made.scope.slots for value in slot.values}
