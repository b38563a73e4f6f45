"""Replay of history: what is decided again, what is not, and how much that takes."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

from support.proof_world import (
    MEMBERS,
    NGINX,
    NOW_US,
    PEOPLE,
    RULES,
    START_US,
    command_deed,
    evidence,
    example,
    standing_rule,
    suggestion,
    version,
    where,
)

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import DAY_US, SuggestionKind
from gatekeep.feedback.backtest import Pair, drawn, replay
from gatekeep.feedback.composing import compose
from gatekeep.feedback.deeds import Answer, Deed
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.heads import head_of
from gatekeep.feedback.holdout import cut_of, inside, learnt, split
from gatekeep.feedback.judging import Act, Judge
from gatekeep.feedback.matrix import Matrix
from gatekeep.feedback.proof import prove


def test_the_matrix_names_flips_and_strays() -> None:
    """A relaxation may turn ask to allow; whatever else turns is counted as a stray."""
    matrix = Matrix()
    matrix.add(Verdict.ASK, Verdict.ALLOW, 3)
    matrix.add(Verdict.DENY, Verdict.ALLOW)
    matrix.add(Verdict.DENY, Verdict.DENY, 5)
    assert matrix.counts == {"ask>allow": 3, "deny>allow": 1, "deny>deny": 5}
    assert (matrix.total, matrix.unchanged) == (9, 5)
    assert matrix.strays(SuggestionKind.RELAX) == {"deny>allow": 1}
    assert matrix.strays(SuggestionKind.ASK_INSTEAD) == {"ask>allow": 3, "deny>allow": 1}


def test_a_deed_is_decided_on_its_own_day() -> None:
    """An adopted rule that has ended today let pass what lay before its end."""
    over = version(adopted=standing_rule(version(), days=-30))
    judge = Judge(over, MEMBERS)
    deed = command_deed(1, START_US)
    early, late = (
        judge.judge(Act(deed.request, deed.likeness, day)).verdict
        for day in (day_of(START_US), day_of(NOW_US))
    )
    assert (early, late) == (Verdict.ALLOW, Verdict.ASK)


def test_an_adopted_rule_is_judged_as_the_approval_it_stands_for() -> None:
    """Where the rule that asks wants a second factor, no adopted rule passes it."""
    rules = RULES.replace('contains("leads") };', 'contains("leads") && context.approval.mfa };')
    over = version(rules)
    judge = Judge(version(rules, standing_rule(over)), MEMBERS)
    deed = command_deed(1, START_US)
    found = judge.judge(Act(deed.request, deed.likeness, day_of(START_US)))
    assert (found.verdict, found.adopted) == (Verdict.ASK, ())


def test_only_what_the_rule_could_match_is_decided_again() -> None:
    """Other groups, actions and templates are as they were; a spot check of 200 says so."""
    over = version()
    others = [command_deed(n, START_US + n, f"systemctl status s{n}") for n in range(1000, 1500)]
    composed = compose(over, suggestion(standing_rule(over)))
    pair = Pair(Judge(composed.before, MEMBERS), Judge(composed.after, MEMBERS))
    known = evidence([*example(), *others])
    found = replay(pair, head_of(composed.rule), known, NOW_US, lambda _: True)
    assert found.matrix.total == len(known.deeds)
    assert len(found.flipped) == 41
    assert (found.checked, found.spoilt) == (200, [])


def test_a_spot_check_finds_what_the_head_hides() -> None:
    """Were a head read too narrowly, drawn deeds that come out otherwise would show it."""
    over = version()
    composed = compose(over, suggestion(standing_rule(over)))
    pair = Pair(Judge(composed.before, MEMBERS), Judge(composed.after, MEMBERS))
    head = replace(head_of(composed.rule), templates=frozenset())
    found = replay(pair, head, evidence(), NOW_US, lambda _: True)
    assert len(found.spoilt) == 41


def test_what_is_drawn_is_the_same_each_time() -> None:
    """As if by chance, and repeatable by an auditor."""
    deeds = [command_deed(n, START_US) for n in range(300)]
    first = [one.n for one in drawn(deeds, 20)]
    assert first == [one.n for one in drawn(list(reversed(deeds)), 20)]
    assert first != sorted(first)


def test_evidence_is_split_by_time() -> None:
    """Two thirds and one; what is counted is shared out."""
    early, late = split(evidence())
    cut = cut_of(START_US, NOW_US)
    assert {one.at_us < cut for one in early.deeds} == {True}
    assert {one.at_us >= cut for one in late.deeds} == {True}
    assert len(early.deeds) + len(late.deeds) == len(example())


def test_what_was_learnt_holds_only_what_was_seen() -> None:
    """Targets and values that the first part does not show are left out."""
    scope = suggestion("").scope
    seen = [command_deed(1, START_US, at=where("ann", "web-1"))]
    assert learnt(scope, seen).targets == ("web-1",)
    assert inside(scope, seen[0])
    assert not inside(scope, replace(seen[0], where=where("ann", "db-1")))
    assert not inside(scope, replace(seen[0], where=where(groups=frozenset({"staff"}))))
    assert not inside(scope, replace(seen[0], likeness=None))


def crowd(count: int) -> list[Deed]:
    """Many deeds of many people; a tenth of them is what the rule is about."""
    made: list[Deed] = []
    plain = [command_deed(0, 0, f"systemctl status s{n}", where(PEOPLE[n % 6])) for n in range(60)]
    like = [command_deed(0, 0, NGINX, where(PEOPLE[n % 6], f"web-{1 + n % 2}")) for n in range(12)]
    for n in range(count):
        one = like[n % 12] if n % 10 == 0 else plain[n % 60]
        made.append(replace(one, n=n, at_us=START_US + n * 90 * DAY_US // count))
    return made


def test_a_hundred_thousand_deeds_take_seconds_and_little_memory() -> None:
    """A journal of a million events: at most 10 s (on a quiet machine) and 50 MB besides."""
    over = version()
    known = evidence(crowd(100_000))
    one = suggestion(standing_rule(over), over)
    began = time.process_time()
    found = prove(one, known, over, MEMBERS, NOW_US)
    took = time.process_time() - began
    assert found.backtest is not None
    assert found.backtest.matrix["ask>allow"] == 10_000
    assert took < 10, took
    tracemalloc.start()
    prove(one, known, over, MEMBERS, NOW_US)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6, peak


def test_answers_other_than_a_no_are_no_denial() -> None:
    """Nobody answered, or it was withdrawn: not a reason against, nor one for it."""
    over = version()
    quiet = [command_deed(900, NOW_US - DAY_US, answer=Answer.EXPIRED)]
    found = prove(
        suggestion(standing_rule(over), over), evidence([*example(), *quiet]), over, MEMBERS, NOW_US
    )
    assert found.safe
    assert found.backtest is not None
    assert found.backtest.holdout["ask>allow"] == 15
