"""Samples of what adopted rules let pass: never fewer than promised, and not to be dodged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import builders

from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import DAY_US
from gatekeep.gate.sampling import CANARY_DAYS, FIRST, SHARE, Counts, Sampler
from gatekeep.gate.sampling_ports import Draw, DrawKind

RULE = "adopted-3f9a12bc"
START_US = 20_000 * DAY_US
LONG_AGO_US = START_US - 100 * DAY_US


def like(value: object) -> Likeness:
    """A deletion by number."""
    return Likeness("delete from t where id = $1:int", (LikeSlot("int", str(value)),))


def sampler(in_force_us: int = START_US, matches: int = 0, last_us: int = 0) -> Sampler:
    """One that knows the rule; its key is always the same."""
    made = Sampler(bytes(range(32)))
    made.adopt(RULE, in_force_us, matches, last_us)
    return made


def drawn(by: Sampler, value: object, at_us: int, principal: str = "alice") -> Draw:
    """One draw for the rule; whatever is held is looked at."""
    draw = by.draw((RULE,), principal, like(value), at_us)
    by.answered(draw)
    return draw


def sampled(draws: Iterable[Draw]) -> int:
    """How many of these a person looks at."""
    return sum(one.kind is not DrawKind.PASS for one in draws)


def many(by: Sampler, count: int, at_us: int) -> Iterator[Draw]:
    """Draws for as many deeds of one moment."""
    return (drawn(by, value, at_us) for value in range(count))


def test_a_rule_that_is_not_known_lets_nothing_pass() -> None:
    """Not before it is adopted, not before it is in force, not once it is forgotten; nor does none."""
    made = Sampler(bytes(32))
    assert drawn(made, 1, START_US).kind is DrawKind.HELD
    made.adopt(RULE, START_US, matches=50, last_sampled_us=START_US)
    assert drawn(made, 1, START_US - 1).kind is DrawKind.HELD
    assert sampled(drawn(made, value, START_US) for value in range(20)) < 20
    made.forget(RULE)
    assert all(drawn(made, value, START_US).kind is DrawKind.HELD for value in range(20))
    assert made.draw((), "alice", like(1), START_US).kind is DrawKind.HELD


def test_one_rule_that_is_not_known_holds_the_rest() -> None:
    """Where several rules give leave together, the strictest draw counts, and is said."""
    made = sampler(LONG_AGO_US, 50, START_US)
    draw = made.draw((RULE, "adopted-other"), "alice", like(1), START_US)
    assert (draw.kind, draw.rule) == (DrawKind.HELD, "adopted-other")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30 * DAY_US)), min_size=FIRST))
def test_the_first_ten_are_samples(deeds: list[tuple[int, int]]) -> None:
    """Whoever does whatever, however often the same, at any distance in time."""
    made, now = sampler(), START_US
    for value, later_us in deeds[:FIRST]:
        now += later_us
        assert drawn(made, value, now).kind is not DrawKind.PASS


@given(st.lists(st.integers(0, CANARY_DAYS * DAY_US - 1), min_size=1, max_size=60), st.integers(0, 5))
def test_each_day_of_the_canary_has_one(times: list[int], values: int) -> None:
    """On every day with a match, whenever on that day and however few there are."""
    made = sampler(matches=FIRST)
    days: dict[int, int] = {}
    for at, offset in enumerate(sorted(times)):
        now = START_US + offset
        kind = drawn(made, at % (values + 1), now).kind
        days[now // DAY_US] = days.get(now // DAY_US, 0) + (kind is not DrawKind.PASS)
    assert all(days.values())


def test_the_canary_is_as_long_as_the_settings_say() -> None:
    """A day with a match on its thirtieth day has its sample, too."""
    made = Sampler(bytes(range(32)), canary_days=30)
    made.adopt(RULE, START_US, 50, START_US)
    kinds = [drawn(made, 7, START_US + day * DAY_US).kind for day in range(1, 30)]
    assert DrawKind.PASS not in kinds


@given(st.lists(st.integers(1, 3 * DAY_US), min_size=40, max_size=80))
def test_later_there_is_one_in_seven_days(gaps: list[int]) -> None:
    """No seven days and a match go by without one."""
    made, now, last = sampler(LONG_AGO_US, 50, START_US), START_US, START_US
    for value, gap in enumerate(gaps):
        now += gap
        kind = drawn(made, value, now).kind
        assert kind is not DrawKind.PASS or now - last < 7 * DAY_US
        last = now if kind is not DrawKind.PASS else last


def test_the_share_is_one_in_twenty_and_half_of_them_wait() -> None:
    """Over many deeds of one day, of a rule that is long in force."""
    kinds = [one.kind for one in many(sampler(LONG_AGO_US, 50, START_US), 8000, START_US)]
    share = 1 - kinds.count(DrawKind.PASS) / len(kinds)
    assert share == pytest.approx(SHARE, rel=0.2)
    half = kinds.count(DrawKind.AFTER) / (len(kinds) - kinds.count(DrawKind.PASS))
    assert half == pytest.approx(0.5, abs=0.1)


def test_a_deed_is_drawn_alike_all_day() -> None:
    """What waited, and was taken back, waits again; what passed passes. Trying again gains nothing."""
    made = sampler(LONG_AGO_US, 50, START_US)
    before = {value: made.draw((RULE,), "alice", like(value), START_US) for value in range(300)}
    again = {value: made.draw((RULE,), "alice", like(value), START_US + 5) for value in range(300)}
    for value, draw in before.items():
        after = DrawKind.PASS if draw.kind is DrawKind.AFTER else draw.kind
        assert again[value].kind is after


def test_what_somebody_has_looked_at_is_not_asked_again_that_day() -> None:
    """The same deed of the same principal; the next day it is drawn anew."""
    made = sampler(START_US, FIRST)
    first = next(one for one in many_held(made) if one.kind is DrawKind.HELD)
    made.answered(first)
    assert made._rules[RULE].seen == {first.deed}
    tomorrow = [drawn(made, value, START_US + DAY_US) for value in range(30)]
    assert sampled(tomorrow) >= 1


def many_held(made: Sampler) -> Iterator[Draw]:
    """The day's first match until one of them waits."""
    for value in range(64):
        made._rules[RULE].last_sampled_us = 0
        made._rules[RULE].seen.clear()
        yield made.draw((RULE,), "alice", like(value), START_US)


