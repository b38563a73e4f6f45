"""The worked example of the feedback loop as evidence: 90 days of restarts on production web servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from gatekeep.domain.actions import SqlClass, SqlFacts, WhereClause
from gatekeep.domain.decisions import Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.likeness import Likeness, LikeSlot
from gatekeep.domain.suggestions import (
    DAY_US,
    EvidenceVector,
    SlotBound,
    SlotScope,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
)
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.feedback.deeds import Answer, Deed, Evidence, Passed, PassedKey, Where
from gatekeep.policy.command_request import command_request_json
from gatekeep.policy.loading import load
from gatekeep.policy.request import Place, sql_request_json
from gatekeep.policy.rules import PolicyVersion
from gatekeep.protocols.ssh.commands.command import command_action
from gatekeep.protocols.ssh.commands.likeness import command_likeness

START_US = 1_790_000_000_000_000
NOW_US = START_US + 90 * DAY_US
RULES = """
@id("looks") permit (principal in Group::"sre", action == Action::"ssh.exec", resource)
when { context.argv.contains("/etc/motd") };
@id("prod-systemctl") @why("services of production are restarted by two") @risk("low")
permit (principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("leads") };
@id("prod-writes") @why("changes of production are seen by two") @risk("low")
permit (principal in Group::"sre", action in [Action::"sql.write", Action::"sql.read"], resource in Environment::"prod")
when { context has approval && context.approval.groups.contains("leads") };
@id("no-tautology") @why("never") forbid (principal, action in Action::"sql", resource)
when { context.where == "tautology" && context.account == Account::"app_ro" };
@id("no-sudo") @why("never") forbid (principal, action == Action::"ssh.exec", resource)
when { context.argv.contains("sudo") };
"""
MEMBERS = {
    "leads": frozenset({"lea", "leo", "lin", "lou"}),
    "sre": frozenset({"ann", "ben", "cat", "dan", "eve", "fay"}),
}
PEOPLE = ("ann", "ben", "cat", "dan", "eve", "fay")
NGINX = "systemctl restart nginx"


def version(rules: str = RULES, adopted: str = "") -> PolicyVersion:
    """Today's policy."""
    return load({"rules.cedar": rules, **({"adopted.cedar": adopted} if adopted else {})})


def where(person: str = "ann", target: str = "web-1", **changes: Any) -> Where:
    """Somebody of sre as deploy on a web server of production."""
    values: dict[str, Any] = {
        "principal": person, "person": person, "groups": frozenset({"sre"}), "owner": "",
        "target": target, "kind": "ssh", "environment": "prod",
        "labels": frozenset({"role=web"}), "account": "deploy", "database": "",
    }  # fmt: skip
    return Where(**{**values, **changes})


def on_orders(person: str = "ann") -> Where:
    """Somebody of sre on the orders' database."""
    return where(
        person, "orders", kind="postgres", labels=frozenset({"team=shop"}), account="app_rw", database="shop"
    )


def command_deed(
    n: int, at_us: int, text: str = NGINX, at: Where | None = None, **changes: Any
) -> Deed:
    """A command that was asked about, approved unless told otherwise."""
    at = at or where()
    act = command_action(text)
    principal = Principal(at.principal, at.person, at.groups, at.owner)
    target = Target(
        at.target, TargetKind.SSH, "", 0, environment=at.environment, labels=at.labels
    )
    request = orjson.loads(command_request_json(Place(principal, target, at.account), act, None))
    deed = Deed(
        n=n, at_us=at_us, where=at, action="ssh.exec", verb=(text.split() or [""])[0], text=text,
        tags=frozenset(tag for fact in act.facts for tag in fact.tags), assurance="exact",
        surely=act.resolved, likeness=command_likeness(act.command, act.facts), tables_read=(),
        tables_written=(), request=request, verdict=Verdict.ASK, rules=("prod-systemctl",),
        policy="", risk="low", answer=Answer.APPROVED, approvers=("lea",),
    )  # fmt: skip
    return replace(deed, **changes)


def _day(number: int) -> int:
    """27 of them on the first 60 days, 14 on the last 29."""
    return number * 60 // 27 if number < 27 else 61 + (number - 27) * 2


