"""Leave by adopted rules: an asked action, judged as if the people that it asks had approved it.

Standing rules only choose what is judged so; whether it passes then, the ordinary rules decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness
from gatekeep.gate.ports import Leave
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.lattice import stood_in_for
from gatekeep.policy.request import Question


def leave_of(
    engine: Engine,
    standing: Standing,
    questions: Sequence[Question],
    likeness: Likeness,
    day: int,
) -> Leave | None:
    """The leave that standing rules give for these questions on that day; None where people are asked.

    The approval is what the first of the smallest approver sets could give.
    """
    decision = engine.decide(standing, questions)
    if decision.verdict is not Verdict.ASK or decision.errors or not decision.approvers:
        return None
    rules = engine.standing_rules_for(standing, questions, decision, likeness, day)
    if not rules:
        return None
    approval = stood_in_for(decision.approvers, rules[0])
    released = engine.decide_approved(standing, questions, approval)
    if released.verdict is not Verdict.ALLOW or released.errors:
        return None
    return Leave(rules, approval)