def test_a_sample_that_came_to_nothing_is_owed() -> None:
    """The next match of anybody takes its place, and only that one."""
    made = sampler(LONG_AGO_US, 50, START_US)
    passing = [
        value for value in range(40) if drawn(made, value, START_US).kind is DrawKind.PASS
    ]
    made.unanswered(Draw(DrawKind.HELD, RULE, b""))
    kinds = [drawn(made, value, START_US).kind for value in passing]
    assert kinds[0] is not DrawKind.PASS
    assert set(kinds[1:]) == {DrawKind.PASS}


def test_the_first_ten_are_not_used_up_by_trying_again() -> None:
    """What is held, taken back and sent again counts as one match."""
    made = sampler()
    held = next(value for value in range(FIRST) if made.draw((RULE,), "a", like(value), START_US).kind is DrawKind.HELD)
    known = made.counts(RULE)
    for _ in range(20):
        assert made.draw((RULE,), "a", like(held), START_US).kind is DrawKind.HELD
    assert made.counts(RULE) == known


def test_another_key_draws_others() -> None:
    """Nobody without the key knows which deeds are samples; principal, values and day matter too."""
    def chosen(key: bytes, principal: str = "alice", day: int = 0) -> list[int]:
        made = Sampler(key)
        now = START_US + day * DAY_US
        made.adopt(RULE, LONG_AGO_US, 50, now)
        return [v for v in range(600) if drawn(made, v, now, principal).kind is not DrawKind.PASS]

    one = chosen(bytes(32))
    assert one == chosen(bytes(32))
    others = [chosen(b"\1" * 32), chosen(bytes(32), "bob"), chosen(bytes(32), day=1)]
    assert one not in others


