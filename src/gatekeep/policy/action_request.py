"""Whatever an action is, SQL or over SSH: the questions that it asks, and its normalised request.

How each kind is put into them lives in `request` and `command_request`. No rule is consulted here.
"""

from __future__ import annotations

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import SshAction
from gatekeep.policy.command_request import command_questions, command_request_json
from gatekeep.policy.request import (
    EMPTY_STATEMENT,
    Moment,
    Place,
    Question,
    sql_questions,
    sql_request_json,
)


def action_questions(
    place: Place, action: SqlAction | SshAction, now: Moment | None
) -> list[Question]:
    """All that must be permitted for it."""
    if isinstance(action, SqlAction):
        facts = action.facts or (EMPTY_STATEMENT,)
        return sql_questions(place, facts, action.mode, now, action.tags)
    return command_questions(place, action, now)


def action_request_json(
    place: Place, action: SqlAction | SshAction, now: Moment | None
) -> bytes:
    """Its whole normalised request."""
    if isinstance(action, SqlAction):
        facts = action.facts or (EMPTY_STATEMENT,)
        return sql_request_json(place, facts, action.mode, now, action.tags)
    return command_request_json(place, action, now)
