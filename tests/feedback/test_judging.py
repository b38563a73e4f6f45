"""Recorded requests are decided again once for all that no rule can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.proof_world import MEMBERS, NOW_US, START_US, command_deed, standing_rule, version

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.judging import Act, Judge
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.request import Question

TEMPLATE = "tail -n $1:number $2:path"
FREE = f'context has template && context.template == "{TEMPLATE}" && context has slot1 && !(context has slot3)'
PATH = f'{FREE} && context has slot2 && context.slot2 like "/var/log/*"'


def _acts(values: Sequence[tuple[str, ...]]) -> list[Act]:
    deed = command_deed(1, START_US)
    types = ("number", "path", "path")
    return [
        Act(
            deed.request,
            Likeness(TEMPLATE, tuple(map(LikeSlot, types, one))),
            day_of(NOW_US),
        )
        for one in values
    ]


def _judge(condition: str) -> Judge:
    return Judge(version(adopted=standing_rule(version(), condition)), MEMBERS)


def test_values_that_no_rule_reads_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand numbers in a free slot are one question to the policy, not a thousand."""
    asked = 0
    plain = Engine.standing_rules_for

    def counted(
        self: Engine, standing: Standing, questions: Sequence[Question], decision: Decision,
        likeness: Likeness | None, day: int,
    ) -> tuple[str, ...]:  # fmt: skip
        nonlocal asked
        asked += 1
        return plain(self, standing, questions, decision, likeness, day)

    monkeypatch.setattr(Engine, "standing_rules_for", counted)
    judge = _judge(PATH)
    acts = _acts([(str(number), "/var/log/app") for number in range(1000)])
    assert {judge.judge(one).verdict for one in acts} == {Verdict.ALLOW}
    assert asked == 1


def test_values_that_a_rule_reads_and_their_number_make_another() -> None:
    """Whatever is remembered, each comes out as if it were decided for itself."""
    acts = _acts(
        [("1", "/var/log/app"), ("2", "/etc/shadow"), ("1", "/etc/shadow"), ("3", "/var/log/b"),
         ("1",), (), ("1", "/var/log/app", "/etc/shadow")]
    )  # fmt: skip
    for condition in (PATH, FREE):
        kept = _judge(condition)
        alone = [_judge(condition).judge(one) for one in acts]
        assert [kept.judge(one) for one in acts] == alone
        assert [kept.judge(one) for one in reversed(acts)] == alone[::-1]
        assert {one.verdict for one in alone} == {Verdict.ALLOW, Verdict.ASK}
