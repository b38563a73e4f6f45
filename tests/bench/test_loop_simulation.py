"""The simulated organisations: their truth does not contradict itself, and the loop keeps its promises there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_BENCH = str(Path(__file__).parents[2] / "bench" / "loop")
if _BENCH not in sys.path:
    sys.path.insert(0, _BENCH)

from days import World  # noqa: E402 - the bench is no package
from figures import page, precision, saved  # noqa: E402
from organisation import Organisation, Work  # noqa: E402
from organisations import ALL, named  # noqa: E402
from people_here import Deciders, Said  # noqa: E402
from planted import BAITS, RATES, bait, try_one  # noqa: E402
from random import Random  # noqa: E402
from run import BEGIN, END, jobs_of, run, written  # noqa: E402
from seen import live, truth_of  # noqa: E402

from gatekeep.domain.decisions import Verdict  # noqa: E402

EACH = pytest.mark.parametrize("organisation", ALL, ids=lambda one: one.name)


def _deeds(works: tuple[Work, ...]) -> set[tuple[str, ...]]:
    return {
        (group, target, work.account, work.database, text)
        for work in works
        for group in work.groups
        for target in work.targets
        for text in work.texts()
    }


@EACH
def test_nothing_is_both_wanted_and_unwanted(organisation: Organisation) -> None:
    """The same text by the same group in the same place has one truth."""
    wanted = _deeds((*organisation.routine, *organisation.rare))
    assert wanted
    assert not wanted & _deeds(organisation.unwanted)


@EACH
def test_all_benign_work_is_asked_about_at_first(organisation: Organisation) -> None:
    """What the figures call saved would have waited for a person: the policy asks, and somebody can answer."""
    world = World(organisation, 1, lambda _event: None)
    for work in (*organisation.routine, *organisation.rare):
        for who in organisation.people_of(work.groups):
            session = world.session(who, work.targets[0], work.account, work.database)
            action, _ = world.reader.read(session.target.kind, next(work.texts()))
            assert world.judge(session, action).decision.verdict is Verdict.ASK, work.name


@EACH
def test_much_that_is_unwanted_would_be_asked_about(organisation: Organisation) -> None:
    """The universe against which a rule is judged holds near neighbours of everything benign."""
    assert len(truth_of(organisation.name).asked) >= 60


@EACH
def test_a_bad_rule_is_found_out_by_the_truth(organisation: Organisation) -> None:
    """The measure itself works: a rule with free values is seen to cover what nobody wants."""
    world = World(organisation, 1, lambda _event: None)
    wanted, unwanted = (
        next(one for one in (*organisation.routine, *organisation.never) if one.name == name)
        for name in BAITS[organisation.name]
    )
    bad = bait(world, wanted, unwanted)
    day = world.clock.us // 86_400_000_000
    assert any(unwanted.name in one for one in truth_of(organisation.name).let_pass(bad.rule, day))


def test_who_does_not_look_says_yes_to_anything() -> None:
    """The stamper approves what careful people deny, within seconds."""
    shop = named("shop")
    deciders = Deciders(shop, Random(1), "ada", "lena")
    replies = [deciders.reply("ada", (("support-leads",),), wanted=False) for _ in range(400)]
    stamped = [one for one in replies if one.voters and one.voters[-1].name == shop.stamper]
    careful = [one for one in replies if one.voters and one.voters[-1].name != shop.stamper]
    assert stamped
    assert all(one.said is Said.YES and one.after_s < 10 for one in stamped)
    assert sum(one.said is Said.YES for one in careful) < len(careful) * 0.1


def test_a_few_weeks_save_something_and_let_nothing_bad_through() -> None:
    """A small run: nothing unsafe is proposed, and benign routine waits less at the end."""
    seen = live(named("operations"), 1, 42)
    assert seen.unsafe == []
    assert seen.proposed
    assert seen.matches == seen.wanted_matches > 0
    assert seen.late_waited < seen.late_asked


def test_the_same_seed_gives_the_same_figures() -> None:
    """A run can be repeated, event by event."""
    first, second = (live(named("startup"), 3, 24) for _ in range(2))
    assert first == second
    assert first != live(named("startup"), 4, 24)


@EACH
def test_a_planted_bad_rule_is_taken_back(organisation: Organisation) -> None:
    """Half of what it lets pass is unwanted: it is gone within a week, by what people say of samples."""
    trials = [try_one(organisation, seed, RATES[0], stamped=False) for seed in range(1, 4)]
    assert sum(one.in_time for one in trials) >= 2
    assert all(one.reverted_day > 0 for one in trials)


def test_figures_go_between_their_markers_and_nowhere_else() -> None:
    """The rest of the page stays as somebody wrote it."""
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert written(written(text, "new"), "newer") == f"before\n{BEGIN}\nnewer\n{END}\nafter\n"
    with pytest.raises(ValueError, match="figures"):
        written("no mark", "new")


@pytest.mark.soak
def test_the_whole_size_keeps_every_promise() -> None:
    """20 seeds of 180 days in five organisations, and 480 bad adoptions."""
    lived, trials = run(20, 180, 16, 2)
    assert len(lived) + len(trials) == len(list(jobs_of(20, 180, 16)))
    assert [bad for one in lived for bad in one.unsafe] == []
    assert saved(lived) >= 0.60
    assert precision(lived) >= 0.98
    assert page(lived, trials, 180)[1]
