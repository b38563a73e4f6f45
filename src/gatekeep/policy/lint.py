"""What the schema cannot see in rules: names that never match, rules that never decide.

An error here keeps a policy from loading, a warning does not. Approver groups are checked
against the directory by `unknown_approvers`, because files alone do not know it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from gatekeep.policy import conditions
from gatekeep.policy.rules import PolicyVersion, Problem, Rule
from gatekeep.policy.schema import GATEWAY_ACTIONS, NOT_SUPPLIED, SESSION_ACTIONS, STANDING

_TABLE: Final = re.compile(r"[a-z_][a-z0-9_$]*\.[a-z_][a-z0-9_$]*")
_COLUMN: Final = re.compile(r"[a-z_][a-z0-9_$]*\.[a-z_][a-z0-9_$]*\.[a-z_][a-z0-9_$]*")
_TABLES: Final = frozenset({"tables_read", "tables_written"})
_NAMED: Final = frozenset({*_TABLES, "columns"})
_MARK: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}:[0-9a-f]{12}")


def lint(rules: Sequence[Rule]) -> list[Problem]:
    """Every problem of a set of rules, by file and line."""
    found = [problem for rule in rules for problem in _alone(rule)]
    found += _never_decide(rules)
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def silent_rules(version: PolicyVersion) -> list[Problem]:
    """Warnings for standing rules that answer nothing, because a rule that they answer has changed."""
    marks = {rule.mark for rule in version.rules}
    return [
        _problem(
            rule, f"answers {', '.join(sorted(rule.answers - marks))}, and no rule reads so",
            "look at what has changed; it stays silent until it is written anew", error=False,
        )
        for rule in version.silent
    ]  # fmt: skip


def unknown_approvers(rules: Sequence[Rule], groups: Collection[str]) -> list[Problem]:
    """Warnings for approver groups that the directory does not have."""
    return [
        _problem(rule, f'asks the group "{name}", which nobody is in',
                 "add it to the principals, or name another group", error=False)
        for rule in rules
        for name in sorted(rule.approvers)
        if name.partition(":")[0] not in groups
    ]  # fmt: skip


def unknown_notified(rules: Sequence[Rule], groups: Collection[str]) -> list[Problem]:
    """Warnings for groups of `@notify` that the directory does not have."""
    return [
        _problem(rule, f'notifies the group "{rule.notify.group}", which nobody is in',
                 "add it to the principals, or name another group", error=False)
        for rule in rules
        if rule.notify is not None and rule.notify.group and rule.notify.group not in groups
    ]  # fmt: skip


def unheard(rules: Sequence[Rule], heard: Callable[[str], bool]) -> list[Problem]:
    """Warnings for rules that notify nobody.

    `heard` says whether a group's notices reach anybody; the empty name stands for everybody's.
    """
    return [
        _problem(rule, "notifies nobody: neither Slack nor a webhook would be told",
                 "set slack.default_channel or slack.channels, or a webhook whose kinds have notice; "
                 "or take @notify out", error=False)
        for rule in rules
        if rule.notify is not None and not heard(rule.notify.group)
    ]  # fmt: skip


def _alone(rule: Rule) -> Iterator[Problem]:
    if conditions.ANYTHING in rule.reads:
        yield _problem(rule, "uses the context as one whole", "read it by attribute: context.verb")
    if "approval" in rule.reads:
        misuse = conditions.approval_misuse(rule.est)
        if misuse:
            yield _problem(
                rule,
                misuse,
                "approval may only help: permit … when { context has approval && "
                'context.approval.groups.contains("dba") }, or the same in forbid … unless',
            )
    yield from _standing(rule)
    if rule.notify is not None and _never_told(rule):
        yield _problem(
            rule, "notifies nobody: of what it decides nothing is told",
            "told are openings of sessions, and whatever statements, commands, files and tunnels "
            "come to; take @notify out", error=False,
        )  # fmt: skip
    for attribute, name in _names(rule):
        pattern = _TABLE if attribute in _TABLES else _COLUMN
        if not pattern.fullmatch(name):
            shape = "schema.table" if attribute in _TABLES else "schema.table.column"
            yield _problem(
                rule,
                f'names "{name}" in {attribute}, which is never written so and would not match',
                f"write it as stored, in lower case: {shape}",
            )
    for attribute in sorted(rule.reads & NOT_SUPPLIED):
        yield _problem(
            rule,
            f"reads context.{attribute}, which nothing supplies yet",
            "the rule takes it as absent", error=False,
        )  # fmt: skip
    if rule.effect == "permit" and rule.est["principal"]["op"] == "All" and not _tests_who(rule):
        yield _problem(
            rule, "permits any principal", 'name a group: principal in Group::"engineers"',
            error=False,
        )  # fmt: skip


def _names(rule: Rule) -> Iterator[tuple[str, str]]:
    """Names of tables and columns, by attribute.

    A table's name as statements write it may stand beside its whole name: sets hold both.
    """
    for attribute, names in conditions.compared_with(rule.est["conditions"], _NAMED):
        whole = {name.partition(".")[2] for name in names if _TABLE.fullmatch(name)}
        yield from ((attribute, name) for name in names if name not in whole)


def _standing(rule: Rule) -> Iterator[Problem]:
    """What a standing rule must be, and what no other rule may read."""
    if not rule.standing:
        for attribute in sorted(rule.reads & STANDING)[:1]:
            yield _problem(
                rule,
                f"reads context.{attribute}, which only standing rules are given",
                "a standing rule is a permit that reads asked_by; leave it out of any other",
            )
        return
    if "approval" in rule.reads:
        yield _problem(
            rule, "is a standing rule and reads approval",
            "leave it out: what it permits is judged as approved by the groups that were to be asked",
        )  # fmt: skip
    if rule.notify is not None:
        yield _problem(
            rule, "is a standing rule and has @notify, by which nobody would be told",
            "write @notify to the rule that it answers",
        )  # fmt: skip
    scope = rule.est["principal"]
    if scope["op"] != "in" or scope["entity"].get("type") != "Group":
        yield _problem(
            rule, "is a standing rule for no group", 'name one: principal in Group::"engineers"'
        )
    if not rule.answers or not all(map(_MARK.fullmatch, rule.answers)):
        yield _problem(
            rule, "is a standing rule and does not say which rules it answers",
            'demand it: when { context has asked_by && context.asked_by == ["rule-id:0123456789ab"] '
            "&& … }, where the digits are the first 12 of the SHA-256 of that rule's text",
        )  # fmt: skip


def _never_told(rule: Rule) -> bool:
    """Whether it is for gatekeep's own actions alone, or refuses nothing but sessions."""
    head = rule.est["action"]
    listed = [head["entity"]] if "entity" in head else head.get("entities", [])
    names = {str(one.get("id", "")) for one in listed}
    quiet = {*GATEWAY_ACTIONS, "gateway", "session.replicate"}
    if rule.effect == "forbid":
        quiet.update(SESSION_ACTIONS)
    return bool(names) and names <= quiet


