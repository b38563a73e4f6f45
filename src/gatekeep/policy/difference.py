"""What differs between two policy versions, rule by rule, by `@id`.

Where a rule stands, in which file and on which line, is no difference of the rule. What a
difference means for decisions is `comparison`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gatekeep.policy.rules import PolicyVersion, Rule
from gatekeep.policy.strictness import Bearing, asks_without_groups, bearing


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule that is not as it was: `old` is None for an added one, `new` for a removed one."""

    id: str
    old: Rule | None
    new: Rule | None
    bearing: Bearing

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.old is None else "removed" if self.new is None else "changed"

    @property
    def effect(self) -> str:
        """`permit` or `forbid`, as it is now."""
        rule = self.new or self.old
        return rule.effect if rule else ""

    @property
    def place(self) -> str:
        """`file:line` where it stands, or stood."""
        rule = self.new or self.old
        return f"{rule.file}:{rule.line}" if rule else ""

    def words(self) -> str:
        """`removed forbid prod-no-drop`, for people."""
        return f"{self.kind} {self.effect} {self.id}"

    def unified(self) -> list[str]:
        """The rule's text in unified form: one block, every line of both."""
        before = self.old.text.splitlines() if self.old else []
        after = self.new.text.splitlines() if self.new else []
        lines = difflib.unified_diff(
            before, after, _heading(self.old), _heading(self.new), lineterm="", n=len(before)
        )
        return [line for line in lines if not line.startswith("@@")]


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, by id; `kept` is the number of rules that are as they were.

    `files` are the names of files whose text differs, also where only comments do.
    """

    changes: tuple[RuleChange, ...]
    kept: int
    files: tuple[str, ...]

    def ids(self, kind: str) -> list[str]:
        """The ids of all rules `added`, `removed` or `changed`."""
        return [change.id for change in self.changes if change.kind == kind]


def difference(old: PolicyVersion, new: PolicyVersion) -> Difference:
    """What `new` has otherwise than `old`."""
    before = {rule.id: rule for rule in old.all_rules}
    after = {rule.id: rule for rule in new.all_rules}
    awake = [rule.answers for rule in new.standing if rule not in new.silent]
    changes = tuple(_changes(before, after, awake))
    kept = len(after.keys() & before.keys()) - sum(one.kind == "changed" for one in changes)
    return Difference(changes, kept, tuple(_files(old.texts, new.texts)))


def _changes(
    before: Mapping[str, Rule], after: Mapping[str, Rule], awake: Sequence[frozenset[str]]
) -> Iterator[RuleChange]:
    unsure = asks_without_groups((*before.values(), *after.values()))
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is not None and new is not None and old.text == new.text:
            continue
        found = bearing(old, new)
        if unsure and new is not None and new.approvers and found is Bearing.STRICTER:
            found = Bearing.UNPROVEN
        if not found.may_loosen and _may_wake(old, new, awake, found):
            found = Bearing.UNPROVEN
        yield RuleChange(name, old, new, found)


def _may_wake(
    old: Rule | None, new: Rule | None, awake: Sequence[frozenset[str]], found: Bearing
) -> bool:
    """Whether a standing rule might answer now what it did not: the set of rules that ask is another.

    It is, where a permit no longer takes part, and where a rule reads as a standing rule wants it.
    """
    if new is not None and any(new.mark in marks for marks in awake):
        return True
    lost = old is not None and old.effect == "permit" and not old.standing
    return bool(awake) and lost and found is Bearing.STRICTER


def _files(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    return (name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))


def _heading(rule: Rule | None) -> str:
    return f"{rule.id} {rule.file}:{rule.line}" if rule else "/dev/null"
