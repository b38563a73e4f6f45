"""History decided again under two policy versions, and what that shows. No rule is written here.

Only what the rule could match is decided twice; the rest is as it was by construction, and a spot
check of it proves that.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gatekeep.domain.decisions import Verdict
from gatekeep.domain.suggestions import Backtest, Shifted
from gatekeep.feedback.deeds import Answer, Deed, Evidence, Passed, PassedKey, Where
from gatekeep.feedback.ground import day_of
from gatekeep.feedback.heads import Head, actions_of
from gatekeep.feedback.holdout import count_from
from gatekeep.feedback.judging import Act, Judge, Judged
from gatekeep.feedback.matrix import Matrix

SPOT_CHECKS: Final = 200
"""So many deeds that a rule cannot match are decided again all the same."""
_EXAMPLES: Final = 3
_MOST_LISTED: Final = 500


@dataclass(frozen=True)
class Pair:
    """Today's version and the proposed one."""

    before: Judge
    after: Judge

    @functools.cached_property
    def only_answers(self) -> bool:
        """Whether they differ in standing rules alone, by which what is allowed stays so."""
        old, new = ([(rule.id, rule.text) for rule in one.version.rules] for one in (self.before, self.after))
        return old == new

    def judge(self, act: Act) -> tuple[Judged, Judged]:
        """What becomes of an action under each."""
        return self.before.judge(act), self.after.judge(act)


@dataclass(slots=True)
class Replay:
    """What a replay found. `flipped` are deeds that are decided otherwise, with before and after.

    `refused_passing` are those among them that people refused and that would pass; `doubtful` those
    in the last third that could not be decided again. `late` would pass, but only by what the last
    third itself shows. `spoilt` are spot checks that came out otherwise.
    """

    matrix: Matrix = field(default_factory=Matrix)
    holdout: Matrix = field(default_factory=Matrix)
    flipped: list[tuple[Deed, Verdict, Verdict]] = field(default_factory=list)
    refused_passing: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    late: int = 0
    learnt: int = 0
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    persons: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    checked: int = 0
    spoilt: list[int] = field(default_factory=list)

    def shifted(self) -> tuple[Shifted, ...]:
        """What it means for each person, most first."""
        found = [
            Shifted(person, count, tuple(examples))
            for person, (count, examples) in self.persons.items()
        ]
        return tuple(sorted(found, key=lambda one: (-one.count, one.person)))

    def note_broken(self, before: Judged, after: Judged) -> None:
        """What fails only under the proposed version; what failed before is not its fault."""
        self.broken.extend(one for one in after.broken if one not in before.broken)

    def document(self, evidence: Evidence) -> Backtest:
        """The same as a value, without probes and without a verdict on it."""
        return Backtest(
            from_us=evidence.first_us,
            to_us=evidence.until_us,
            replayed=self.matrix.total + len(self.unknown),
            matrix=self.matrix.counts,
            holdout=self.holdout.counts,
            denied_now_passing=tuple(self.refused_passing[:_MOST_LISTED]),
            errors=len(self.broken),
            unknown=len(self.unknown),
            per_person=self.shifted(),
        )


def replay(
    pair: Pair,
    head: Head,
    evidence: Evidence,
    cut_us: int,
    foreseen: Callable[[Deed], bool],
) -> Replay:
    """Decide history again. `foreseen`: whether the rule as learnt before `cut_us` holds this deed.

    `matrix` counts all deeds, those that the rule cannot match as they were recorded.
    """
    found = Replay()
    others: list[Deed] = []
    for deed in evidence.deeds:
        if head.could_match(deed):
            _replay_deed(found, pair, deed, cut_us, foreseen)
        else:
            others.append(deed)
            found.matrix.add(deed.verdict, deed.verdict)
    for key, passed in evidence.passed.items():
        if not pair.only_answers and head.fits("", key.groups, frozenset({key.action}) | actions_of(passed.request)):
            _replay_passed(found, pair, key, passed, cut_us)
        else:
            found.matrix.add(Verdict.ALLOW, Verdict.ALLOW, passed.count)
    _spot_check(found, pair, others)
    return found


