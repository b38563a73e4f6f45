"""Spellings: what stays the same in other words. What comes of it is in golden/test_in_other_words."""

from __future__ import annotations

from dataclasses import replace

from support.deeds import ago, command, denied, moved, slot, statement

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.feedback.spelling import Refusals, Spelling, likeness_for, same_or_more, spelling_of


def test_options_are_told_apart_from_words() -> None:
    """Letters of one option stand alone, numbers and long ones stay whole."""
    spelling = spelling_of(command("tail -rf --lines=5 -20 b a"))
    assert spelling == Spelling(("tail", "a", "b"), frozenset({"-r", "-f", "--lines=5", "-20"}))


def test_more_options_are_the_same_and_fewer_are_not() -> None:
    """What was denied with `--force` is not what comes without it."""
    plain, forced = Spelling(("x",), frozenset()), Spelling(("x",), frozenset({"--force"}))
    assert same_or_more(plain, forced)
    assert not same_or_more(forced, plain)
    assert same_or_more(forced, Spelling(("x",), frozenset({"-f"})))
    assert not same_or_more(plain, Spelling(("y",), frozenset()))


def test_what_is_like_nothing_has_no_spelling() -> None:
    """Neither is it refused in other words, nor does it refuse."""
    alone = command("a; b", likeness=None)
    assert spelling_of(alone) is None
    assert Refusals([denied(alone)]).of(alone) == []


def test_a_refusal_is_told_in_the_words_of_what_is_asked() -> None:
    """With its values in that one's places, in the order of coming, and as often as it came."""
    bound = statement("delete from t where a = $1", [LikeSlot("bound", "=it's")])
    literal = statement("delete from t where a = $1:text", [slot("'it''s'")])
    (no,) = Refusals([literal, denied(literal)]).of(bound)
    assert no.likeness == bound.likeness
    (no,) = Refusals([denied(bound)]).of(literal)
    assert no.likeness == literal.likeness
    nothing = replace(bound, likeness=Likeness("delete from t where a = $1", (LikeSlot("bound", "NULL"),)))
    (no,) = Refusals([denied(nothing)]).of(literal)
    assert no.likeness is not None
    assert no.likeness.values == ("NULL",)


def test_one_value_for_two_places_must_be_one() -> None:
    """`a = $1 or b = $1` holds one value; `a = 5 or b = 6` holds two, and is another deed."""
    twice = statement("delete from t where a = $1 or b = $1", [LikeSlot("bound", "=5")])
    for values, count in ((["5", "5"], 1), (["5", "6"], 0)):
        apart = statement("delete from t where a = $1:int or b = $2:int", values)
        assert len(Refusals([denied(apart)]).of(twice)) == count


def test_of_what_was_not_proven_the_text_is_read() -> None:
    """But not where it was too long to be kept whole, and not of commands."""
    unproven = statement("select a from t", action="sql.procedural", likeness=None)
    assert likeness_for(unproven) == Likeness("select a from t")
    assert likeness_for(replace(unproven, text="select 1 " + "x" * 5000)) is None
    assert likeness_for(command("a", likeness=None)) is None
    assert likeness_for(replace(unproven, text="'")) is None


def test_only_what_speaks_against_is_kept() -> None:
    """Approvals are no refusals, however they are spelt."""
    one = command("uptime")
    assert Refusals([one, moved(one, ago(3))]).of(one) == []
