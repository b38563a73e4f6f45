"""Forms: what slots may hold, what that covers, and what is never freed."""

from __future__ import annotations

import pytest
from support.deeds import command, slot

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import SlotBound, SlotScope, SuggestionScope
from gatekeep.feedback import forbidden
from gatekeep.feedback.lattice import common_folder, covers, freeable, wildcards
from gatekeep.feedback.naming import form_of, where_of
from gatekeep.feedback.relaxing import title_of
from gatekeep.protocols.sql.likeness import sql_likeness
from gatekeep.protocols.sql.template import template_of

ANY = SlotScope(SlotBound.ANY)


def one_of(*values: str) -> SlotScope:
    """One of these."""
    return SlotScope(SlotBound.ANY_OF if len(values) > 1 else SlotBound.EXACT, values)


def test_covers_by_bound() -> None:
    """One value, some, what begins so, any; and never with `..` in it."""
    logs = SlotScope(SlotBound.PREFIX, ("/var/log/app/",))
    assert covers([one_of("1"), one_of("a", "b"), logs, ANY], ["1", "b", "/var/log/app/x", "?"])
    assert not covers([one_of("1")], ["2"])
    assert not covers([one_of("a", "b")], ["c"])
    assert not covers([logs], ["/var/log/app/../../shadow"])
    assert not covers([logs], ["/var/log/apple"])


def test_another_number_of_values_is_never_covered() -> None:
    """More or fewer slots than the form has: another deed."""
    assert not covers([ANY], ["1", "2"])
    assert not covers([], ["1"])
    assert covers([], [])


@pytest.mark.parametrize(
    ("values", "folder"),
    [
        (("/var/log/app/a", "/var/log/app/b"), "/var/log/app/"),
        (("/var/log/app/a", "/var/log/apple/b"), ""),
        (("/etc/a", "/etc/b"), ""),
        (("/srv/x/y/z/1", "/srv/x/y/w/2"), "/srv/x/y/"),
        (("./a/b/c/d", "./a/b/c/e"), ""),
    ],
)
def test_common_folders_are_whole_and_deep(values: tuple[str, ...], folder: str) -> None:
    """A folder of three levels at least, cut at a slash."""
    assert common_folder(values) == folder


def test_only_equality_is_freed_and_only_under_a_where() -> None:
    """`=` behind a WHERE yes; SET, `>`, LIKE and sensitive ones no."""
    template = "update t set a = $1:int where id = $2:int and b > $3:int and c like $4:text"
    slots = tuple(slot(one) for one in ("3", "1", "2", "'y'"))
    assert freeable(Likeness(template, slots), bounded=True) == {1}
    assert freeable(Likeness(template, slots), bounded=False) == frozenset()
    hidden = (slots[0], slot("1", sensitive=True), *slots[2:])
    assert freeable(Likeness(template, hidden), bounded=True) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "update t set credit = 5 where b is null",
        'update t set " where " = 5 where b is null',
        "delete from t where a = b or id = 5",
        "delete from t where id = 5 or 2 = 3",
        "delete from t where a in (select b from s where id = 5)",
        "update t set a = (select b from s where id = 5) where c is null",
        "delete from t where c between a and b = 5",
        "delete from t where case when a and id = 5 and b then c end",
        "delete from t where not (id = 5)",
        "delete from t where 5 = 5",
        "delete from t where true = 5",
        "delete from t where b is null and current_user = 5",
        "delete from t where xmin = 5",
        'delete from t where t."tableoid" = 5',
        "delete from t where a + b = 5",
        "delete from t where id = 5 + b",
        "delete from t where lower(a) = 5",
        "select a from t where b is null union select a from s where id = 5",
        "select a from t where b is null limit 5",
    ],
)
def test_what_is_written_or_may_hold_always_is_never_freed(text: str) -> None:
    """What is assigned, stands behind OR, in brackets, or in more than `column = value`."""
    likeness = sql_likeness(template_of(text), text)
    assert likeness is not None
    assert freeable(likeness, bounded=True) == frozenset()


def test_a_key_is_freed_wherever_the_statement_must_hold_it() -> None:
    """Beside others, with its table, and with its type written out."""
    text = "update t set a = 1 from s where t.id = 5 and s.k = 6::int and b in (7) returning 8"
    likeness = sql_likeness(template_of(text), text)
    assert likeness is not None
    freed = {likeness.slots[at].value for at in freeable(likeness, bounded=True)}
    assert freed == {"5", "6"}


def test_a_bound_value_that_is_also_written_is_not_freed() -> None:
    """`$1` in SET and in WHERE is one value."""
    both = Likeness("update t set a = $1 where id = $1", (LikeSlot("bound", "=5"),))
    assert freeable(both, bounded=True) == frozenset()


def test_of_commands_only_values_of_those_that_read_are_freed() -> None:
    """Another number of `refund $1:number 100` is another refund."""
    refund = Likeness("refund $1:number 100", (LikeSlot("number", "4711"),))
    assert freeable(refund, bounded=False) == frozenset()
    assert freeable(Likeness("tail -n $1:number x", refund.slots), bounded=True) == {0}
    assert not forbidden.bounded(command("refund 4711 100"))
    assert forbidden.bounded(command("tail -n 5 x", tags=frozenset({"reads_only"})))


def test_bound_values_are_found_behind_written_ones() -> None:
    """`$1` of a message is slot 2 where one literal was written before it."""
    template = "select a from t where b >= $1 and c = $2 and d = $1:int"
    slots = (slot("5"), LikeSlot("bound", "=1"), LikeSlot("bound", "=2"))
    assert freeable(Likeness(template, slots), bounded=True) == {0, 2}
    form = form_of(template, [one_of("5"), one_of("=1"), ANY])
    assert form == "select a from t where b >= =1 and c = * and d = 5"


def test_wildcards_stand_for_one_word_each() -> None:
    """Not for the program itself."""
    assert wildcards("systemctl restart nginx") == ["systemctl restart *", "systemctl * nginx"]
    assert wildcards("uptime") == []


def test_forms_are_shown_as_people_write_them() -> None:
    """`{a, b}`, a prefix with a star, and no more than four of a set."""
    many = one_of(*"abcdef")
    assert form_of("x $1:path", [SlotScope(SlotBound.PREFIX, ("/a/",))]) == "x /a/*"
    assert form_of("x $1:int", [many]) == "x {a, b, c, d, 2 more}"


def test_titles_say_who_what_and_where() -> None:
    """By label where there is one, else by name."""
    bare = SuggestionScope("sre", "ssh.exec", "prod", ("web-1", "web-2"), "deploy",
                           templates=("uptime",))  # fmt: skip
    assert title_of(bare) == "Let sre run `uptime` on web-1 and web-2 without asking"
    staging = SuggestionScope("sre", "ssh.exec", "staging", ("a",), "deploy", labels=("x", "y"))
    assert where_of(staging) == "staging targets labelled x, y"
    assert command("uptime").likeness == Likeness("uptime")