def act_of(deed: Deed) -> Act:
    """A deed as something to be decided again, on its own day."""
    return Act(deed.request, deed.likeness, day_of(deed.at_us))


def _replay_deed(
    found: Replay, pair: Pair, deed: Deed, cut_us: int, foreseen: Callable[[Deed], bool]
) -> None:
    held_out = deed.at_us >= cut_us
    before, after = pair.judge(act_of(deed))
    if before.verdict is None or after.verdict is None:
        found.unknown.append(deed.n)
        if held_out:
            found.doubtful.append(deed.n)
        return
    found.note_broken(before, after)
    found.matrix.add(before.verdict, after.verdict)
    passes = after.verdict is Verdict.ALLOW and before.verdict is not Verdict.ALLOW
    if before.verdict is not after.verdict:
        found.flipped.append((deed, before.verdict, after.verdict))
        _note_person(found, deed.where.person, 1, deed.text)
    if passes and deed.refused_by_people:
        found.refused_passing.append(deed.n)
    if not held_out:
        found.learnt += passes and deed.answer is Answer.APPROVED
    elif passes and not foreseen(deed):
        found.late += 1
        found.holdout.add(before.verdict, before.verdict)
    else:
        found.tried += passes
        found.holdout.add(before.verdict, after.verdict)


def _replay_passed(found: Replay, pair: Pair, key: PassedKey, one: Passed, cut_us: int) -> None:
    before, after = pair.judge(Act(one.request, None, day_of(one.last_us)))
    if before.verdict is None or after.verdict is None:
        found.unknown.extend(one.events[:1] or [-1])
        return
    found.note_broken(before, after)
    found.matrix.add(before.verdict, after.verdict, one.count)
    late = count_from(one, cut_us)
    if late:
        found.holdout.add(before.verdict, after.verdict, late)
    if before.verdict is not after.verdict:
        found.flipped.append((_sample(key, one), before.verdict, after.verdict))
        _note_person(found, key.person, one.count, one.text or key.template)


def _sample(key: PassedKey, one: Passed) -> Deed:
    """What passed unasked, as a deed: the one whose request was kept."""
    request = one.request
    target: Mapping[str, Any] = request.get("target") or {}
    who: Mapping[str, Any] = request.get("principal") or {}
    where = Where(
        principal=str(who.get("name", "")), person=key.person, groups=key.groups,
        owner=str(who.get("owner", "")), target=key.target, kind=str(target.get("kind", "")),
        environment=key.environment, labels=frozenset(target.get("labels", ())),
        account=str(request.get("account", "")), database=str(request.get("database", "")),
    )  # fmt: skip
    return Deed(
        n=one.events[0] if one.events else -1, at_us=one.last_us, where=where, action=key.action,
        verb=key.verb, text=one.text or key.template, tags=one.tags, assurance="", surely=False,
        likeness=None, tables_read=(), tables_written=(), request=request, verdict=Verdict.ALLOW,
        rules=(key.rule,), policy="",
    )  # fmt: skip


def _note_person(found: Replay, person: str, count: int, text: str) -> None:
    known, examples = found.persons.get(person, (0, []))
    if len(examples) < _EXAMPLES and text not in examples:
        examples.append(text)
    found.persons[person] = (known + count, examples)


def _spot_check(found: Replay, pair: Pair, others: Sequence[Deed]) -> None:
    for deed in drawn(others, SPOT_CHECKS):
        before, after = pair.judge(act_of(deed))
        found.checked += 1
        if before.verdict is not after.verdict or before.adopted != after.adopted:
            found.spoilt.append(deed.n)


def drawn(deeds: Iterable[Deed], count: int) -> Iterator[Deed]:
    """So many of them, as if by chance, and the same ones each time."""
    return iter(heapq.nsmallest(count, deeds, key=lambda deed: _lot(deed.n)))


def _lot(n: int) -> bytes:
    return hashlib.blake2b(n.to_bytes(8, "big", signed=True), digest_size=8).digest()
