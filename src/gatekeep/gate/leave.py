"""Leave by adopted rules: an asked action, judged as if the people that it asks had approved it.

Standing rules only choose what is judged so; whether it passes then, the ordinary rules decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gatekeep.domain.approvals import Approval
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.likeness import Likeness
from gatekeep.gate.ports import Leave
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.lattice import implied
from gatekeep.policy.request import Question

ADOPTED: Final = "adopted"
"""`kind` of an approval that a standing rule stands in for."""


def leave_of(
    engine: Engine,
    standing: Standing,
    questions: Sequence[Question],
    likeness: Likeness,
    day: int,
) -> Leave | None:
    """The leave that standing rules give for these questions on that day; None where people are asked.

    The approval is what the first of the smallest approver sets could give, without a second
    factor: a rule that wants one, or other groups, is not satisfied.
    """
    decision = engine.decide(standing, questions)
    if decision.verdict is not Verdict.ASK or decision.errors or not decision.approvers:
        return None
    rules = engine.standing_rules_for(standing, questions, decision, likeness, day)
    if not rules:
        return None
    groups = frozenset(one for group in decision.approvers[0] for one in implied(group))
    approval = Approval(ADOPTED, groups, mfa=False, age_s=0, grant=rules[0])
    released = engine.decide_approved(standing, questions, approval)
    if released.verdict is not Verdict.ALLOW or released.errors:
        return None
    return Leave(rules, approval)
