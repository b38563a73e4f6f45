"""Suggestions as they are: store, journal, effect. Every change of one goes through `make`.

Part of the composition root. Which change is due is `feedback.life`'s affair; what a person may do
is `loop_desk`'s. The effect is the adopted layer of the policy and what the sampler knows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import structlog

from gatekeep import loop_told
from gatekeep.domain.suggestions import Sample, SuggestionKind, SuggestionLife, SuggestionState
from gatekeep.errors import GatekeepError, JournalUnavailable, SettingsError
from gatekeep.feedback.life import TABLE, Change, Limits, Observation, advance, in_force
from gatekeep.gate.approval_ports import Told
from gatekeep.gate.approval_record import Record
from gatekeep.loop_layer import Dropped
from gatekeep.loop_layer_text import layer_text
from gatekeep.policy.rules import PolicyVersion
from gatekeep.policy_versions import Adoption
from gatekeep.stores.sqlite.suggestions import SuggestionBooks

_log = structlog.get_logger(__name__)


class Layers(Protocol):
    """Puts the adopted layer into force (`policy_versions.PolicyVersions`)."""

    async def adopt(self, adoption: Adoption) -> PolicyVersion:
        """Raises SettingsError where it does not fit, JournalUnavailable."""


class Sampling(Protocol):
    """Who draws what is looked at. What it does not know is held."""

    def adopt(
        self, rule_id: str, in_force_us: int, matches: int = 0, last_sampled_us: int = 0
    ) -> None:
        """A rule is in force."""

    def forget(self, rule_id: str) -> None:
        """It is not any more: whatever matches it is held from now on."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where changes have their effect: the layer, the sampler, and the version that rules."""

    layers: Layers
    sampling: Sampling
    version: Callable[[], PolicyVersion]


