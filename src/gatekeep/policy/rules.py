"""What a loaded policy is made of: rules, the version that holds them, and problems with files.

Values only; how they come to be is `loading`, what they decide is `engine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeep.domain.decisions import NoticeRule
from gatekeep.errors import SettingsError

NOTIFY: Final = "notify"
"""The obligation that people hear of what a rule decides."""
_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a policy file. `error` is false for a warning, which loads."""

    file: str
    line: int
    rule: str
    what: str
    fix: str
    error: bool = True

    def sentence(self) -> str:
        """`file:line: rule x: what`, for people."""
        rule = f" rule {self.rule}:" if self.rule else ""
        return f"{self.file}:{self.line}:{rule} {self.what}"

    def as_error(self) -> SettingsError:
        """The same as an error that names file, line, rule and fix."""
        key = f"rule {self.rule}" if self.rule else "policy"
        return SettingsError(self.what, file=f"{self.file}:{self.line}", key=key, fix=self.fix)


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy as loaded. `line` is where it begins in `file`; `est` is Cedar's JSON form of it.

    `reads` are the attributes of the context that its conditions read; `obligations` are
    written `record` or `notify:dba`; `approvers` are the groups it accepts approval from, `answers`
    the marks of the rules that a standing rule answers.
    """

    id: str
    effect: str
    file: str
    line: int
    text: str
    est: Mapping[str, Any] = field(repr=False, compare=False)
    reads: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    obligations: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    title: str = ""
    why: str = ""
    owner: str = ""
    risk: str = ""

    @property
    def reason(self) -> str:
        """What people are told: the `@why`, else the `@title`."""
        return self.why or self.title

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the SHA-256 of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:_SHOWN_DIGITS]

    @property
    def mark(self) -> str:
        """`id:digest`: this rule, as long as it reads so."""
        return f"{self.id}:{self.digest}"

    @property
    def notify(self) -> NoticeRule | None:
        """Whose channel wants to hear of what it decides; None where nobody does."""
        for one in self.obligations:
            name, _, group = one.partition(":")
            if name == NOTIFY:
                return NoticeRule(self.id, self.mark, self.title, group)
        return None

    @property
    def standing(self) -> bool:
        """Whether it answers in place of people what another rule asks them (see `engine`)."""
        return self.effect == "permit" and "asked_by" in self.reads


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A set of rules that passed every check, named by its digest.

    `digest` is the SHA-256, 64 hex digits, over the names and texts of all files and the schema.
    `reads` are the context attributes that any rule reads, `forbid_reads` those of forbids.
    `texts` are the files it was made of, by name. `standing` rules are kept apart from `rules`:
    they take no part in a decision, and are asked only where it is *ask*.
    """

    digest: str
    rules: tuple[Rule, ...]
    reads: frozenset[str]
    forbid_reads: frozenset[str]
    warnings: tuple[Problem, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    standing: tuple[Rule, ...] = ()

    @property
    def name(self) -> str:
        """The digest as shown and recorded: its first 12 digits."""
        return self.digest[:_SHOWN_DIGITS]

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id, if there is one."""
        return next((one for one in self.all_rules if one.id == rule_id), None)

    @property
    def silent(self) -> tuple[Rule, ...]:
        """Standing rules that answer a rule which is not here, or reads otherwise now."""
        marks = {rule.mark for rule in self.rules}
        return tuple(rule for rule in self.standing if not rule.answers <= marks)

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Its rules and its standing rules."""
        return (*self.rules, *self.standing)