def test_parts_of_a_deed_are_told_apart() -> None:
    """What stands in one value is not what stands in the next, or in the template."""
    made = sampler()
    pairs = [
        Likeness("a", (LikeSlot("text", "b"), LikeSlot("text", "c"))),
        Likeness("a", (LikeSlot("text", "btextc"),)),
        Likeness("ab", (LikeSlot("text", ""), LikeSlot("text", "c"))),
    ]
    assert len({made.draw((RULE,), "alice", one, START_US).deed for one in pairs}) == 3


def test_counts_outlive_a_restart() -> None:
    """What the loop kept is taken up; told again of less, the higher count stays."""
    first = sampler(matches=4)
    list(many(first, 20, START_US))
    counts = first.counts(RULE)
    assert counts == Counts(START_US, 24, START_US)
    again = Sampler(bytes(range(32)))
    assert again.counts(RULE) is None
    again.adopt(RULE, counts.in_force_us, counts.matches, counts.last_sampled_us)
    again.adopt(RULE, counts.in_force_us)
    assert again.counts(RULE) == counts
    again.adopt(RULE, START_US + 1)
    assert again.counts(RULE) == Counts(START_US + 1, 0, 0)


def test_only_what_is_looked_at_afterwards_is_told() -> None:
    """With its rule, event, session and text; nobody has to listen."""
    made, heard = sampler(), []
    session: Session = builders.session()
    after, passed = (Draw(kind, RULE, b"") for kind in (DrawKind.AFTER, DrawKind.PASS))
    made.passed(after, 6, session, "DELETE 0")
    made.on_after = lambda *said: heard.append(said)
    made.passed(passed, 7, session, "DELETE 1")
    made.passed(after, 8, session, "DELETE 2")
    assert heard == [(RULE, 8, session, "DELETE 2")]


def test_too_many_deeds_wait() -> None:
    """What cannot be kept in mind is held, so memory has a bound."""
    made = sampler()
    made._rules[RULE].turn_to(START_US // DAY_US)
    made._rules[RULE].seen.update(number.to_bytes(4, "big") for number in range(10_000))
    assert drawn(made, 1, START_US).kind is DrawKind.HELD


def test_another_spelling_of_what_was_taken_back_waits_as_well() -> None:
    """Whoever withdraws a sample gains nothing by `07` in place of `7`, nor by what others do since."""
    made = sampler(LONG_AGO_US, 50, START_US)
    held = next(
        draw for value in range(999)
        if (draw := made.draw((RULE,), "mallory", like(value), START_US)).kind is DrawKind.HELD
    )  # fmt: skip
    made.unanswered(held)
    assert sampled(drawn(made, value, START_US, "alice") for value in range(1)) == 1  # it is owed
    spelt = [made.draw((RULE,), "mallory", like(f"0{value}"), START_US) for value in range(50)]
    assert {one.kind for one in spelt} == {DrawKind.HELD}
    made.answered(spelt[0])
    again = [drawn(made, f"00{value}", START_US, "mallory") for value in range(50)]
    assert DrawKind.PASS in {one.kind for one in again}
    tomorrow = [drawn(made, value, START_US + DAY_US, "mallory") for value in range(50)]
    assert DrawKind.PASS in {one.kind for one in tomorrow}


def test_what_was_to_be_looked_at_and_never_went_out_is_drawn_again() -> None:
    """Else a deed that came to nothing once would pass unseen for the rest of its day."""
    made = sampler(LONG_AGO_US, 50, START_US)
    value, after = next(
        (value, draw) for value in range(999)
        if (draw := made.draw((RULE,), "alice", like(value), START_US)).kind is DrawKind.AFTER
    )  # fmt: skip
    made.unanswered(after)
    assert made.draw((RULE,), "alice", like(value), START_US).kind is DrawKind.AFTER
