"""One run of the loop: read, look for suggestions, prove them, look back at the adopted ones.

Part of the composition root. What is found, proven and due is decided by `feedback`; here is the
order. Nothing long runs in this process: it is asked of `loop_thinker_link.Thoughts`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from gatekeep import loop_told
from gatekeep.domain.suggestions import (
    Backtest,
    Suggestion,
    SuggestionKind,
    SuggestionLife,
    SuggestionState,
)
from gatekeep.errors import GatekeepError, NothingRead
from gatekeep.feedback import monitor
from gatekeep.feedback.life import NoSuchChange, Observation, advance, in_force, proposed, refreshed
from gatekeep.feedback.ports import RunReport
from gatekeep.loop_book import LoopBook
from gatekeep.loop_thinker_link import Thoughts

_log = structlog.get_logger(__name__)

_UNVERIFIED: Final = "the journal does not verify"


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

    def __init__(self, book: LoopBook, thoughts: Thoughts, *, searches: bool = True) -> None:
        self._book = book
        self._thoughts = thoughts
        self._searches = searches
        self._alone = asyncio.Lock()

    async def run(self) -> RunReport:
        """One run. Raises JournalUnavailable where what it found cannot be recorded.

        LoopUnavailable where it could not be thought to its end: what was told before counts.
        """
        async with self._alone:
            return await self._run()

    async def _run(self) -> RunReport:
        begun = time.monotonic()
        done = _Done()
        async with self._book.turn:
            await self._book.catch_up()
        read = await self._thoughts.read()
        if not read.verified:
            _log.error("the loop stops", why=read.unverified, broken=read.broken)
            if read.broken:
                await self._journal_broken(done)
            return _report(done, begun, read.next_n, read.unverified or _UNVERIFIED)
        failed: Exception | None = None
        found: Mapping[str, Suggestion] | None = None
        try:
            found = await self._found() if self._searches else None
        except Exception as error:  # noqa: BLE001 - told below; what is in force is looked at first
            failed = error
        for suggestion_id in list(self._book.lives):
            try:
                await self._look_at(suggestion_id, found, done)
            except Exception as error:  # noqa: BLE001 - told below, once all were looked at
                failed = failed or error
        if failed is not None:
            raise failed
        for one in (found or {}).values():
            if one.safe and one.id not in self._book.lives:
                await self._propose(one, done)
        return _report(done, begun, read.next_n)

    async def _journal_broken(self, done: _Done) -> None:
        """Nothing that lets more pass stays in force by a journal that does not verify."""
        failed: GatekeepError | None = None
        for suggestion_id in list(self._book.lives):
            async with self._book.turn:
                life = self._book.lives[suggestion_id]
                if life.suggestion.kind is not SuggestionKind.RELAX and not life.muting:
                    continue
                try:
                    await self._advance(life, Observation(against=_UNVERIFIED), done)
                except GatekeepError as error:  # the next one's sampler forgets it all the same
                    failed = error
        if failed is not None:
            raise failed

    async def _found(self) -> Mapping[str, Suggestion]:
        book = self._book
        return await self._thoughts.search(book.version, book.now_us(), list(book.lives.values()))

    async def _look_at(
        self, suggestion_id: str, found: Mapping[str, Suggestion] | None, done: _Done
    ) -> None:
        """Where it is not known what was `found`, what is open stays as it is.

        It is looked at before its turn: whoever takes it back meanwhile does not wait for that, and
        what was changed meanwhile is looked at by the next run.
        """
        life = self._book.lives[suggestion_id]
        if found is None and not life.state.rules and not _tried(life):
            return
        today = found.get(suggestion_id) if found is not None else life.suggestion
        seen = await self._observe(life, today)
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

    async def _observe(self, life: SuggestionLife, found: Suggestion | None) -> Observation:
        book = self._book
        if life.muting:
            return Observation(found=found, against=monitor.tells_again(life, book.version))
        if not _tried(life) and not in_force(life):
            return Observation(found=found)
        samples = list(book.samples.values())
        seen = await self._thoughts.look_back(book.version, book.now_us(), life, samples)
        return replace(seen, found=found)

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

    async def backtest(self, suggestion: Suggestion) -> Backtest:
        """Replay history again under the version that rules now. Raises LoopUnavailable."""
        async with self._alone:
            await self._thoughts.read()
            proven = await self.proven(suggestion)
        if proven.backtest is None:
            return Backtest(0, 0, 0, {}, {}, why="nothing was replayed: it writes no rule")
        return proven.backtest

    async def proven(self, suggestion: Suggestion) -> Suggestion:
        """Proven anew by what was read last; its earlier checks are left out. Raises LoopUnavailable.

        Where nothing was read yet, after a start or because that process was lost, it is read first.
        """
        bare, book, think = replace(suggestion, checks=(), backtest=None), self._book, self._thoughts
        try:
            return await think.prove(book.version, book.now_us(), bare)
        except NothingRead:
            await think.read()
            return await think.prove(book.version, book.now_us(), bare)


def _tried(life: SuggestionLife) -> bool:
    return life.state in {SuggestionState.ACCEPTED, SuggestionState.SHADOW}


def _report(done: _Done, begun: float, read: int, stopped: str = "") -> RunReport:
    return RunReport(
        read, round(time.monotonic() - begun, 3), tuple(done.proposed), tuple(done.withdrawn),
        tuple(done.reverted), stopped,
    )  # fmt: skip
