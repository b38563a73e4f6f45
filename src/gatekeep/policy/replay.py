"""From a recorded normalised request back to the questions it was: so the past can be judged again.

The inverse of `request` and `command_request`. What cannot be read back for sure is refused, never
guessed; no rule is consulted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.actions import SqlClass, SqlFacts, TransactionVerb, WhereClause
from gatekeep.domain.commands import Assurance, CommandFacts, SshAction, TunnelFacts
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.policy.command_request import command_questions
from gatekeep.policy.request import Moment, Place, Question, place_question, sql_questions
from gatekeep.policy.schema import SQL_ACTIONS, SSH_ACTIONS

_TUNNELS: Final = frozenset({"tunnel.open", "tunnel.listen"})


class NotReplayable(ValueError):  # noqa: N818 - a finding, not a fault
    """A recorded request that cannot be asked again; its words say why."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recorded request, ready to be decided again.

    The target bears only what policy reads of one; its address is not known here.
    """

    principal: Principal
    target: Target | None
    place: Place
    questions: tuple[Question, ...]


def replayed(request: Mapping[str, Any]) -> Replayed:
    """A normalised request, as events hold it, as questions. An approval in it is left out.

    Raises NotReplayable: words of it are masked, or it is of a form that this version does not know.
    """
    _demand_whole(request)
    try:
        place = _place(request)
        return Replayed(place.principal, place.target, place, tuple(_questions(place, request)))
    except NotReplayable:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotReplayable(f"it is not of a known form: {type(error).__name__}") from error


def questions_of(request: Mapping[str, Any]) -> list[Question]:
    """The questions of a normalised request alone. Raises NotReplayable."""
    return list(replayed(request).questions)


def command_facts_of(request: Mapping[str, Any]) -> tuple[CommandFacts | TunnelFacts, ...]:
    """What was known of each command; empty for a request about anything else. Raises NotReplayable."""
    _demand_whole(request)
    try:
        return tuple(map(_command, request.get("commands", ())))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotReplayable(f"it is not of a known form: {type(error).__name__}") from error


def _demand_whole(request: Mapping[str, Any]) -> None:
    if request.get("masked"):
        raise NotReplayable("words of it are secrets and were not kept")


def _questions(place: Place, request: Mapping[str, Any]) -> Sequence[Question]:
    now = _moment(request)
    if "statements" in request:
        statements = [_statement(one) for one in _list(request["statements"])]
        if not statements:
            raise NotReplayable("it holds no statement")
        return sql_questions(place, statements, _text(request["mode"]), now)
    if "commands" in request:
        commands = tuple(_command(one) for one in _list(request["commands"]))
        if not commands:
            raise NotReplayable("it holds no command")
        action = SshAction(
            _text(request["mode"]), "", commands,
            assurance=Assurance(request["assurance"]), resolved=_flag(request["resolved"]),
        )  # fmt: skip
        return command_questions(place, action, now)
    return [place_question(_text(request["action"]), place, now)]


def _place(request: Mapping[str, Any]) -> Place:
    who = request["principal"]
    principal = Principal(
        _text(who["name"]), _text(who["person"]), _names(who["groups"]), _text(who["owner"])
    )
    source = _text(request["source"])
    where = request.get("target")
    if where is None:
        if request.keys() & {"account", "database", "statements", "commands"}:
            raise NotReplayable("its target is missing")
        return Place(principal, None, source=source)
    target = Target(
        _text(where["name"]), TargetKind(where["kind"]), "", 0, environment=_text(where["environment"]),
        labels=_names(where["labels"]), owner=_text(where["owner"]),
    )  # fmt: skip
    return Place(
        principal, target, _text(request["account"]), _text(request["database"]), source
    )


def _moment(request: Mapping[str, Any]) -> Moment | None:
    time = request.get("time")
    return Moment(time["hour"], time["minute"], time["weekday"]) if time is not None else None


def _statement(shown: Mapping[str, Any]) -> SqlFacts:
    """One statement: what was left out of the record was empty, flags never are."""
    action = shown["action"]
    if action not in SQL_ACTIONS:
        raise NotReplayable("its class is not known")
    sets = _sets(shown)
    return SqlFacts(
        SqlClass(action.removeprefix("sql.")),
        _text(shown.get("verb", "")),
        "",
        "",
        tables_read=sets("tables_read"),
        tables_written=sets("tables_written"),
        columns=sets("columns"),
        functions=sets("functions"),
        tables_complete=_flag(shown["tables_complete"]),
        functions_complete=_flag(shown["functions_complete"]),
        columns_complete=_flag(shown["columns_complete"]),
        where=WhereClause(shown["where"]),
        tags=sets("tags"),
        settings=sets("settings"),
        roles=sets("roles"),
        copy_target=_text(shown.get("copy_target", "")),
        transaction=TransactionVerb(_text(shown.get("transaction", ""))),
    )


def _command(shown: Mapping[str, Any]) -> CommandFacts | TunnelFacts:
    action = shown["action"]
    if action not in SSH_ACTIONS:
        raise NotReplayable("its action is not known")
    sets = _sets(shown)
    if action in _TUNNELS:
        port = shown["port"]
        if type(port) is not int:
            raise NotReplayable("its port is none")
        return TunnelFacts(
            action, _text(shown["destination"]), port, _text(shown["address"]),
            _text(shown["resolved_by"]), sets("tags"),
        )  # fmt: skip
    return CommandFacts(
        action, _text(shown["program"]), tuple(sorted(sets("argv"))), sets("flags"), sets("paths"),
        sets("tags"), _flag(shown["complete"]),
    )  # fmt: skip


def _sets(shown: Mapping[str, Any]) -> Callable[[str], frozenset[str]]:
    return lambda name: _names(shown.get(name, []))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NotReplayable("a list is missing")
    return value


def _names(value: Any) -> frozenset[str]:
    return frozenset(map(_text, _list(value)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotReplayable("a word is missing")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NotReplayable("a yes or no is missing")
    return value
