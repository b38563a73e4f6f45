"""What every kind of suggestion asks of the evidence: whose person, since when, which groups.

Made once for a run. Reads evidence and rules; suggests nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from gatekeep.domain.suggestions import DAY_US, SourceRule
from gatekeep.feedback.deeds import Answer, Deed, Evidence, Where
from gatekeep.policy.rules import PolicyVersion, Rule

WINDOW_DAYS: Final = 90
"""How far back approvals are mined. What people denied counts for ever."""
WINDOW_US: Final = WINDOW_DAYS * DAY_US
WEEK_DAYS: Final = 7
_RISKS: Final = ("", "low", "moderate", "high", "critical")
APART_US: Final = DAY_US // 2
"""Two days are two where so much lies between them: midnight alone makes none of one evening."""
UNKNOWN_RISK: Final = "critical"
"""A word that is no risk we know is taken for the worst."""


class Ground:
    """Evidence, rules and the time of asking, with what is looked up again and again."""

    def __init__(self, evidence: Evidence, version: PolicyVersion, now_us: int) -> None:
        self.evidence = evidence
        self.version = version
        self.now_us = now_us
        self.deeds: Sequence[Deed] = _in_order(evidence.deeds)
        self.rules: dict[str, Rule] = {rule.id: rule for rule in version.rules}
        self._persons: dict[int, str] = {}
        self._approvers: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        # By identity, since places are shared by many deeds; `deeds` keeps every one of them alive.
        self._since: dict[tuple[str, ...], int | None] = {}
        self._of_principal: dict[str, str] = {}
        self._in_group: dict[str, set[str]] = defaultdict(set)
        self._labels: dict[str, frozenset[str]] = {}
        for deed in self.deeds:
            if id(deed.where) not in self._persons:
                self._meet(deed.where)
            self._labels[deed.where.target] = deed.where.labels

    def _meet(self, where: Where) -> None:
        person = natural_person(where)
        self._persons[id(where)] = person
        if self._of_principal.setdefault(where.principal, person) > person:
            self._of_principal[where.principal] = person
        for group in where.groups:
            self._in_group[group].add(person)

    def person(self, deed: Deed) -> str:
        """The natural person behind a deed; a machine's is its owner."""
        found = self._persons.get(id(deed.where))
        return natural_person(deed.where) if found is None else found

    def labels(self, target: str) -> frozenset[str]:
        """The labels of a target as last seen."""
        return self._labels.get(target, frozenset())

    def as_labelled(self, deed: Deed) -> bool:
        """Whether its target bears no label now, as last seen, that it did not bear then."""
        now = self._labels.get(deed.where.target, deed.where.labels)
        return now is deed.where.labels or now <= deed.where.labels

    def approvers(self, deed: Deed) -> tuple[str, ...]:
        """The natural persons who approved it, but for the requester himself."""
        key = (self.person(deed), deed.approvers)
        found = self._approvers.get(key)
        if found is None:
            known = {self._of_principal.get(name, name) for name in deed.approvers}
            found = self._approvers[key] = tuple(sorted(known - {key[0]}))
        return found

    def size(self, group: str) -> int:
        """How many persons were seen in a group."""
        return len(self._in_group.get(group, ()))

    def weeks(self) -> float:
        """How many weeks of the window there is evidence of; at least one."""
        begin = max(self.evidence.first_us, self.now_us - WINDOW_US)
        return max((self.now_us - begin) / (WEEK_DAYS * DAY_US), 1.0)

    def source(self, rule_id: str) -> SourceRule | None:
        """A rule as it stands now; None if it is gone."""
        rule = self.rules.get(rule_id)
        return None if rule is None else SourceRule(rule.id, rule.digest)

    def since_us(self, rule_id: str) -> int | None:
        """Since when a rule is in force with the text that it has; None if that is not known."""
        use = self.evidence.rules.get(rule_id)
        return use.since_us if use is not None and use.since_us > 0 else None

    def as_now_since(self, rules: tuple[str, ...]) -> int | None:
        """Since when all these rules are as they are now; None if one is gone, or there is none."""
        if rules not in self._since:
            known = bool(rules) and all(name in self.rules for name in rules)
            self._since[rules] = max(self.since_us(name) or 0 for name in rules) if known else None
        return self._since[rules]

    def risk(self, rules: Iterable[str], deeds: Iterable[Deed] = ()) -> str:
        """The worst risk that rules or deeds speak of."""
        said = {self.rules[name].risk for name in rules if name in self.rules}
        said |= {deed.risk for deed in deeds}
        return worst(said)

    def text(self, rules: Sequence[SourceRule]) -> str:
        """The texts of rules, one after the other, as they stand."""
        return "\n\n".join(self.rules[one.id].text for one in rules if one.id in self.rules)


def _in_order(deeds: Iterable[Deed]) -> list[Deed]:
    """By time; those of one moment by what they are, so that their place in the journal is nothing."""
    ordered: list[Deed] = []
    for _, alike in groupby(sorted(deeds, key=_at_us), key=_at_us):
        run = list(alike)
        ordered += run if len(run) == 1 else sorted(run, key=_content)
    return ordered


def _at_us(deed: Deed) -> int:
    return deed.at_us


def _content(deed: Deed) -> tuple[object, ...]:
    likeness = deed.likeness
    values = likeness.values if likeness is not None else ()
    where = deed.where
    return (
        where.principal, where.target, where.account, where.database, deed.text, values,
        deed.approvers, deed.answer, deed.excluded, deed.weight, deed.n,
    )  # fmt: skip


def natural_person(where: Where) -> str:
    """Who answers for it: floors count persons, and a machine counts for its owner."""
    return where.owner or where.person or where.principal


def worst(risks: Iterable[str]) -> str:
    """The worst of these words; one that nobody knows is critical."""
    known = [one if one in _RISKS else UNKNOWN_RISK for one in risks]
    return max(known, key=_RISKS.index, default="")


def head_group(rule: Rule) -> str:
    """The group that a rule's head names; empty where it names none."""
    head = rule.est.get("principal", {})
    entity = head.get("entity") or head.get("in", {}).get("entity") or {}
    return str(entity.get("id", "")) if entity.get("type") == "Group" else ""


def day_of(at_us: int) -> int:
    """The day of a moment, counted from 1970-01-01 UTC."""
    return at_us // DAY_US


def days_of(deeds: Iterable[Deed]) -> int:
    """On how many days deeds were done, half a day apart at least."""
    count = last = 0
    for at_us in sorted(deed.at_us for deed in deeds):
        if not count or (day_of(at_us) != day_of(last) and at_us - last >= APART_US):
            count, last = count + 1, at_us
    return count


def against(deed: Deed) -> bool:
    """Whether a deed speaks against letting its like pass.

    People said no to it, an incident followed, or it was withdrawn when a sample of an adopted
    rule waited: he who is watched may only have stepped back.
    """
    answer = deed.answer  # asked of every deed several times, so without further calls
    return (
        answer is Answer.DENIED or bool(deed.incident)
        or (answer is Answer.WITHDRAWN and bool(deed.adopted))
    )  # fmt: skip


def withdrawn_sample(deed: Deed) -> bool:
    """Half a denial: a sample that was withdrawn."""
    return deed.answer is Answer.WITHDRAWN and bool(deed.adopted)
