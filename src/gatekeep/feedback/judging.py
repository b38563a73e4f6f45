"""Decides recorded requests again under one policy version, adopted rules included.

An action is known here by its recorded request and likeness alone. Each distinct one is decided
once: what no rule reads of it (its minute, its source, the value of a slot) does not make it another.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gatekeep.domain.decisions import Decision, Verdict
from gatekeep.domain.likeness import Likeness
from gatekeep.policy.engine import Engine, Standing
from gatekeep.policy.lattice import stood_in_for
from gatekeep.policy.replay import NotReplayable, Replayed, replayed
from gatekeep.policy.request import Question
from gatekeep.policy.rules import PolicyVersion, Rule
from gatekeep.policy.schema import SLOTS

_MOST_KEPT: Final = 20_000
_NEVER_READ: Final = frozenset({"approval"})
"""The approval that was given then: a replay asks what would be without it."""
_READ_OR_NOT: Final = ("time", "source")


_Alike = tuple[str, tuple[str | None, ...]] | None


@dataclass(frozen=True, slots=True)
class Act:
    """One action to be decided: its recorded request, its likeness, the day since 1970 (UTC)."""

    request: Mapping[str, Any]
    likeness: Likeness | None
    day: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of an action. `adopted` are the adopted rules that let it pass.

    `verdict` is None where the request cannot be made again (`why` says so). `broken` are what
    Cedar could not evaluate.
    """

    verdict: Verdict | None
    rules: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    why: str = ""
    risk: str = ""


class Judge:
    """One policy version over recorded requests. `members` are the persons of each group.

    Memory is bounded: what was decided is forgotten when there is too much of it.
    """

    def __init__(self, version: PolicyVersion, members: Mapping[str, frozenset[str]]) -> None:
        self.version = version
        self._engine = Engine(version, members)
        reads = frozenset(name for rule in version.all_rules for name in rule.reads)
        self._left_out = _NEVER_READ | {name for name in _READ_OR_NOT if name not in reads}
        valued = {name for rule in version.standing for name in _valued(rule.est)}
        self._slots = [name in valued for name in SLOTS]
        self._borders = sorted(_borders(version.standing))
        self._decided: dict[bytes, tuple[Replayed, Decision, Standing] | str] = {}
        self._standings: dict[bytes, Standing] = {}
        self._answers: dict[tuple[bytes, _Alike, int], Judged] = {}

    def judge(self, act: Act) -> Judged:
        """What becomes of this action; never raises."""
        key = self._key(act.request)
        period = bisect.bisect_right(self._borders, act.day)
        whole = (key, self._alike(act.likeness), period)
        known = self._answers.get(whole)
        if known is None:
            if len(self._answers) >= _MOST_KEPT:
                self._answers.clear()
                self._decided.clear()
                self._standings.clear()
            known = self._answers[whole] = self._judge(key, act)
        return known

    def _alike(self, likeness: Likeness | None) -> _Alike:
        """What adopted rules can tell of it: its template, how many values, and those that they read."""
        if likeness is None or len(likeness.slots) > len(SLOTS):
            return None
        values = zip(likeness.slots, self._slots, strict=False)
        return likeness.template, tuple(one.value if read else None for one, read in values)

    def _judge(self, key: bytes, act: Act) -> Judged:
        found = self._decided.get(key)
        if found is None:
            found = self._decided[key] = self._decide(act.request)
        if isinstance(found, str):
            return Judged(None, why=found)
        again, decision, standing = found
        broken = tuple(one for one in decision.errors if not _is_plain(one))
        if decision.verdict is not Verdict.ASK:
            return Judged(decision.verdict, decision.rules, broken=broken, risk=decision.risk)
        adopted = self._adopted(standing, again.questions, decision, act)
        verdict = Verdict.ALLOW if adopted else Verdict.ASK
        return Judged(verdict, decision.rules, adopted, broken, risk=decision.risk)

    def _adopted(
        self, standing: Standing, questions: Sequence[Question], decision: Decision, act: Act
    ) -> tuple[str, ...]:
        """The adopted rules that let it pass, as the gate asks them: they count as an approval."""
        rules = self._engine.standing_rules_for(
            standing, questions, decision, act.likeness, act.day
        )
        if not rules or not decision.approvers:
            return ()
        approval = stood_in_for(decision.approvers, rules[0])
        judged = self._engine.decide_approved(standing, questions, approval)
        return rules if judged.verdict is Verdict.ALLOW else ()

    def _decide(
        self, request: Mapping[str, Any]
    ) -> tuple[Replayed, Decision, Standing] | str:
        try:
            again = replayed(request)
        except NotReplayable as error:
            return f"its request cannot be made again: {error}"
        place = again.place
        key = orjson.dumps(
            [request.get("principal"), request.get("target")], option=orjson.OPT_SORT_KEYS
        )
        standing = self._standings.get(key)
        if standing is None:
            standing = self._engine.standing(place.principal, place.target)
            self._standings[key] = standing
        return again, self._engine.decide(standing, again.questions), standing

    def _key(self, request: Mapping[str, Any]) -> bytes:
        read = {name: value for name, value in request.items() if name not in self._left_out}
        raw = orjson.dumps(read, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(raw, digest_size=16).digest()


def _is_plain(error: str) -> bool:
    """Whether it only says that nobody could approve, which is no fault of a rule."""
    return error.startswith(("nobody but the requester", "a rule needs approval and names nobody"))


def _borders(rules: Sequence[Rule]) -> set[int]:
    """Days on which an adopted rule may begin to say otherwise: every number that it names."""
    return {day for rule in rules for number in _numbers(rule.est) for day in (number, number + 1)}


def _valued(node: Any) -> Iterator[str]:
    """The attributes of the context whose value is read, not only that they are there."""
    if isinstance(node, list):
        for one in node:
            yield from _valued(one)
    elif isinstance(node, Mapping):
        access = node.get(".")
        if isinstance(access, Mapping) and access["left"] == {"Var": "context"}:
            yield access["attr"]
        for child in node.values():
            yield from _valued(child)


def _numbers(node: Any) -> Iterator[int]:
    if isinstance(node, bool):
        return
    if isinstance(node, int):
        yield node
    elif isinstance(node, Mapping):
        for child in node.values():
            yield from _numbers(child)
    elif isinstance(node, list):
        for child in node:
            yield from _numbers(child)
