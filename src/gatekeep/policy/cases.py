"""Cases: policy + action + expected decision and reason, readable without Python.

Takes a document that was read from YAML. How a statement or a command line becomes facts is handed in,
because the policy room knows neither; a case may also give its facts itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeep.domain.actions import SqlClass, SqlFacts, TransactionVerb, WhereClause
from gatekeep.domain.commands import EXEC, SshAction
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.errors import SettingsError
from gatekeep.policy.command_cases import ActionOf, given_action, is_ssh
from gatekeep.policy.command_request import command_questions
from gatekeep.policy.engine import Engine
from gatekeep.policy.request import Place, Question, place_question, sql_questions
from gatekeep.policy.schema import GATEWAY_ACTIONS, SESSION_ACTIONS, SQL_ACTIONS, SSH_ACTIONS

FactsOf = Callable[[str, str], Sequence[SqlFacts]]
"""Facts of each statement in a text, proven against the catalogue of that name."""

_FILE_KEYS: Final = frozenset({"rules", "groups", "targets", "cases"})
_CASE_KEYS: Final = frozenset(
    {
        "name", "who", "on", "account", "database", "from", "action", "facts", "statement", "command",
        "catalogue", "mode", "expect", "rule", "reason", "approvers",
    }
)  # fmt: skip
_TARGET_KEYS: Final = frozenset({"kind", "environment", "labels", "owner"})
_ACTIONS: Final = frozenset({*SQL_ACTIONS, *SSH_ACTIONS, *GATEWAY_ACTIONS, *SESSION_ACTIONS})
_SETS: Final = frozenset(
    {
        "tables_read", "tables_written", "columns", "functions", "tags", "settings", "roles",
    }
)  # fmt: skip
_ENUMS: Final[Mapping[str, Callable[[str], Any]]] = {
    "where": WhereClause,
    "transaction": TransactionVerb,
}
_FACTS: Final = frozenset(one.name for one in dataclasses.fields(SqlFacts)) - {"sql_class"}


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `facts` are given, or come from `statement` under the catalogue of that name.

    Over SSH, `over_ssh` is the action whose facts are given, or `command` the line to read.
    """

    name: str
    file: str
    place: Place
    action: str
    expect: Verdict
    rule: str | None
    reason: str | None
    approvers: tuple[tuple[str, ...], ...] | None
    facts: SqlFacts | None = None
    statement: str = ""
    catalogue: str = "clean"
    mode: str = "simple"
    command: str = ""
    over_ssh: SshAction | None = None

    @property
    def title(self) -> str:
        """`target/name`, as a report lists it."""
        return f"{self.place.target.name if self.place.target else 'gatekeep'}/{self.name}"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one file. `rules` is policy text that is loaded for them, beside the policy."""

    file: str
    cases: tuple[Case, ...]
    members: Mapping[str, frozenset[str]]
    rules: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case; `wrong` says what differs, empty when it is as expected."""

    case: Case
    decision: Decision
    wrong: str = ""
    facts: tuple[SqlFacts, ...] = field(default=())


