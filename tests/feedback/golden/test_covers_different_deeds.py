"""One template, different deeds (12-threats C5): what came of the first never covers the second."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.deeds import History, command, denied, often, statement

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, Suggestion, SuggestionKind
from gatekeep.feedback.deeds import Deed
from gatekeep.feedback.lattice import covers
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.template import template_of

_STATE = "select a from t where state = {} and tenant = 'x'"
_WHOSE = "select a from t where {} = {}"
_PAID = "update orders set state = 'paid' where id = {}"


def written(text: str) -> Deed:
    """A statement as evidence has it: its template and slots found from the text."""
    likeness = sql_likeness(template_of(text), text)
    assert likeness is not None
    return statement(likeness.template, likeness.slots)


def covered(suggestion: Suggestion, deed: Deed) -> bool:
    """Whether a suggestion would let this pass, by template, tables and values."""
    assert deed.likeness is not None
    return deed.likeness.template in suggestion.scope.templates and covers(
        suggestion.scope.slots, deed.likeness.values
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("delete from orders where id > 1000000", "delete from orders where id > 0"),
        ("delete from orders where name like 'tmp%'", "delete from orders where name like '%'"),
        ("delete from orders where id = 1 and false", "delete from orders where id = 1 or true"),
        ("update people set role = 'user' where id = 1", "update people set role = 'admin' where id = 1"),
        ("select a from t where id = 1 limit 1", "select a from t where id = 1 limit 1000000"),
        ("select a from t where id = 1", "select a as b from t where id = 1"),
        ("select a from t where id in (1)", "select a from t where id in (1, 2, 3, 4)"),
        ("select a from t where id = '1'::int", "select a from t where id = '1'::evd"),
        ("update orders set price = 10 where id = 1", "update orders set price = 0 where id = 1"),
        ("select f(1) from t where id = 2", "select f(9) from t where id = 2"),
    ],
)
def test_the_second_of_a_pair_is_not_covered(first: str, second: str) -> None:
    """Approved fifty times by six persons, the first is suggested; the second stays asked."""
    suggested = History().add(often(written(first), 50)).suggest()
    assert len(suggested) == 1
    assert covered(suggested[0], written(first))
    assert not covered(suggested[0], written(second))


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("delete from orders where id > {}", [str(n) for n in range(1, 9)]),
        ("delete from orders where name like {}", [f"'tmp{n}%'" for n in range(8)]),
        ("update people set role = {} where id = 1", [f"'r{n}'" for n in range(8)]),
        ("select a from t where state = {}", [f"'s{n}'" for n in range(8)]),
        ("update orders set note = {} where id = 1", [str(n) for n in range(8)]),
        ("select a from t where id = 1 or id = {}", [str(n) for n in range(8)]),
        ("select a from t where id = 1 limit {}", [str(n) for n in range(1, 9)]),
        ("insert into orders values ({})", [str(n) for n in range(8)]),
    ],
)
def test_such_values_never_become_any(template: str, values: list[str]) -> None:
    """Bounds, patterns, roles, limits and new rows stand for themselves, however many were seen."""
    deeds = often(written(template.format(values[0])), 48)
    history = History().add(  # each person another value each day
        replace(one, likeness=written(template.format(values[number % 8])).likeness)
        for number, one in enumerate(deeds)
    )
    for one in history.all(SuggestionKind.RELAX):
        assert {scope.bound for scope in one.scope.slots} <= {SlotBound.EXACT, SlotBound.ANY_OF}
        assert not covered(one, written(template.format("'zzz'" if "'" in values[0] else "77")))


@pytest.mark.parametrize("column", ["tenant_id", "owner", "account_no", "price"])
def test_whose_it_is_never_becomes_any(column: str) -> None:
    """Numbers that are compared for equality, but say whose or how much: each stands for itself."""
    deeds = often(written(_WHOSE.format(column, 0)), 48)
    numbered = [
        replace(one, likeness=written(_WHOSE.format(column, number % 8)).likeness)
        for number, one in enumerate(deeds)
    ]
    for one in History().add(numbered).all(SuggestionKind.RELAX):
        assert {scope.bound for scope in one.scope.slots} == {SlotBound.EXACT}
    assert History().add(_each_another(42)).suggest() != []


@pytest.mark.parametrize("clause", ["absent", "tautology", ""])
def test_a_change_of_every_row_is_never_let_pass(clause: str) -> None:
    """A WHERE that restricts nothing is none."""
    history = History().add(often(statement("update orders set a = $1:int", ["1"], clause=clause), 60))
    (one,) = history.all(SuggestionKind.RELAX)
    assert not one.safe


def test_a_number_is_freed_where_it_names_one_row() -> None:
    """Forty ids of six persons, none denied: any id of that statement, and the rule says so."""
    history = History().add(_each_another(42))
    (one,) = history.suggest()
    state, number_slot = one.scope.slots
    assert (state.bound, state.values) == (SlotBound.EXACT, ("'paid'",))
    assert number_slot.bound is SlotBound.ANY
    assert "set state = 'paid' where id = *" in one.title
    assert 'context.slot1 == "\'paid\'"' in one.rule
    assert "ANY" not in one.rule
    assert one.narrower != one.rule
    assert "context.slot2" in one.narrower


def test_one_denied_value_keeps_a_slot_closed() -> None:
    """The wider form is shown as rejected with that event; what is left is a set of what was seen."""
    history = History().add(_each_another(42))
    for number in range(3):
        history.add(often(written(_PAID.format(number)), 20, since=88 - number))
    no = denied(written(_PAID.format(999)))
    (one,) = history.add(no).suggest()
    assert one.scope.slots[1].bound is SlotBound.ANY_OF
    assert one.scope.slots[1].values == ("0", "1", "2")
    (wide,) = [other for other in one.rejected if "id = *" in other.form]
    assert len(wide.events) == 1


def test_an_enumerated_set_holds_what_two_persons_did_twice() -> None:
    """`open` and `paid` are in the set; `void`, which one person did once, is not."""
    history = History()
    for day, (value, count) in enumerate((("'open'", 20), ("'paid'", 20), ("'void'", 1))):
        history.add(often(written(_STATE.format(value)), count, since=89 - day))
    (one,) = history.suggest()
    assert one.scope.slots[0].values == ("'open'", "'paid'")
    assert not covered(one, written(_STATE.format("'void'")))
    assert one.not_counted["other_values"] == 1


def test_paths_are_freed_below_a_common_folder_only() -> None:
    """Five files of /var/log/app make a prefix; the folder above does not come with it."""
    tails = often(command("tail", tags=frozenset({"reads_only"})), 24)
    for number, one in enumerate(tails):
        path = LikeSlot("path", f"/var/log/app/{number}.log")
        tails[number] = replace(one, likeness=Likeness("tail $1:path", (path,)))
    (one,) = History().add(tails).suggest()
    assert one.scope.slots[0].bound is SlotBound.PREFIX
    assert covers(one.scope.slots, ["/var/log/app/z.log"])
    assert not covers(one.scope.slots, ["/var/log/secure"])
    assert not covers(one.scope.slots, ["/var/log/app/../secure"])



def _each_another(count: int) -> list[Deed]:
    """So many payments of so many orders, no order twice."""
    deeds = often(written(_PAID.format(0)), count)
    return [
        replace(one, likeness=written(_PAID.format(100 + number)).likeness)
        for number, one in enumerate(deeds)
    ]