def sql_deed(
    n: int, at_us: int, values: Sequence[str] = ("7",), at: Where | None = None, **changes: Any
) -> Deed:
    """A change of one order's state, asked about and approved unless told otherwise."""
    at = at or on_orders()
    template = " AND ".join(
        ["UPDATE public . orders SET state = 'x' WHERE id = $1:int", *(
            f"part = ${number}:int" for number in range(2, len(values) + 1)
        )]
    )  # fmt: skip
    facts = SqlFacts(
        SqlClass.WRITE, "UPDATE", "", template, tables_read=frozenset({"public.orders"}),
        tables_written=frozenset({"public.orders"}), where=WhereClause.PRESENT, tags=frozenset({"writes"}),
    )  # fmt: skip
    principal = Principal(at.principal, at.person, at.groups, at.owner)
    target = Target(at.target, TargetKind.POSTGRES, "", 0, environment=at.environment, labels=at.labels)
    place = Place(principal, target, at.account, at.database)
    request = orjson.loads(sql_request_json(place, [facts], "simple", None))
    deed = Deed(
        n=n, at_us=at_us, where=at, action="sql.write", verb="UPDATE", text=template,
        tags=frozenset({"writes"}), assurance="", surely=True,
        likeness=Likeness(template, tuple(LikeSlot("int", value) for value in values)),
        tables_read=("public.orders",), tables_written=("public.orders",), request=request,
        verdict=Verdict.ASK, rules=("prod-writes",), policy="", risk="low", answer=Answer.APPROVED,
        approvers=("lea",),
    )  # fmt: skip
    return replace(deed, **changes)


def example() -> list[Deed]:
    """41 approved restarts of nginx, 9 of php-fpm, and what was denied beside them."""
    deeds = [
        command_deed(
            100 + number, START_US + _day(number) * DAY_US, NGINX,
            where(PEOPLE[number % 6], f"web-{1 + number % 2}"), approvers=(("lea", "leo", "lin", "lou")[number % 4],),
        )
        for number in range(41)
    ]  # fmt: skip
    deeds += [
        command_deed(200 + number, START_US + number * 9 * DAY_US, "systemctl restart php-fpm")
        for number in range(9)
    ]
    deeds += [
        command_deed(300, START_US + DAY_US, "systemctl restart sshd", answer=Answer.DENIED),
        command_deed(301, START_US + 70 * DAY_US, "systemctl restart sshd", answer=Answer.DENIED),
        command_deed(302, START_US + 80 * DAY_US, "systemctl stop postgresql", answer=Answer.DENIED),
    ]
    return deeds


def evidence(
    deeds: Sequence[Deed] | None = None, passed: dict[PassedKey, Passed] | None = None
) -> Evidence:
    """It as the loop knows it, over 90 days."""
    found = example() if deeds is None else deeds
    return Evidence(
        deeds=sorted(found, key=lambda one: one.at_us), passed=passed or {}, rules={},
        break_glass=(), first_us=START_US, until_us=NOW_US, next_n=10_000, verified=True,
    )  # fmt: skip


def standing_rule(
    over: PolicyVersion,
    condition: str = "",
    *,
    templates: Sequence[str] = (NGINX,),
    head: str = 'principal in Group::"sre", action == Action::"ssh.exec", resource in Environment::"prod"',
    targets: Sequence[str] = ("web-1", "web-2"),
    source: str = "prod-systemctl",
    days: int = 90,
) -> str:
    """A standing rule as the loop writes it; `condition` replaces what follows the day."""
    rule = over.rule(source)
    assert rule is not None
    listed = ", ".join(f'Target::"{one}"' for one in targets)
    quoted = ", ".join(f'"{one}"' for one in templates)
    usual = (
        f'resource in Label::"role=web" && [{listed}].contains(resource) && '
        'context.account == Account::"deploy" && context.complete && context.resolved && '
        f'context.assurance == "exact" && context has template && [{quoted}].contains(context.template)'
    )
    return (
        '@id("adopted-3f9a12bc") @title("Let sre restart nginx") @why("41 of 41 approved")\n'
        f'permit ({head})\nwhen {{ context has asked_by && context.asked_by == ["{rule.mark}"] && '
        f"context has day && context.day < {NOW_US // DAY_US + days} && {condition or usual} }};\n"
    )


def suggestion(rule: str, over: PolicyVersion | None = None, **changes: Any) -> Suggestion:
    """The suggestion of the worked example with this rule."""
    over = over or version()
    source = over.rule("prod-systemctl")
    assert source is not None
    scope = SuggestionScope(
        group="sre", action="ssh.exec", environment="prod", targets=("web-1", "web-2"),
        account="deploy", labels=("role=web",), templates=(NGINX,), verb="systemctl",
    )  # fmt: skip
    values: dict[str, Any] = {
        "id": "S-3f9a12bc", "kind": SuggestionKind.RELAX, "title": "Let sre restart nginx",
        "sources": (SourceRule(source.id, source.digest),), "scope": scope,
        "vector": EvidenceVector(asked=41, approved=41), "score": 0.9, "saves_per_week": 3.4,
        "wait_s_per_week": 1360.0, "evidence_root": "", "events": (), "risk": "low", "rule": rule,
        "rule_id": "adopted-3f9a12bc",
    }  # fmt: skip
    return Suggestion(**{**values, **changes})


def free_slot(bound: SlotBound, *values: str) -> SlotScope:
    """What one slot may hold."""
    return SlotScope(bound, values)
