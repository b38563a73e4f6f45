"""Makes the rooms of the feedback loop out of stores, journal and policy. Wires; decides nothing."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from gatekeep.approval_assembly import ApprovalHalf
from gatekeep.configuration import Configuration
from gatekeep.domain.suggestions import DAY_US, WEEK_US
from gatekeep.errors import GatekeepError, JournalUnavailable, LoopUnavailable
from gatekeep.feedback.life import Limits
from gatekeep.feedback.ports import WeeklyDigest
from gatekeep.gate.approval_record import Record
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.ports import Directory, Journal
from gatekeep.loop_book import LoopBook, Reach
from gatekeep.loop_desk import LoopDesk
from gatekeep.loop_layer import Dropped, fitted
from gatekeep.loop_round import LoopRound
from gatekeep.loop_thinker_link import Thoughts
from gatekeep.policy_versions import PolicyVersions
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.suggestions import SuggestionBooks

_log = structlog.get_logger(__name__)

_TURN_S: Final = 1.0
"""So often the clock is looked at, and what is owed to the journal told again."""
_US: Final = 1_000_000
_SOON_US: Final = 60 * _US
"""So soon after a start what was accepted is looked at, however often the gateway is restarted."""


@dataclass(frozen=True, slots=True)
class LoopNeeds:
    """What the loop needs of the rest. `books` work on a connection that nobody else uses.

    `now_us` never goes back, `least_us` is not hurried by a clock that is set forward.
    """

    books: SuggestionBooks
    journal: Journal
    versions: PolicyVersions
    policy: PolicyDeskOver
    approvals: ApprovalHalf
    thoughts: Thoughts
    now_us: Callable[[], int]
    least_us: Callable[[], int]


class LoopHalf:
    """The rooms of the loop, and the clock that starts its runs."""

    def __init__(self, settings: Settings, needs: LoopNeeds) -> None:
        self._settings = settings
        self._versions = needs.versions
        self._books = needs.books
        self._thoughts = needs.thoughts
        self._now_us = needs.now_us
        self.owner = TaskOwner("loop", on_failure=_failed)
        self._thread = Offload(threads=1)
        record = Record(needs.books, self._thread, needs.journal, self.owner)
        reach = Reach(needs.versions, needs.approvals.sampler, lambda: needs.policy.active)
        self.book = LoopBook(record, reach, needs.now_us, _limits(settings), needs.least_us)
        self.round = LoopRound(self.book, needs.thoughts, searches=settings.feedback.enabled)
        self.desk = LoopDesk(self.book, self.round, self.owner)
        self.digest: WeeklyDigest | None = None

    async def recover(self, configuration: Configuration) -> Configuration:
        """Before anything is served: what the journal is owed is told, and the layer is as it must be.

        Returns the configuration with that layer. Raises JournalUnavailable, SettingsError.
        """
        await self.book.load()
        self._versions.layer = self.book.layer
        self._versions.on_dropped = self.dropped
        if not self.book.lives:
            return configuration
        await self._versions.recovered(self.book.adoption("", "the gateway starts"))
        found = fitted(self._settings.policy.dir, self._versions.adopted_layer())
        return replace(configuration, policy=found.version, dropped=found.dropped)

    async def dropped(self, dropped: Sequence[Dropped]) -> None:
        """Rules that no longer fit the files that rule: their suggestions are reverted."""
        failed: GatekeepError | None = None
        for one in dropped:
            try:
                await self.book.drop(one)
            except GatekeepError as error:  # the next one is dropped all the same
                failed = error
        if failed is not None:
            raise failed

    def start(self) -> None:
        """From now on look at the journal every so often."""
        self.owner.spawn(self._by_the_clock(), name="runs")

    async def _by_the_clock(self) -> None:
        """Looks at the clock often, so that one that is moved by hand is followed, too.

        A run goes on beside it: what the journal is owed does not wait for that.
        """
        every_us = int(self._settings.feedback.every_s * _US)
        due_us = self._now_us() + (min(every_us, _SOON_US) if self.book.watches else every_us)
        told_week = week_of(self._now_us(), self._settings)
        running: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(_TURN_S)
            try:
                await self.book.tick()
            except Exception as error:  # noqa: BLE001 - the next turn may be luckier; the clock goes on
                _failed("a look at what the journal is owed", error)
            now = self._now_us()
            if now >= due_us and (running is None or running.done()):
                due_us = now + every_us
                running = self.owner.spawn(self._run(), name="run")
            week = week_of(now, self._settings)
            if week > told_week:
                told_week = week
                await self._tell_week(now)

    async def _run(self) -> None:
        try:
            report = await self.round.run()
        except JournalUnavailable as error:
            _log.warning("a run of the loop could not be recorded", error=error.public)
        except LoopUnavailable as error:
            _log.error("a run of the loop was lost", error=error.public, cause=error.cause)
        except Exception as error:  # noqa: BLE001 - the next run may be luckier; the gate goes on
            _failed("a run of the loop", error)
        else:
            _log.info(
                "the loop has run", read=report.read, seconds=report.seconds,
                proposed=len(report.proposed), reverted=len(report.reverted), stopped=report.stopped,
            )  # fmt: skip

    async def _tell_week(self, now_us: int) -> None:
        if self.digest is None:
            return
        try:
            await self.digest.tell(await self.desk.suggestions(), now_us)
        except Exception as error:  # noqa: BLE001 - people elsewhere are not the loop's affair
            _failed("the weekly digest", error)

    async def close(self) -> None:
        """Let changes come to their end, but no run; then close the books."""
        await self.owner.close(grace=0.2)
        try:
            async with self.book.turn:
                await self.book.count_untold()
        except GatekeepError as error:
            _log.warning("what was not told is not counted", error=error.public)
        await self._thoughts.close()
        self._thread.close()
        self._books.close()


def _failed(what: str, error: BaseException) -> None:
    """The text of an error may hold statements and values: its kind and place are told, and no more."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    public = error.public if isinstance(error, GatekeepError) else ""
    _log.error("failed", what=what, error=type(error).__name__, place=place, why=public)


def assemble_loop(settings: Settings, needs: LoopNeeds) -> LoopHalf:
    """Every part, made but not running."""
    loop = LoopHalf(settings, needs)
    needs.approvals.sampler.on_after = loop.desk.looked_at_later
    needs.approvals.front.listen(loop.desk.on_request)
    return loop


def persons_in(directory: Directory) -> dict[str, frozenset[str]]:
    """Each group with the persons in it."""
    found: dict[str, set[str]] = {}
    for one in directory.principals():
        for group in one.groups:
            found.setdefault(group, set()).add(one.person)
    return {group: frozenset(persons) for group, persons in found.items()}


def week_of(now_us: int, settings: Settings) -> int:
    """Which week it is, counted from the day and hour of the digest."""
    days = ("thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday")
    given = settings.feedback
    begins = days.index(given.digest_day) * DAY_US + given.digest_hour * 3600 * _US
    return (now_us - begins) // WEEK_US


def _limits(settings: Settings) -> Limits:
    given = settings.feedback
    return Limits(
        shadow_us=given.shadow_days * DAY_US,
        shadow_hits=given.shadow_hits,
        canary_us=given.canary_days * DAY_US,
        expires_us=given.expires_days * DAY_US,
        single_person=settings.policy.single_person,
    )
