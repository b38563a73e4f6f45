"""Decisions: allow, deny or ask, and why. A decision explains itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.StrEnum):
    """What the policy says of one action."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class NoticeRule:
    """A rule whose decisions people want to hear of (`@notify`).

    `mark` is its `id:digest`; `group` is whose channel is told, empty for the default one.
    """

    rule: str
    mark: str
    title: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's answer, with the words that client, approver and journal all get.

    `rule` is the `@id` of the determining rule (empty when nothing permitted it), `title` and
    `why` its annotations, `owner` who answers for it. `approvers` are the smallest sets of
    groups any one of which may release an asked action, each written `group` or `group:2`.
    `policy` is the policy version (first 12 hex digits of its digest, or more). `risk` is the
    highest `@risk` among the determining rules. `notify` are those of them that want it told.
    """

    verdict: Verdict
    rule: str
    reason: str
    policy: str
    title: str = ""
    owner: str = ""
    approvers: tuple[tuple[str, ...], ...] = ()
    obligations: frozenset[str] = frozenset()
    rules: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    risk: str = ""
    notify: tuple[NoticeRule, ...] = ()
