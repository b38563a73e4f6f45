"""Two policy versions side by side: which rules differ, and which cases are decided otherwise.

Cases show what they cover and nothing else: what no case asks about is not known, and the words
here say so. Who may make a version rule is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatekeep.domain.decisions import Verdict
from gatekeep.errors import SettingsError
from gatekeep.policy.cases import CaseFile, CaseResult, FactsOf, run_cases
from gatekeep.policy.command_cases import ActionOf
from gatekeep.policy.difference import Difference, RuleChange, difference
from gatekeep.policy.engine import Engine
from gatekeep.policy.loading import load
from gatekeep.policy.rules import PolicyVersion

_ORDER: Final = (Verdict.DENY, Verdict.ASK, Verdict.ALLOW)
UNCOVERED: Final = "what no case covers is not known"


@dataclass(frozen=True, slots=True)
class Shift:
    """A case that the two versions decide otherwise."""

    before: CaseResult
    after: CaseResult

    @property
    def kind(self) -> str:
        """`loosened` (deny → ask or allow, ask → allow), `tightened`, or `asks others`."""
        step = _ORDER.index(self.after.decision.verdict) - _ORDER.index(
            self.before.decision.verdict
        )
        return "loosened" if step > 0 else "tightened" if step < 0 else "asks others"

    def words(self) -> str:
        """`orders/drop: deny → allow (rule a → rule b)`, for people."""
        old, new = self.before.decision, self.after.decision
        verdicts = f"{_asked(self.before)} → {_asked(self.after)}"
        rules = f"rule {old.rule or 'none'} → rule {new.rule or 'none'}"
        return f"{self.before.case.title}: {verdicts} ({rules})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`replayed` cases were asked under both versions; `skipped` says which files could not be."""

    old: PolicyVersion
    new: PolicyVersion
    rules: Difference
    shifts: tuple[Shift, ...]
    replayed: int
    skipped: tuple[str, ...] = ()

    @property
    def loosenings(self) -> tuple[str, ...]:
        """Why `new` may let more pass than `old`; empty when that is ruled out by proof."""
        changes = (
            f"{one.words()} ({_BEARINGS[one.bearing]})"
            for one in self.rules.changes
            if one.bearing.may_loosen
        )
        cases = (f"case {one.words()}" for one in self.shifts if one.kind == "loosened")
        return (*changes, *cases)

    def verdict(self) -> str:
        """In one sentence, what can be said of the whole."""
        if not self.rules.changes and not self.shifts:
            return "no rule differs"
        if self.loosenings:
            proven = any(one.kind == "loosened" for one in self.shifts)
            return "loosens: cases show it" if proven else "may loosen: not proven stricter"
        if all(one.bearing == "same" for one in self.rules.changes):
            return "decides as before: only words differ"
        return "tightens: every change is proven stricter"

    def summary(self) -> dict[str, Any]:
        """What an event says of it: ids, counts and reasons, no texts."""
        return {
            "added": self.rules.ids("added"),
            "removed": self.rules.ids("removed"),
            "changed": self.rules.ids("changed"),
            "loosens": list(self.loosenings),
            "cases": self.replayed,
        }

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "old": self.old.digest,
            "new": self.new.digest,
            "verdict": self.verdict(),
            "rules": [_rule_shown(one) for one in self.rules.changes],
            "kept": self.rules.kept,
            "files": list(self.rules.files),
            "loosens": list(self.loosenings),
            "cases": [_shift_shown(one) for one in self.shifts],
            "replayed": self.replayed,
            "skipped": list(self.skipped),
            "caveat": UNCOVERED,
        }


_BEARINGS: Final = {
    "same": "decides as before",
    "stricter": "proven stricter",
    "looser": "lets more pass",
    "unproven": "not proven stricter",
}


def compare(
    old: PolicyVersion,
    new: PolicyVersion,
    files: Sequence[CaseFile],
    facts_of: FactsOf,
    action_of: ActionOf | None = None,
) -> Comparison:
    """Compare rules by id, and ask every case of `files` under both versions."""
    shifts: list[Shift] = []
    skipped: list[str] = []
    replayed = 0
    for file in files:
        try:
            pairs = list(_replay(old, new, file, facts_of, action_of))
        except SettingsError as error:
            skipped.append(f"{file.file}: {error}")
            continue
        replayed += len(pairs)
        shifts += [Shift(*pair) for pair in pairs if _differs(*pair)]
    return Comparison(old, new, difference(old, new), tuple(shifts), replayed, tuple(skipped))


def bearing_words(change: RuleChange) -> str:
    """What is known of a change, for people."""
    return _BEARINGS[change.bearing]


def _replay(
    old: PolicyVersion,
    new: PolicyVersion,
    file: CaseFile,
    facts_of: FactsOf,
    action_of: ActionOf | None,
) -> Iterator[tuple[CaseResult, CaseResult]]:
    before, after = (
        run_cases(Engine(_with_rules(one, file), file.members), file.cases, facts_of, action_of)
        for one in (old, new)
    )
    return zip(before, after, strict=True)


def _with_rules(version: PolicyVersion, file: CaseFile) -> PolicyVersion:
    """The version with the rules that a case file brings for itself."""
    if not file.rules:
        return version
    return load({**version.texts, f"{file.file} (rules)": file.rules})


def _differs(before: CaseResult, after: CaseResult) -> bool:
    old, new = before.decision, after.decision
    return old.verdict is not new.verdict or set(old.approvers) != set(new.approvers)


def _asked(result: CaseResult) -> str:
    groups = " or ".join(" and ".join(one) for one in result.decision.approvers)
    return result.decision.verdict.value + (f" {groups}" if groups else "")


def _rule_shown(change: RuleChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "kind": change.kind,
        "effect": change.effect,
        "place": change.place,
        "bearing": change.bearing.value,
        "old": change.old.text if change.old else None,
        "new": change.new.text if change.new else None,
    }


def _shift_shown(shift: Shift) -> dict[str, Any]:
    return {
        "case": shift.before.case.title,
        "file": shift.before.case.file,
        "kind": shift.kind,
        "old": _decided(shift.before),
        "new": _decided(shift.after),
    }


def _decided(result: CaseResult) -> dict[str, Any]:
    decision = result.decision
    return {
        "verdict": decision.verdict.value,
        "rule": decision.rule,
        "approvers": [list(groups) for groups in decision.approvers],
    }
