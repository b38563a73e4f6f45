"""One decision explained: the line that `policy explain` prints for each statement or command.

Pure: facts and decision come in, a JSON-ready mapping goes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatekeep.domain.actions import SqlFacts
from gatekeep.domain.commands import OPAQUE, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.decisions import Decision
from gatekeep.policy.command_request import command_questions
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.lattice import severest
from gatekeep.policy.request import EMPTY_STATEMENT, Place, sql_questions


def explain_sql(
    engine: Engine, standing: Standing, place: Place, facts: Sequence[SqlFacts], mode: str
) -> Decision:
    """The decision over the statements of one text."""
    judged = facts or (EMPTY_STATEMENT,)
    return engine.decide(standing, sql_questions(place, judged, mode, None))


def explanation(
    text: str, facts: Sequence[SqlFacts], decision: Decision, catalogue: str
) -> dict[str, Any]:
    """`{input, class, tags, facts, template, verdict, rule, reason, approvers, policy, catalogue}`.

    `class` is the severest of the statements, `tags` all of theirs; `facts` has one entry each.
    """
    return {
        "input": text,
        "class": severest(one.sql_class for one in facts).value,
        "tags": sorted({tag for one in facts for tag in one.tags}),
        "facts": [_shown(one) for one in facts],
        "template": "; ".join(one.template for one in facts),
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "reason": decision.reason,
        "approvers": [list(groups) for groups in decision.approvers],
        "policy": decision.policy,
        "catalogue": catalogue,
    }


def explain_ssh(
    engine: Engine, standing: Standing, place: Place, action: SshAction
) -> Decision:
    """The decision over one command line."""
    return engine.decide(standing, command_questions(place, action, None))


def command_explanation(action: SshAction, decision: Decision) -> dict[str, Any]:
    """The same line for a command: `class` is its Cedar action, `ssh.opaque` where a part is not understood."""
    actions = [one.action for one in action.facts]
    tags = {tag for one in action.facts for tag in one.tags} | action.tags
    return {
        "input": action.text,
        "class": OPAQUE if OPAQUE in actions else actions[0],
        "tags": sorted(tags),
        "facts": [_shown_command(one) for one in action.facts],
        "template": "",
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "reason": decision.reason,
        "approvers": [list(groups) for groups in decision.approvers],
        "policy": decision.policy,
        "catalogue": "none",
        "resolved": action.resolved,
        "redacted": action.redacted,
    }


def _shown_command(facts: CommandFacts | TunnelFacts) -> dict[str, Any]:
    if isinstance(facts, TunnelFacts):
        return {"action": facts.action, "destination": facts.destination, "port": facts.port,
                "tags": sorted(facts.tags)}  # fmt: skip
    return {
        "action": facts.action,
        "program": facts.program,
        "argv": list(facts.argv),
        "flags": sorted(facts.flags),
        "paths": sorted(facts.paths),
        "tags": sorted(facts.tags),
        "complete": facts.complete,
    }


def _shown(facts: SqlFacts) -> dict[str, Any]:
    return {
        "class": facts.sql_class.value,
        "verb": facts.verb,
        "tables_read": sorted(facts.tables_read),
        "tables_written": sorted(facts.tables_written),
        "columns": sorted(facts.columns),
        "functions": sorted(facts.functions),
        "tables_complete": facts.tables_complete,
        "columns_complete": facts.columns_complete,
        "functions_complete": facts.functions_complete,
        "where": facts.where.value,
        "tags": sorted(facts.tags),
        "settings": sorted(facts.settings),
        "roles": sorted(facts.roles),
        "copy_target": facts.copy_target,
        "transaction": facts.transaction.value,
        "unproven": facts.unproven,
        "vector_safe": facts.vector_safe,
        "template": facts.template,
    }