def read_cases(file: str, document: object) -> CaseFile:
    """The cases of a document. Raises SettingsError naming file, case and what is wrong."""
    raw = _mapping(document, file, "the file", _FILE_KEYS)
    members = {
        str(name): frozenset(map(str, people or ()))
        for name, people in _mapping(raw.get("groups", {}), file, "groups", None).items()
    }
    targets = {
        str(name): _target(str(name), described or {}, file)
        for name, described in _mapping(raw.get("targets", {}), file, "targets", None).items()
    }
    cases = tuple(_case(one, file, members, targets) for one in raw.get("cases") or ())
    names = [case.title for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SettingsError("two cases have this name", file=file, key=twice, fix="rename one")
    return CaseFile(file, cases, members, raw.get("rules") or "")


def run_cases(
    engine: Engine, cases: Sequence[Case], facts_of: FactsOf, action_of: ActionOf | None = None
) -> list[CaseResult]:
    """Decide every case and compare. Without `action_of` no command line can be read."""
    return [
        _run_ssh(engine, case, action_of)
        if case.command or case.over_ssh
        else _run(engine, case, facts_of)
        for case in cases
    ]


def report(results: Sequence[CaseResult], engine: Engine) -> list[str]:
    """The lines that `policy test` prints."""
    failed = [one for one in results if one.wrong]
    if not failed:
        return [f"{len(results)} cases, all as expected"]
    as_expected = len(results) - len(failed)
    lines = [f"{len(results)} cases, {as_expected} as expected, {len(failed)} not (exit 8):"]
    for one in failed:
        rule = engine.version.rule(one.decision.rule)
        where = f"rule {rule.id}, {rule.file}:{rule.line}" if rule else "no rule"
        lines.append(f"  {one.case.title}   {one.wrong}   ({where})")
    return lines


def _run_ssh(engine: Engine, case: Case, action_of: ActionOf | None) -> CaseResult:
    action = case.over_ssh
    if action is None and action_of is not None:
        action = action_of(case.command, case.action or EXEC)
    standing = engine.standing(case.place.principal, case.place.target)
    questions = command_questions(case.place, action, None) if action is not None else []
    decision = engine.decide(standing, questions)
    return CaseResult(case, decision, _difference(case, decision, ()))


def _run(engine: Engine, case: Case, facts_of: FactsOf) -> CaseResult:
    standing = engine.standing(case.place.principal, case.place.target)
    facts: tuple[SqlFacts, ...] = ()
    questions: list[Question]
    if case.statement:
        facts = tuple(facts_of(case.statement, case.catalogue))
    elif case.facts is not None:
        facts = (case.facts,)
    if facts:
        questions = sql_questions(case.place, facts, case.mode, None)
    else:
        questions = [place_question(case.action, case.place, None)]
    decision = engine.decide(standing, questions)
    return CaseResult(case, decision, _difference(case, decision, facts), facts)


def _difference(case: Case, decision: Decision, facts: Sequence[SqlFacts]) -> str:
    actions = {f"sql.{one.sql_class.value}" for one in facts}
    if facts and case.action and actions != {case.action}:
        return f"expected {case.action}, got {', '.join(sorted(actions))}"
    if decision.verdict is not case.expect:
        return f"expected {case.expect.value}, got {decision.verdict.value}"
    if case.rule is not None and decision.rule != case.rule:
        return f"expected rule {case.rule or 'none'}, got {decision.rule or 'none'}"
    if case.reason is not None and case.reason not in decision.reason:
        return f'expected the reason "{case.reason}", got "{decision.reason}"'
    if case.approvers is not None and set(case.approvers) != set(decision.approvers):
        return f"expected approvers {_shown(case.approvers)}, got {_shown(decision.approvers)}"
    return ""


def _shown(approvers: Sequence[Sequence[str]]) -> str:
    return " or ".join(" and ".join(groups) for groups in approvers) or "none"


def _case(
    raw: Any, file: str, members: Mapping[str, frozenset[str]], targets: Mapping[str, Target]
) -> Case:
    name = str(raw.get("name", "")) if isinstance(raw, dict) else ""
    given = _mapping(raw, file, f"case {name}", _CASE_KEYS)
    who = str(given.get("who", ""))
    groups = frozenset(group for group, people in members.items() if who in people)
    target = targets.get(str(given["on"])) if "on" in given else None
    if not name or not who or ("on" in given and target is None):
        fix = "give it a name, who (of groups) and on (of targets)"
        raise SettingsError("is not complete", file=file, key=f"case {name}", fix=fix)
    action = str(given.get("action", ""))
    if action and action not in _ACTIONS:
        raise SettingsError(
            f"no such action: {action}", file=file, key=f"case {name}", fix="see the schema"
        )
    approvers = given.get("approvers")
    return Case(
        name=name,
        file=file,
        place=Place(
            Principal(who, person=who, groups=groups),
            target,
            str(given.get("account", "app")) if target else "",
            str(given.get("database", "app")) if target else "",
            str(given.get("from", "")),
        ),
        action=action,
        expect=_verdict(given.get("expect"), file, name),
        rule=given.get("rule"),
        reason=given.get("reason"),
        approvers=None if approvers is None else _approvers(approvers),
        facts=None if is_ssh(action) else _facts(action, given, file, name),
        statement=str(given.get("statement", "")),
        catalogue=str(given.get("catalogue", "clean")),
        mode=str(given.get("mode", "simple")),
        command=str(given.get("command", "")),
        over_ssh=given_action(action, given, file, name)
        if is_ssh(action) and "command" not in given
        else None,
    )


def _verdict(raw: Any, file: str, name: str) -> Verdict:
    try:
        return Verdict(raw)
    except ValueError:
        fix = "write expect: allow, deny or ask"
        raise SettingsError("expects nothing", file=file, key=f"case {name}", fix=fix) from None


def _approvers(raw: Sequence[Any]) -> tuple[tuple[str, ...], ...]:
    """`[dba, [dba, security]]`: any one of these sets."""
    return tuple((one,) if isinstance(one, str) else tuple(map(str, one)) for one in raw)


def _facts(action: str, given: Mapping[str, Any], file: str, name: str) -> SqlFacts | None:
    if "facts" not in given and not action.startswith("sql."):
        return None
    if "statement" in given:
        return None
    raw = _mapping(given.get("facts") or {}, file, f"case {name}: facts", _FACTS)
    try:
        values: dict[str, Any] = {key: _value(key, value) for key, value in raw.items()}
        sql_class = SqlClass(action.removeprefix("sql."))
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"facts cannot be read: {error}", file=file, key=f"case {name}",
            fix="action: sql.<class>; sets are lists; where: n/a, absent, present or tautology",
        ) from error  # fmt: skip
    values = {"verb": "", "redacted": "", "template": "", **values}
    return SqlFacts(sql_class=sql_class, **values)


def _value(key: str, value: Any) -> Any:
    if key in _SETS:
        return frozenset(map(str, value))
    return _ENUMS[key](value) if key in _ENUMS else value


def _target(name: str, raw: Any, file: str) -> Target:
    given = _mapping(raw, file, f"target {name}", _TARGET_KEYS)
    return Target(
        name,
        _kind(given.get("kind", TargetKind.POSTGRES.value), file, name),
        host="",
        port=0,
        environment=str(given.get("environment", "")),
        labels=frozenset(map(str, given.get("labels") or ())),
        owner=str(given.get("owner", "")),
    )


def _kind(raw: Any, file: str, name: str) -> TargetKind:
    try:
        return TargetKind(raw)
    except ValueError:
        fix = "write kind: postgres or ssh"
        raise SettingsError("is of no kind", file=file, key=f"target {name}", fix=fix) from None


def _mapping(raw: Any, file: str, what: str, keys: frozenset[str] | None) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise SettingsError("must be a block of keys", file=file, key=what, fix="indent its keys")
    unknown = sorted(set(map(str, raw)) - keys) if keys is not None else []
    if unknown:
        fix = f"known are {', '.join(sorted(keys or ()))}"
        raise SettingsError(f"has an unknown key: {unknown[0]}", file=file, key=what, fix=fix)
    return raw