def _tests_who(rule: Rule) -> bool:
    return _mentions_principal(rule.est["conditions"])


def _mentions_principal(node: Any) -> bool:
    if isinstance(node, list):
        return any(_mentions_principal(one) for one in node)
    if not isinstance(node, dict):
        return False
    return node.get("Var") == "principal" or any(map(_mentions_principal, node.values()))


def _never_decide(rules: Sequence[Rule]) -> Iterator[Problem]:
    """Rules that are constant, repeat another one, or are covered by a rule without conditions."""
    seen: dict[str, Rule] = {}
    always: dict[str, Rule] = {}
    for rule in rules:
        if _constant(rule.est, value=False):
            yield _problem(rule, "can never match: its condition is false", "delete it", error=False)
            continue
        if not rule.est["conditions"]:
            always.setdefault(f"{rule.effect} {_head(rule)}", rule)
    for rule in rules:
        twin = seen.setdefault(f"{rule.effect} {_head(rule)} {rule.est['conditions']}", rule)
        wider = always.get(f"{rule.effect} {_head(rule)}")
        forbidden = always.get(f"forbid {_head(rule)}")
        if twin is not rule:
            yield _problem(rule, f"repeats rule {twin.id}", "delete one of them", error=False)
        elif wider is not None and wider is not rule:
            yield _problem(rule, f"is covered by rule {wider.id}", "delete it", error=False)
        elif rule.effect == "permit" and forbidden is not None:
            yield _problem(
                rule, f"is out of reach: rule {forbidden.id} always forbids it",
                "delete one of them", error=False,
            )  # fmt: skip


def _head(rule: Rule) -> str:
    return f"{rule.est['principal']} {rule.est['action']} {rule.est['resource']}"


def _constant(est: Any, *, value: bool) -> bool:
    """Whether a condition is literally false, so that the rule never matches."""
    return any(
        clause["body"] == {"Value": value if clause["kind"] == "when" else not value}
        for clause in est["conditions"]
    )


def _problem(rule: Rule, what: str, fix: str, *, error: bool = True) -> Problem:
    return Problem(rule.file, rule.line, rule.id, what, fix, error)
