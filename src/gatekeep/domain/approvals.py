"""Approval requests and votes: what waits for a person, who said what, and how it ended.

The table of states stands in docs/approvals.md; `gate.approval_desk` owns every change of them.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ID_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Digits of a request's id: none that is taken for another when it is read aloud or typed."""
ID_DIGITS: Final = 4
BINDING_VERSION: Final = 1


class RequestState(enum.StrEnum):
    """Where a request stands. All but PENDING are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class RequestKind(enum.StrEnum):
    """What is asked for: something that is held in place, or leave ahead of time (ACCESS)."""

    STATEMENT = "statement"
    COMMAND = "command"
    SHELL = "shell"
    LINE = "line"
    FILE = "file"
    TUNNEL = "tunnel"
    ACCESS = "access"


class VoteVerdict(enum.StrEnum):
    """What a vote says."""

    APPROVE = "approve"
    DENY = "deny"


class Scope(enum.StrEnum):
    """How far an approval reaches. ONCE: exactly what was asked, one time.

    TEMPLATE: the same statement with the same values (but for those that were freed), for a time.
    SESSION: what the same rule asks of the same verb, until the session ends. ACCESS: whatever
    the approving groups may release on the target, for a time.
    """

    ONCE = "once"
    TEMPLATE = "template"
    SESSION = "session"
    ACCESS = "access"


@dataclass(frozen=True, slots=True)
class Binding:
    """What an approval is bound to (12-threats H4): named fields, each as text.

    Values that may be long or hold secrets are digests already. Two bindings are equal when every
    field is; `digest` is taken over a length-prefixed, versioned encoding, so that no two
    different bindings are encoded alike.
    """

    fields: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """SHA-256, 64 hex digits."""
        hashed = hashlib.sha256(b"gatekeep approval binding %d\0" % BINDING_VERSION)
        for name, value in self.fields:
            for part in (name.encode(), value.encode("utf-8", "surrogatepass")):
                hashed.update(len(part).to_bytes(8, "big"))
                hashed.update(part)
        return hashed.hexdigest()

    def changed(self, now: Binding) -> Iterator[str]:
        """The names of the fields that differ now, in order."""
        before, after = dict(self.fields), dict(now.fields)
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name):
                yield name


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's word on one request.

    `groups` are those that the person counts for, `delegator` whose place he takes (empty: his
    own). `via` is the door: slack, web, cli, api or webhook. `mfa`: a second factor was shown for
    this very vote. `freed` are the slots of the template that he lets hold other values, `for_s`
    how many seconds leave of a wider scope is to last.
    """

    principal: str
    person: str
    verdict: VoteVerdict
    via: str
    at_us: int
    reason: str = ""
    groups: frozenset[str] = frozenset()
    mfa: bool = False
    scope: Scope = Scope.ONCE
    delegator: str = ""
    freed: tuple[int, ...] = ()
    for_s: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for, as people see it and as the journal keeps it.

    `text` is the whole of it with secrets replaced; `redacted` is true when something was.
    `verb` is the few words of a headline (`DELETE`, `systemctl`), `template` what repeats have in
    common. `facts` are plain JSON values about it (tables, where, class, tags, assurance …).
    `unbound` names what an approval cannot hold fast (rows met at release, contents of files).
    `statements` counts how many the segment or script holds.
    """

    kind: RequestKind
    verb: str
    text: str
    template: str
    redacted: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    unbound: tuple[str, ...] = ()
    statements: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Who asks, and from where to where. `session` is empty for a request ahead of time."""

    principal: str
    person: str
    target: str
    account: str
    owner: str = ""
    database: str = ""
    source: str = ""
    session: str = ""
    session_code: str = ""
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Why:
    """Why policy asks: the rule, its words, its risk, and the smallest sets of groups that release.

    `extra` is how many votes more than usual it takes, because the same was denied lately by
    `denier` (a person); his own approval stands in for the extra one.
    """

    rule: str
    reason: str
    policy: str
    approvers: tuple[tuple[str, ...], ...]
    title: str = ""
    risk: str = ""
    owner: str = ""
    extra: int = 0
    denier: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One request, whole. Times are microseconds UTC; 0 where something has not happened.

    `digest` is that of its binding. `sight` is what was found out for the approver when it was
    asked (estimates, locks, history). `decided_by` is the principal who decided (empty: time, or
    the requester). `outcome` tells what became of an approved one: `released`, `void: <field>`,
    later the target's own word. `settled` turns true once the event of its decision is durable:
    until then the decision was not made.
    """

    id: str
    place: Place
    subject: Subject
    why: Why
    digest: str
    created_us: int
    open_until_us: int
    state: RequestState = RequestState.PENDING
    reason: str = ""
    in_transaction: bool = False
    votes: tuple[Vote, ...] = ()
    scope: Scope = Scope.ONCE
    grant_s: int = 0
    starts_us: int = 0
    escalated: tuple[str, ...] = ()
    decided_us: int = 0
    decided_by: str = ""
    decision_reason: str = ""
    outcome: str = ""
    settled: bool = False
    sight: Mapping[str, Any] = field(default_factory=dict)

    @property
    def high_risk(self) -> bool:
        """Whether an approval takes a second factor."""
        return self.why.risk in {"high", "critical"}

    @property
    def approving(self) -> tuple[Vote, ...]:
        """The votes for it."""
        return tuple(vote for vote in self.votes if vote.verdict is VoteVerdict.APPROVE)


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approval is to policy: the context that a rule may read.

    `kind` is vote, grant, access, break_glass or adopted (nobody was asked: `grant` is then the id
    of a standing rule); `groups` are written `dba` and `dba:2`; `age_s` counts from the last vote.
    `request` and `grant` name where it comes from.
    """

    kind: str
    groups: frozenset[str]
    mfa: bool
    age_s: int
    request: str = ""
    grant: str = ""
