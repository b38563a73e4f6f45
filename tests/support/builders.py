"""Short ways to build domain values in tests: everything has a sensible default."""

from __future__ import annotations

from typing import Any

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts
from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.targets import Account, Target, TargetKind
from gatekeep.gate.ports import Judgement

SESSION_ID = "5f" * 16


def principal(name: str = "alice", *groups: str) -> Principal:
    """A person in some groups (engineers unless told)."""
    return Principal(name, person=name, groups=frozenset(groups or ("engineers",)))


def target(name: str = "orders", **changes: Any) -> Target:
    """A Postgres target with the accounts app_ro and app_rw."""
    values: dict[str, Any] = {
        "name": name,
        "kind": TargetKind.POSTGRES,
        "host": "127.0.0.1",
        "port": 5432,
        "database": "shop",
        "accounts": {
            account: Account(account, f"env:{account.upper()}") for account in ("app_ro", "app_rw")
        },
        "environment": "prod",
    }
    return Target(**{**values, **changes})


def session(**changes: Any) -> Session:
    """A session of alice on orders as app_rw."""
    values: dict[str, Any] = {
        "id": SESSION_ID,
        "principal": principal(),
        "target": target(),
        "account": "app_rw",
        "protocol": "postgres",
        "database": "shop",
    }
    return Session(**{**values, **changes})


def facts(sql_class: SqlClass = SqlClass.READ, verb: str = "SELECT", **changes: Any) -> SqlFacts:
    """Facts of one statement."""
    values: dict[str, Any] = {"redacted": f"{verb} …", "template": f"{verb} $1:int"}
    return SqlFacts(sql_class, verb, **{**values, **changes})


def action(text: str = "SELECT 1", *known: SqlFacts, mode: str = "simple") -> SqlAction:
    """One execution of a text, a proven read unless facts say otherwise."""
    return SqlAction(mode=mode, text=text, facts=known or (facts(),), redacted=text)


def judgement(verdict: Verdict = Verdict.ALLOW, rule: str = "", reason: str = "") -> Judgement:
    """A judgement with small evidence."""
    rule = rule or f"rule-{verdict.value}"
    decision = Decision(verdict, rule, reason or "Because the test says so.", "abcdef012345")
    return Judgement(
        decision,
        b'{"action":"sql.read"}',
        b'{"rule":"%b","verdict":"%b"}' % (rule.encode(), verdict.value.encode()),
        b'{"decision":"%b","rule":"%b"}' % (verdict.value.encode(), rule.encode()),
    )
