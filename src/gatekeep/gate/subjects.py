"""From actions and their judgements to what people are asked: the whole text, the facts, and why.

Words for people live in `messages`; here is only which facts they are made of.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gatekeep.domain.actions import SqlAction, SqlClass, SqlFacts, WhereClause
from gatekeep.domain.approvals import Place, RequestKind, Scope, Subject, Why
from gatekeep.domain.commands import (
    AGENT_FORWARD,
    OPAQUE,
    SHELL,
    TUNNEL_LISTEN,
    TUNNEL_OPEN,
    CommandFacts,
    SshAction,
)
from gatekeep.domain.decisions import Decision
from gatekeep.domain.grants import Slot
from gatekeep.domain.sessions import Session
from gatekeep.gate.command_evidence import verbs_of as programs_of
from gatekeep.gate.evidence import strictest_class
from gatekeep.gate.fitness import verbs_of

_TEMPLATE_CLASSES: Final = frozenset({SqlClass.READ, SqlClass.WRITE})
_HIGH: Final = frozenset({"high", "critical"})
_MOST_SETS: Final = 16
_OPENS_OPAQUE: Final = "opens_opaque"
_SCRIPTS: Final = ("script_sha256", "pinned")
_RISKS: Final = ("", "low", "moderate", "high", "critical")

Action = SqlAction | SshAction


def place_of(session: Session) -> Place:
    """Who asks, and where."""
    principal = session.principal
    return Place(
        principal.name, principal.person, session.target.name, session.account,
        owner=principal.owner, database=session.database, source=session.source,
        session=session.id, session_code=session.code, groups=principal.groups,
    )  # fmt: skip


def why_of(decisions: Sequence[Decision]) -> Why:
    """Why policy asks about all of these: who may release every one of them at once.

    The words are those of the first; the risk is the highest.
    """
    first = decisions[0]
    sets = [one.approvers for one in decisions]
    return Why(
        rule=first.rule, reason=first.reason, policy=first.policy, approvers=together(sets),
        title=first.title, owner=first.owner,
        risk=max((one.risk for one in decisions), key=_RISKS.index, default=""),
    )  # fmt: skip


def together(sets: Sequence[Sequence[Sequence[str]]]) -> tuple[tuple[str, ...], ...]:
    """Sets of groups that each release all of several actions, out of the sets of each."""
    distinct = list(dict.fromkeys(tuple(tuple(one) for one in each) for each in sets))
    if len(distinct) == 1:
        return distinct[0]
    joined: dict[tuple[str, ...], None] = {}
    for chosen in itertools.islice(itertools.product(*distinct), _MOST_SETS):
        seats: dict[str, int] = {}
        for group in itertools.chain.from_iterable(chosen):
            name, _, count = group.partition(":")
            seats[name] = max(seats.get(name, 0), int(count or 1))
        joined[tuple(sorted(n if c == 1 else f"{n}:{c}" for n, c in seats.items()))] = None
    return tuple(joined)


def around_of(session: Session, around: Mapping[str, str]) -> dict[str, str]:
    """What decides how something is read there, and by whom: part of what a grant is bound to."""
    target = session.target
    return {"database": session.database, "address": f"{target.host}:{target.port}", **around}


def exact_of(actions: Sequence[Action]) -> str:
    """SHA-256 (hex) of all that the target would get, each part with its length.

    With a statement go its values, and the text behind the name that it executes; with a command
    the way it runs, and the script that it is given.
    """
    hashed = hashlib.sha256()
    for one in actions:
        parts = _sql_parts(one) if isinstance(one, SqlAction) else _ssh_parts(one)
        for part in (str(len(parts)), *parts):
            data = part.encode("utf-8", "surrogatepass")
            hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()


def _sql_parts(action: SqlAction) -> list[str]:
    values = (
        f"{value.oid} {value.sha256} {'NULL' if value.text is None else f'={value.text}'}"
        for value in action.parameters
    )
    return [action.text, *values, *(f"from {fact.source}" for fact in action.facts if fact.takes)]


def _ssh_parts(action: SshAction) -> list[str]:
    return [action.text, action.mode, *(str(action.details.get(name, "")) for name in _SCRIPTS)]


def sql_subject(actions: Sequence[SqlAction], risk: str) -> Subject:
    """Statements that wait as one: everything that would run is in the text."""
    facts = [fact for one in actions for fact in one.facts]
    shown: dict[str, Any] = {
        "class": strictest_class(tuple(facts)),
        "columns": _union(fact.columns for fact in facts),
        "functions": _union(fact.functions for fact in facts),
        "mode": actions[0].mode,
        "scopes": _scopes(actions, facts, risk),
        "tables_read": _union(fact.tables_read for fact in facts),
        "tables_written": _union(fact.tables_written for fact in facts),
        "unproven": "; ".join(fact.unproven for fact in facts if fact.unproven),
        "where": [f.where.value for f in facts if f.where is not WhereClause.NOT_APPLICABLE],
    }
    unbound = ["the rows that it meets when it runs"]
    if any(fact.copy_target for fact in facts):
        unbound.append("the rows that COPY moves")
    if any(not fact.functions_complete for fact in facts):
        unbound.append("what the code that it calls does")
    return Subject(
        RequestKind.STATEMENT,
        verbs_of(facts),
        "\n".join(_with_values(one) for one in actions),
        "; ".join(fact.template for fact in facts),
        redacted=any(
            one.redacted != one.text or any(value.secret for value in one.parameters)
            for one in actions
        ),
        facts=shown,
        tags=frozenset().union(*(fact.tags for fact in facts), *(one.tags for one in actions)),
        unbound=tuple(unbound),
        statements=len(facts),
    )


def command_subject(action: SshAction, risk: str) -> Subject:
    """One action over SSH."""
    commands = [fact for fact in action.facts if isinstance(fact, CommandFacts)]
    shown: dict[str, Any] = {
        "assurance": action.assurance.value,
        "class": action.facts[0].action if action.facts else action.mode,
        "details": dict(action.details),
        "mode": action.mode,
        "paths": _union(fact.paths for fact in commands),
        "programs": [fact.program for fact in commands if fact.program],
        "resolved": action.resolved,
        "scopes": [Scope.SESSION.value] if _may_run_again(action, risk) else [],
    }
    kind = _kind(action)
    unbound = {
        RequestKind.SHELL: ("what is typed into the shell",),
        RequestKind.TUNNEL: ("what passes through the tunnel",),
        RequestKind.FILE: ("the content of the file",),
    }.get(kind, ("the contents of the files that it names",))
    return Subject(
        kind,
        programs_of(action),
        action.command,
        f"exact:{action.digest}" if action.digest else f"exact:{exact_of([action])}",
        redacted=action.command != action.text and bool(action.text),
        facts=shown,
        tags=frozenset().union(action.tags, *(fact.tags for fact in action.facts)),
        unbound=unbound,
    )


def _may_run_again(action: SshAction, risk: str) -> bool:
    """Whether leave for the session may reach its like: not where nobody knows what would run."""
    opaque = not action.resolved or any(fact.action == OPAQUE for fact in action.facts)
    tags = action.tags.union(*(fact.tags for fact in action.facts))
    return risk not in _HIGH and not opaque and _OPENS_OPAQUE not in tags


def _kind(action: SshAction) -> RequestKind:
    first = action.facts[0].action if action.facts else ""
    if action.mode == "line":
        return RequestKind.LINE
    if first in (TUNNEL_OPEN, TUNNEL_LISTEN):
        return RequestKind.TUNNEL
    if first == SHELL:
        return RequestKind.SHELL
    if first.startswith("sftp.") and action.mode in ("sftp", "scp"):
        return RequestKind.FILE
    return RequestKind.SHELL if first == AGENT_FORWARD else RequestKind.COMMAND


def _scopes(actions: Sequence[SqlAction], facts: Sequence[SqlFacts], risk: str) -> list[str]:
    """How far an approval may reach beside once. Only what is well understood may repeat."""
    alone = len(actions) == len(facts) == 1
    scopes: list[str] = []
    if (
        alone
        and facts[0].sql_class in _TEMPLATE_CLASSES
        and facts[0].where is WhereClause.PRESENT
        and facts[0].template
        and not facts[0].template.startswith("exact:")
    ):
        scopes.append(Scope.TEMPLATE.value)
    if risk not in _HIGH and all(fact.sql_class in _TEMPLATE_CLASSES for fact in facts):
        scopes.append(Scope.SESSION.value)
    return scopes


def _with_values(action: SqlAction) -> str:
    if not action.parameters:
        return action.redacted
    values = (
        f"-- ${number} = '***'" if value.secret
        else f"-- ${number} = {value.text!r}" if not value.sha256 and value.text is not None
        else f"-- ${number} = NULL" if not value.sha256
        else f"-- ${number} = {value.length} bytes, SHA-256 {value.sha256}"
        for number, value in enumerate(action.parameters, 1)
    )  # fmt: skip
    return "\n".join((action.redacted, *values))


def _union(sets: Iterable[frozenset[str]]) -> list[str]:
    names: set[str] = set()
    for one in sets:
        names |= one
    return sorted(names)


def with_slots(subject: Subject, slots: Sequence[Slot]) -> Subject:
    """The subject with the values of its template among its facts, for whoever may free some.

    Not where something was redacted: a value might be what nobody may read.
    """
    if not slots or subject.redacted:
        return subject
    listed = [dataclasses.asdict(slot) for slot in slots]
    return dataclasses.replace(subject, facts={**subject.facts, "slots": listed})
