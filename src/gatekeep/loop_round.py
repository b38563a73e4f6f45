"""One run of the loop: read, look for suggestions, prove them, look back at the adopted ones.

Part of the composition root. What is found, proven and due is decided by `feedback`; here is the
order, and that nothing long runs on the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from gatekeep import loop_told
from gatekeep.domain.suggestions import (
    Backtest,
    Sample,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.feedback import monitor
from gatekeep.feedback.composing import CompositionError
from gatekeep.feedback.deeds import Deed, Evidence
from gatekeep.feedback.life import NoSuchChange, Observation, advance, in_force, proposed, refreshed
from gatekeep.feedback.ports import RunReport
from gatekeep.feedback.renewal import renewal_of
from gatekeep.gate.approval_record import Thread
from gatekeep.loop_book import LoopBook
from gatekeep.loop_layer import version_without
from gatekeep.policy.rules import PolicyVersion

_log = structlog.get_logger(__name__)

_UNVERIFIED: Final = "the journal does not verify"


class Witness(Protocol):
    """Reads the journal."""

    async def read(self) -> Evidence:
        """Everything up to now, and whether it verifies."""

    async def close(self) -> None:
        """Let go of the files."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """The pure parts of a run, each called away from the event loop.

    `candidates(evidence, version, now_us)`, `prove(suggestion, evidence, version, now_us)` and
    `matches(suggestion, deeds, version)`: those that the rule would have let pass.
    """

    candidates: Callable[[Evidence, PolicyVersion, int], Sequence[Suggestion]]
    prove: Callable[[Suggestion, Evidence, PolicyVersion, int], Suggestion]
    matches: Callable[[Suggestion, Sequence[Deed], PolicyVersion], Sequence[Deed]]


@dataclass(slots=True)
class _Done:
    """What came of a run so far."""

    proposed: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    reverted: list[str] = field(default_factory=list)

    def note(self, before: SuggestionState, life: SuggestionLife) -> None:
        """Count a change."""
        if life.state is SuggestionState.PROPOSED:
            self.proposed.append(life.suggestion.id)
        elif life.state is SuggestionState.REVERTED:
            self.reverted.append(life.suggestion.id)
        elif life.state is SuggestionState.EXPIRED and not before.rules:
            self.withdrawn.append(life.suggestion.id)


class LoopRound:
    """Runs the loop, one run at a time; `desk` and the clock start it."""

    def __init__(
        self,
        book: LoopBook,
        witness: Witness,
        thinking: Thinking,
        thread: Thread,
        *,
        searches: bool = True,
    ) -> None:
        self._book = book
        self._witness = witness
        self._thinking = thinking
        self._thread = thread
        self._searches = searches
        self.evidence: Evidence | None = None

    async def run(self) -> RunReport:
        """One run. Raises JournalUnavailable where what it found cannot be recorded."""
        begun = time.monotonic()
        done = _Done()
        async with self._book.turn:
            await self._book.catch_up()
        evidence = self.evidence = await self._witness.read()
        if not evidence.verified:
            _log.error("the loop stops", why=evidence.unverified, broken=evidence.broken)
            if evidence.broken:
                await self._journal_broken(done)
            return _report(done, begun, evidence.next_n, evidence.unverified or _UNVERIFIED)
        found = await self._found(evidence)
        for suggestion_id in list(self._book.lives):
            await self._look_at(suggestion_id, evidence, found, done)
        for one in found.values():
            if one.safe and one.id not in self._book.lives:
                await self._propose(one, done)
        return _report(done, begun, evidence.next_n)

    async def _journal_broken(self, done: _Done) -> None:
        """Nothing that lets more pass stays in force by a journal that does not verify."""
        for suggestion_id in list(self._book.lives):
            async with self._book.turn:
                life = self._book.lives[suggestion_id]
                if life.suggestion.kind is SuggestionKind.RELAX or life.muting:
                    await self._advance(life, Observation(against=_UNVERIFIED), done)

    async def _found(self, evidence: Evidence) -> Mapping[str, Suggestion]:
        if not self._searches:
            return {}
        version, now = self._book.version, self._book.now_us()
        think = self._thinking

        lives = list(self._book.lives.values())

        def work() -> dict[str, Suggestion]:
            found = {}
            for one in think.candidates(evidence, version, now):
                found[one.id] = think.prove(one, evidence, version, now) if one.safe else one
            for life in lives:
                again = renewal_of(life, now)
                if again is not None:
                    before = version_without(version, life.suggestion.rule_id)
                    found[again.id] = think.prove(again, evidence, before, now)
            return found

        return await self._thread.run(work)

    async def _look_at(
        self, suggestion_id: str, evidence: Evidence, found: Mapping[str, Suggestion], done: _Done
    ) -> None:
        async with self._book.turn:
            life = self._book.lives[suggestion_id]
            if not life.state.rules and not self._searches and not _tried(life):
                return
            today = found.get(suggestion_id) if self._searches else life.suggestion
            seen = await self._observe(life, evidence, today)
            try:
                life = await self._advance(life, seen, done)
            except NoSuchChange as error:
                _log.error("a suggestion is stuck", error=str(error))
                return
            await self._look_back(life, seen)
            newer = refreshed(life, seen.found) if seen.found is not None else None
            if newer is not None:
                await self._book.note(life, newer)

    async def _observe(
        self, life: SuggestionLife, evidence: Evidence, found: Suggestion | None
    ) -> Observation:
        version, now = self._book.version, self._book.now_us()
        samples = list(self._book.samples.values())
        think = self._thinking

        def work() -> Observation:
            if life.muting:
                return Observation(found=found, against=monitor.tells_again(life, version))
            if not _tried(life) and not in_force(life):
                return Observation(found=found)
            unfit, matched = "", list[Deed]()
            if life.state is SuggestionState.SHADOW:
                try:
                    matched = list(think.matches(life.suggestion, _new(life, evidence), version))
                except CompositionError as error:
                    unfit = f"it does not fit the policy: {error}"
            effect = monitor.effect_of(life, evidence, samples, now)
            return Observation(
                found=found,
                tried=len(matched),
                refused=tuple(one.n for one in matched if one.refused_by_people),
                effect=effect,
                for_it=monitor.speaks_for(life, effect),
                against=monitor.against(life, effect, evidence, samples, version) or unfit,
            )

        return await self._thread.run(work)

    async def _advance(
        self, life: SuggestionLife, seen: Observation, done: _Done
    ) -> SuggestionLife:
        """The one change that is due: what comes behind it is seen anew. `turn` is held."""
        change = advance(life, seen, self._book.now_us(), self._book.limits)
        if change is None:
            return life
        after = await self._book.make(change)
        done.note(change.before, after)
        return after

    async def settle(self, life: SuggestionLife) -> SuggestionLife:
        """After a person's change: what the gateway does next by itself; `turn` is held."""
        seen = Observation(found=life.suggestion)
        return await self._advance(life, seen, _Done())

    async def _look_back(self, life: SuggestionLife, seen: Observation) -> None:
        """Keep the effect, and tell of it at 1, 7, 30 and 90 days."""
        effect = seen.effect
        if not in_force(life) or effect is None:
            return
        due = monitor.checks_due(life, self._book.now_us())
        after = replace(
            life, effect=replace(effect, checked_days=(*life.effect.checked_days, *due))
        )
        if after != life:
            told = (loop_told.checked(after, due[-1], self._book.version.name),) if due else ()
            await self._book.note(life, after, told)

    async def _propose(self, suggestion: Suggestion, done: _Done) -> None:
        async with self._book.turn:
            if suggestion.id in self._book.lives:
                return
            change = proposed(suggestion, self._book.now_us())
            done.note(change.before, await self._book.make(change))

    async def backtest(self, suggestion: Suggestion) -> Backtest:
        """Replay history again under the version that rules now."""
        evidence = self.evidence = await self._witness.read()
        proven = await self.proven(suggestion, evidence)
        if proven.backtest is None:
            return Backtest(0, 0, 0, {}, {}, why="nothing was replayed: it writes no rule")
        return proven.backtest

    async def proven(self, suggestion: Suggestion, evidence: Evidence) -> Suggestion:
        """Proven anew; its earlier checks are left out."""
        version, now = self._book.version, self._book.now_us()
        bare = replace(suggestion, checks=(), backtest=None)
        return await self._thread.run(
            lambda: self._thinking.prove(bare, evidence, version, now)
        )


def _tried(life: SuggestionLife) -> bool:
    return life.state in {SuggestionState.ACCEPTED, SuggestionState.SHADOW}


def _new(life: SuggestionLife, evidence: Evidence) -> list[Deed]:
    return [one for one in evidence.deeds if one.at_us >= life.since_us]


def _report(done: _Done, begun: float, read: int, stopped: str = "") -> RunReport:
    return RunReport(
        read, round(time.monotonic() - begun, 3), tuple(done.proposed), tuple(done.withdrawn),
        tuple(done.reverted), stopped,
    )  # fmt: skip


def unanswered(samples: Sequence[Sample]) -> list[Sample]:
    """What nobody has looked at yet, oldest first."""
    return sorted((one for one in samples if one.answer is None), key=lambda one: one.at_us)
