"""Counts what passed unasked, and how rules were used. Bounded, whatever comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gatekeep.feedback.deeds import Passed, PassedKey, RuleUse
from gatekeep.feedback.reading_deeds import Act

MOST_KEYS: Final = 20_000
"""How many different things are told apart; what comes beyond is counted with no template."""

EVENTS_KEPT: Final = 5
"""The newest indices of each, to be shown."""
_FAILED: Final = "failed"


@dataclass(slots=True)
class _Use:
    count: int = 0
    last_us: int = 0


@dataclass(slots=True)
class Tally:
    """How often one thing passed; the same object counts each time."""

    passed: Passed
    uses: tuple[_Use, ...]
    kept: list[int] = field(default_factory=list)


class Passes:
    """All that passed unasked; at most `most` different things are told apart."""

    def __init__(self, most: int = MOST_KEYS) -> None:
        self._most = most
        self._tallies: dict[PassedKey, Tally] = {}
        self._uses: dict[str, _Use] = {}
        self._unfinished: dict[int, Passed] = {}

    def tally(self, act: Act) -> Tally:
        """What counts acts like this one; made at the first of them."""
        where = act.where
        rule = act.rules[0] if act.rules else ""
        key = PassedKey(
            rule, act.action, act.verb, act.template, where.target, where.environment,
            where.person, where.groups,
        )  # fmt: skip
        known = self._tallies.get(key)
        if known is None and len(self._tallies) >= self._most:
            key = PassedKey(
                rule, act.action, "", "", where.target, where.environment, where.person, where.groups
            )
            known = self._tallies.get(key)
        if known is None:
            passed = Passed(first_us=act.at_us, tags=act.tags, text=act.text, request=act.request)
            known = self._tallies[key] = Tally(passed, self._used(act.rules))
        return known

    def count(self, tally: Tally, n: int, at_us: int) -> None:
        """It passed once more, as event `n`."""
        passed = tally.passed
        kept = tally.kept
        if passed.count < EVENTS_KEPT:
            kept.append(n)
        else:
            kept[passed.count % EVENTS_KEPT] = n
        passed.count += 1
        passed.last_us = at_us
        for use in tally.uses:
            use.count += 1
            use.last_us = at_us
        self._unfinished[n] = passed

    def decided(self, rules: tuple[str, ...], at_us: int) -> None:
        """Rules determined a decision on something that did not pass unasked."""
        for use in self._used(rules):
            use.count += 1
            use.last_us = at_us

    def finished(self, of: int, outcome: str) -> None:
        """What became of the action of this index."""
        passed = self._unfinished.pop(of, None)
        if passed is not None and outcome == _FAILED:
            passed.failed += 1

    def passed(self) -> dict[PassedKey, Passed]:
        """As counted so far; copies, because counting goes on."""
        return {
            key: Passed(
                one.passed.count, one.passed.first_us, one.passed.last_us, one.passed.failed,
                sorted(one.kept), one.passed.tags, one.passed.text, one.passed.request,
            )
            for key, one in self._tallies.items()
        }  # fmt: skip

    def rules(self, since_us: Mapping[str, int]) -> dict[str, RuleUse]:
        """How rules were used; `since_us` names those in force, and since when."""
        names = dict.fromkeys([*since_us, *self._uses])
        return {
            name: RuleUse(use.count, use.last_us, since_us.get(name, 0))
            for name in names
            for use in [self._uses.get(name) or _Use()]
        }

    def _used(self, rules: tuple[str, ...]) -> tuple[_Use, ...]:
        return tuple(self._uses.setdefault(rule, _Use()) for rule in dict.fromkeys(rules))
