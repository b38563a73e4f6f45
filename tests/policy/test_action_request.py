"""Stories of actions before the policy: each kind is asked about in its own way, and recorded so."""

from __future__ import annotations

import orjson
from support.builders import action, facts, principal, target

from gatekeep.domain.actions import SqlAction
from gatekeep.domain.commands import CommandFacts, SshAction
from gatekeep.policy.action_request import action_questions, action_request_json
from gatekeep.policy.replay import questions_of
from gatekeep.policy.request import Place

PLACE = Place(principal(), target(), "app_rw", "shop")
DID = SshAction("exec", "ls", (CommandFacts("ssh.exec", "ls", ("ls",)),))


def test_a_statement_and_a_command_are_asked_about_in_their_own_way() -> None:
    """An action of SQL by its statements, one over SSH by its commands."""
    asked = [action_questions(PLACE, one, None) for one in (action("SELECT 1", facts(), facts()), DID)]
    assert [[one.action for one in each] for each in asked] == [["sql.read", "sql.read"], ["ssh.exec"]]


def test_an_empty_text_is_still_a_question() -> None:
    """No statement at all would be permitted by nobody's rule."""
    empty = SqlAction("simple", "", ())
    assert [one.action for one in action_questions(PLACE, empty, None)] == ["sql.read"]


def test_what_is_recorded_is_what_was_asked() -> None:
    """Of either kind."""
    for one in (action(), DID):
        shown = orjson.loads(action_request_json(PLACE, one, None))
        assert questions_of(shown) == action_questions(PLACE, one, None)