class LoopBook:
    """All suggestions of one gateway in memory, as the store has them.

    Whoever looks at a life and then changes it holds `turn` meanwhile.
    """

    def __init__(
        self,
        record: Record[SuggestionBooks],
        reach: Reach,
        now_us: Callable[[], int],
        limits: Limits,
        least_us: Callable[[], int] | None = None,
    ) -> None:
        self.record = record
        self.now_us = now_us
        self.limits = limits
        self.lives: dict[str, SuggestionLife] = {}
        self.samples: dict[str, Sample] = {}
        self.turn = asyncio.Lock()
        self.least_us = least_us or now_us
        """A time that a clock which was set forward does not hurry: what is tried, is tried as long."""
        self._reach = reach
        self._behind = False
        self._returns: dict[str, Change] = {}
        self._unkept: dict[str, tuple[Sample, str]] = {}
        self._untold: Counter[str] = Counter()

    @property
    def version(self) -> PolicyVersion:
        """The version that rules."""
        return self._reach.version()

    @property
    def watches(self) -> bool:
        """Whether there is anything that people accepted and that is not over."""
        still_open = {SuggestionState.PROPOSED, SuggestionState.SNOOZED}
        return any(not one.state.over and one.state not in still_open for one in self.lives.values())

    def layer(self, running: Mapping[str, str]) -> str | None:
        """The text that the adopted layer must have beside these texts; None before any suggestion."""
        return layer_text(self.lives.values(), running) if self.lives else None

    def adoption(
        self, by: str, reason: str, changed: tuple[str, ...] = (), accepted: tuple[str, ...] = ()
    ) -> Adoption:
        """What the policy is to become now."""
        return Adoption(
            lambda running: layer_text(self.lives.values(), running), by, reason, accepted, changed
        )

    def by_rule(self, rule_id: str) -> SuggestionLife | None:
        """The suggestion whose rule this is and is in force."""
        found = (one for one in self.lives.values() if one.suggestion.rule_id == rule_id)
        return next((one for one in found if in_force(one)), None)

    def same_as(self, life: SuggestionLife) -> list[SuggestionLife]:
        """Those that would let the very same pass under another id: a renewal, and what it renews."""
        one = life.suggestion
        return [
            other for name, other in self.lives.items()
            if name != one.id and other.suggestion.kind is one.kind
            and (other.suggestion.scope, other.suggestion.sources) == (one.scope, one.sources)
        ]  # fmt: skip

    # start

    async def load(self) -> None:
        """Tell what is owed, then know what the store knows. Raises JournalUnavailable."""
        await self.record.tell()
        await self._read()
        self._sample_all()

    async def _read(self) -> None:
        lives = await self.record.read(lambda store: store.lives())
        samples = await self.record.read(lambda store: store.samples())
        self.lives = {one.suggestion.id: one for one in lives}
        self.samples = {one.id: one for one in samples}

    # changes

    async def make(
        self,
        change: Change,
        *,
        facts: Mapping[str, Any] | None = None,
    ) -> SuggestionLife:
        """Make one change count; `turn` is held. Raises JournalUnavailable.

        What takes something out of force holds at once, whatever the journal says. What cannot come
        into force, because the policy does not load with it, is reverted, and so it is returned.
        """
        before = self.lives.get(change.life.suggestion.id)
        ends = change.life.state.over
        if ends and before is not None and in_force(before):
            self._reach.sampling.forget(before.suggestion.rule_id)
        if not ends:
            await self.catch_up()
        told = loop_told.changed(change, self.version.name, facts)
        try:
            kept = await self.record.change(
                lambda store: store.put(before, change.life, [told]), takes=ends
            )
        except Exception:
            self._not_kept(change)
            raise
        if not kept:
            self._not_kept(change)  # what the store knows is read once it was told
            raise JournalUnavailable(f"{change.life.suggestion.id} was changed meanwhile")
        life = replace(change.life, settled=True)
        self.lives[life.suggestion.id] = life
        return await self._took_effect(before, life)

    async def note(
        self, before: SuggestionLife, after: SuggestionLife, told: tuple[Told, ...] = ()
    ) -> None:
        """Keep what was seen of it; its state stays. `turn` is held."""
        try:
            kept = await self.record.change(
                lambda store: store.put(before, after, told), takes=not told
            )
        except Exception:
            self._behind = True
            raise
        if kept:
            self.lives[after.suggestion.id] = replace(after, settled=True)

    async def keep(self, sample: Sample, rule_id: str) -> None:
        """Keep what is to be looked at; `turn` is held. Raises JournalUnavailable: then it is kept later."""
        told = loop_told.sampled(sample, rule_id)
        self._unkept[sample.id] = (sample, rule_id)
        try:
            kept = await self.record.change(
                lambda store: store.add_sample(sample, told), takes=True
            )
        except Exception:
            self._behind = True
            raise
        del self._unkept[sample.id]
        if kept:
            self.samples[sample.id] = sample

    def _not_kept(self, change: Change) -> None:
        """The store may not have kept it: what was to end is ended as soon as it can be."""
        self._behind = True
        if SuggestionState.REVERTED in TABLE[change.before] and change.life.state.over:
            self._returns[change.life.suggestion.id] = change

    def fell_behind(self) -> None:
        """The journal did not take something: what the store knows is read again once it does."""
        self._behind = True

    async def catch_up(self) -> None:
        """What the journal did not take before, it is told now, and it counts. `turn` is held."""
        if not self._behind:
            return
        await self.record.tell()
        await self._read()
        await self._keep_what_was_not()
        try:
            await self._reach.layers.adopt(self.adoption("", "what was owed to the journal"))
        except SettingsError as error:  # what rules is without it: that holds until the next start
            _log.error("the adopted rules do not fit", error=error.public)
        self._behind = False
        self._sample_all()

    async def _keep_what_was_not(self) -> None:
        """What ended, and what is to be looked at, where the store could not keep it then."""
        for change in list(self._returns.values()):
            await self._end(change)
        for sample, rule_id in list(self._unkept.values()):
            await self.keep(sample, rule_id)

    async def _end(self, change: Change) -> None:
        after = change.life
        life = self.lives.get(after.suggestion.id)
        if life is not None and not life.state.over and after.state in TABLE[life.state]:
            told = loop_told.changed(change, self.version.name)
            if await self.record.change(lambda store: store.put(life, after, [told]), takes=True):
                self.lives[after.suggestion.id] = replace(after, settled=True)
        del self._returns[after.suggestion.id]

    def hushed(self, mark: str, count: int) -> bool:
        """Whether the rule that reads so is muted now; then so many decisions count.

        Called by whoever would tell of them. A mute that is over by its day tells again without a run.
        """
        now = self.now_us()
        for name, life in self.lives.items():
            if life.settled and life.mutes_now(mark, now):
                self._untold[name] += count
                return True
        return False

    async def count_untold(self) -> None:
        """Keep what was counted in place of being told; `turn` is held."""
        counted, self._untold = self._untold, Counter()
        now = self.now_us()
        for name, count in counted.items():
            life = self.lives.get(name)
            if life is not None and life.muting:
                effect = replace(life.effect, hits=life.effect.hits + count, last_us=now)
                await self.note(life, replace(life, effect=effect))

    async def tick(self) -> None:
        """What the journal is owed, it is told as soon as it takes it; called again and again."""
        async with self.turn:
            try:
                await self.catch_up()
                await self.record.catch_up()
                await self.count_untold()
            except GatekeepError as error:
                _log.warning("the journal is owed events of suggestions", error=error.public)

    async def _took_effect(
        self, before: SuggestionLife | None, life: SuggestionLife
    ) -> SuggestionLife:
        was = before is not None and in_force(before)
        if was == in_force(life):
            return life
        suggestion = life.suggestion
        try:
            by = life.decided_by if life.state is SuggestionState.REVERTED else ""
            accepted = () if was else tuple(one.principal for one in life.accepted_by)
            why = f"{suggestion.id}: {life.reason}"
            await self._reach.layers.adopt(self.adoption(by, why, (suggestion.id,), accepted))
        except SettingsError as error:
            if was:
                raise  # files that fitted with the rule do not without it: they are as they were
            return await self._unfit(life, error.public)
        except Exception:
            self._behind = True
            raise
        if not was:
            self._sample(life)
        return life

    async def _unfit(self, life: SuggestionLife, why: str) -> SuggestionLife:
        _log.warning("an accepted rule does not fit", suggestion=life.suggestion.id, error=why)
        seen = Observation(against=f"the policy does not load with it: {why}")
        back = advance(life, seen, self.now_us(), self.limits)
        return await self.make(back) if back is not None else life

    def _sample_all(self) -> None:
        """The sampler knows what is in force, and nothing else."""
        for life in self.lives.values():
            if not in_force(life):
                self._reach.sampling.forget(life.suggestion.rule_id)
        for life in self.lives.values():
            if in_force(life):
                self._sample(life)

    def _sample(self, life: SuggestionLife) -> None:
        suggestion = life.suggestion
        if suggestion.kind is SuggestionKind.RELAX:
            mine = [one for one in self.samples.values() if one.suggestion == suggestion.id]
            last = max((one.at_us for one in mine), default=0)
            self._reach.sampling.adopt(
                suggestion.rule_id, life.in_force_us, life.effect.hits, last
            )

    async def drop(self, dropped: Dropped) -> None:
        """The files changed so that a rule of the layer no longer fits: it is reverted."""
        async with self.turn:
            life = self.by_rule(dropped.rule_id)
            if life is None:
                return
            seen = Observation(against=f"the files changed, and it does not fit: {dropped.why}")
            back = advance(life, seen, self.now_us(), self.limits)
            if back is not None:
                await self.make(back)
