"""One run of the loop: read, look for suggestions, prove them, look back at the adopted ones.

Part of the composition root. What is found, proven and due is decided by `feedback`; here is the
order, and that nothing long runs on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from gatekeep import loop_told
from gatekeep.domain.suggestions import (
    Backtest,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.errors import GatekeepError
from gatekeep.feedback import monitor
from gatekeep.feedback.composing import CompositionError
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.life import NoSuchChange, Observation, advance, in_force, proposed, refreshed
from gatekeep.feedback.ports import RunReport
from gatekeep.feedback.renewal import renewal_of
from gatekeep.gate.approval_record import Thread
from gatekeep.loop_book import LoopBook
from gatekeep.loop_layer import version_without
from gatekeep.policy.rules import PolicyVersion

_log = structlog.get_logger(__name__)

_UNVERIFIED: Final = "the journal does not verify"


class Stopped(Exception):  # noqa: N818 - says what it is
    """The gateway stops in the middle of a run."""


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
        self._one_at_a_time = asyncio.Lock()
        self._one_backtest = asyncio.Lock()
        self._stopped = False

    def stop(self) -> None:
        """The gateway stops: a run that goes on is cut short between two proofs, and changes nothing."""
        self._stopped = True

    async def run(self) -> RunReport:
        """One run. Raises JournalUnavailable where what it found cannot be recorded.

        Whoever starts another one meanwhile waits for it: an older look would undo a newer one.
        """
        async with self._one_at_a_time:
            return await self._run()

    async def _run(self) -> RunReport:
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
        failed: Exception | None = None
        found: Mapping[str, Suggestion] | None = None
        try:
            found = await self._found(evidence) if self._searches else None
        except Exception as error:  # noqa: BLE001 - told below; what is in force is looked at first
            failed = error
        for suggestion_id in list(self._book.lives):
            try:
                await self._look_at(suggestion_id, evidence, found, done)
            except Exception as error:  # noqa: BLE001 - told below, once all were looked at
                failed = failed or error
        if failed is not None:
            raise failed
        for one in (found or {}).values():
            if one.safe and one.id not in self._book.lives:
                await self._propose(one, done)
        return _report(done, begun, evidence.next_n)

    async def _journal_broken(self, done: _Done) -> None:
        """Nothing that lets more pass stays in force by a journal that does not verify."""
        failed: GatekeepError | None = None
        for suggestion_id in list(self._book.lives):
            async with self._book.turn:
                life = self._book.lives[suggestion_id]
                if life.suggestion.kind is not SuggestionKind.RELAX:
                    continue
                try:
                    await self._advance(life, Observation(against=_UNVERIFIED), done)
                except GatekeepError as error:  # the next one's sampler forgets it all the same
                    failed = error
        if failed is not None:
            raise failed

    async def _found(self, evidence: Evidence) -> Mapping[str, Suggestion]:
        version, now = self._book.version, self._book.now_us()
        think = self._thinking

        lives = list(self._book.lives.values())

        def work() -> dict[str, Suggestion]:
            found = {}
            for one in think.candidates(evidence, version, now):
                self._demand_time()
                found[one.id] = think.prove(one, evidence, version, now) if one.safe else one
            for life in lives:
                again = renewal_of(life, now)
                if again is not None:
                    before = version_without(version, life.suggestion.rule_id)
                    found[again.id] = think.prove(again, evidence, before, now)
            return found

        return await self._thread.run(work)

    def _demand_time(self) -> None:
        if self._stopped:
            raise Stopped

    async def _look_at(
        self, suggestion_id: str, evidence: Evidence, found: Mapping[str, Suggestion] | None,
        done: _Done,
    ) -> None:  # fmt: skip
        """Where it is not known what was `found`, what is open stays as it is.

        It is looked at before its turn: whoever takes it back meanwhile does not wait for that, and
        what was changed meanwhile is looked at by the next run.
        """
        life = self._book.lives[suggestion_id]
        if found is None and not life.state.rules and not _tried(life):
            return
        today = found.get(suggestion_id) if found is not None else life.suggestion
        seen = await self._observe(life, evidence, today)
        async with self._book.turn:
            if self._book.lives.get(suggestion_id) is not life:
                return
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
            if not _tried(life) and not in_force(life):
                return Observation(found=found)
            against, matched, telling = "", list[Deed](), _telling(life, evidence)
            if life.suggestion.kind is SuggestionKind.RELAX and (telling or not in_force(life)):
                try:
                    matched = list(think.matches(life.suggestion, telling, version))
                except CompositionError as error:
                    against = "" if in_force(life) else f"it does not fit the policy: {error}"
            refused = tuple(one.n for one in matched if one.refused_by_people)
            if in_force(life) and refused:
                against = f"people said no to what it lets pass: {monitor.listed(refused)}"
            effect = monitor.effect_of(life, evidence, samples, now)
            return Observation(
                found=found,
                tried=sum(one.answer is Answer.APPROVED for one in matched),
                refused=refused,
                effect=effect,
                for_it=monitor.speaks_for(life, effect),
                against=monitor.against(life, effect, evidence, samples, version) or against,
            )

        return await self._thread.run(work)

    async def _advance(
        self, life: SuggestionLife, seen: Observation, done: _Done
    ) -> SuggestionLife:
        """The one change that is due: what comes behind it is seen anew. `turn` is held."""
        book = self._book
        change = advance(life, seen, book.now_us(), book.limits, book.least_us())
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

    async def gathered(self) -> Evidence:
        """The evidence of the last run; before the first one it is read."""
        if self.evidence is None:
            self.evidence = await self._witness.read()
        return self.evidence

    async def backtest(self, suggestion: Suggestion) -> Backtest:
        """Replay history again under the version that rules now; one after the other, between runs' work."""
        async with self._one_backtest:
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


def _telling(life: SuggestionLife, evidence: Evidence) -> list[Deed]:
    """What tells whether it is right: what it is tried on, and every no that may be to its like.

    Whenever that was said, and by whichever rule it was asked: none was known when it was proven.
    """
    tried, like = life.state is SuggestionState.SHADOW, life.suggestion.scope.templates
    return [
        one for one in evidence.deeds
        if (tried and one.at_us >= life.since_us)
        or (one.refused_by_people and one.likeness is not None and one.likeness.template in like)
    ]  # fmt: skip


def _report(done: _Done, begun: float, read: int, stopped: str = "") -> RunReport:
    return RunReport(
        read, round(time.monotonic() - begun, 3), tuple(done.proposed), tuple(done.withdrawn),
        tuple(done.reverted), stopped,
    )  # fmt: skip
