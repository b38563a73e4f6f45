"""Decisions with their evidence, encoded once for every event that cites them, and in words."""

from __future__ import annotations

from typing import Any

import orjson
import structlog

from gatekeep import messages
from gatekeep.domain.decisions import Decision
from gatekeep.gate.ports import Judgement
from gatekeep.messages import RuleWords

_log = structlog.get_logger(__name__)


def judgement_of(decision: Decision, request_json: bytes) -> Judgement:
    """The judgement of a decision on this normalised request."""
    if decision.errors:
        # An error is a deny and an alert; its words are in the sealed payload, not here.
        _log.error(
            "policy decided with errors",
            rule=decision.rule, policy=decision.policy, errors=len(decision.errors),
        )  # fmt: skip
    return Judgement(
        decision,
        request_json,
        _decision_json(decision),
        orjson.dumps(
            {
                "decision": decision.verdict.value,
                "policy": decision.policy,
                "rule": decision.rule,
            },
        ),
    )


def rule_words(decision: Decision, session_code: str) -> RuleWords:
    """What a message says of a decision's rule."""
    return RuleWords(
        decision.rule,
        decision.reason,
        decision.owner,
        messages.context_line(
            rule=decision.rule, policy=decision.policy[:7], session=session_code
        ),
    )


def _decision_json(decision: Decision) -> bytes:
    shown: dict[str, Any] = {
        "approvers": [list(groups) for groups in decision.approvers],
        "policy": decision.policy,
        "reason": decision.reason,
        "rule": decision.rule,
        "rules": list(decision.rules),
        "verdict": decision.verdict.value,
    }
    if decision.obligations:
        shown["obligations"] = sorted(decision.obligations)
    if decision.errors:
        shown["errors"] = list(decision.errors)
    return orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)
