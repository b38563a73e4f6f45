"""Makes the rooms of the feedback loop out of stores, journal and policy. Wires; decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from gatekeep.approval_assembly import ApprovalHalf
from gatekeep.configuration import Configuration
from gatekeep.domain.suggestions import DAY_US
from gatekeep.errors import GatekeepError, JournalUnavailable
from gatekeep.feedback.candidates import candidates
from gatekeep.feedback.life import Limits
from gatekeep.feedback.ports import WeeklyDigest
from gatekeep.feedback.proof import prove
from gatekeep.feedback.shadow import matches
from gatekeep.gate.approval_record import Record
from gatekeep.gate.policy_desk import PolicyDeskOver
from gatekeep.gate.ports import Directory, Journal
from gatekeep.loop_book import LoopBook, Reach
from gatekeep.loop_desk import LoopDesk
from gatekeep.loop_layer import Dropped, fitted
from gatekeep.loop_round import LoopRound, Thinking, Witness
from gatekeep.policy_versions import PolicyVersions
from gatekeep.runtime.offload import Offload
from gatekeep.runtime.tasks import TaskOwner
from gatekeep.settings import Settings
from gatekeep.stores.sqlite.suggestions import SuggestionBooks

_log = structlog.get_logger(__name__)

_TURN_S = 1.0
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class LoopNeeds:
    """What the loop needs of the rest. `books` work on a connection that nobody else uses.

    `now_us` never goes back.
    """

    books: SuggestionBooks
    journal: Journal
    versions: PolicyVersions
    policy: PolicyDeskOver
    approvals: ApprovalHalf
    directory: Directory
    witness: Witness
    now_us: Callable[[], int]


class LoopHalf:
    """The rooms of the loop, and the clock that starts its runs."""

    def __init__(
        self, settings: Settings, needs: LoopNeeds, witness: Witness, thinking: Thinking
    ) -> None:
        self._settings = settings
        self._versions = needs.versions
        self._books = needs.books
        self._witness = witness
        self._now_us = needs.now_us
        self.owner = TaskOwner("loop")
        self._thread = Offload(threads=1)
        self._thinking = Offload(threads=1)
        record = Record(needs.books, self._thread, needs.journal, self.owner)
        reach = Reach(needs.versions, needs.approvals.sampler, lambda: needs.policy.active)
        self.book = LoopBook(record, reach, needs.now_us, _limits(settings))
        self.round = LoopRound(
            self.book, witness, thinking, self._thinking,
            searches=settings.feedback.enabled,
        )  # fmt: skip
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
        for one in dropped:
            await self.book.drop(one)

    def start(self) -> None:
        """From now on look at the journal every so often."""
        self.owner.spawn(self._by_the_clock(), name="runs")

    async def _by_the_clock(self) -> None:
        """Looks at the clock often, so that one that is moved by hand is followed, too."""
        every_us = int(self._settings.feedback.every_s * _US)
        due_us = self._now_us() + every_us
        told_week = week_of(self._now_us(), self._settings)
        while True:
            await asyncio.sleep(_TURN_S)
            await self.book.tick()
            now = self._now_us()
            if now >= due_us:
                due_us = now + every_us
                await self._run()
            week = week_of(now, self._settings)
            if week > told_week:
                told_week = week
                await self._tell_week(now)

    async def _run(self) -> None:
        try:
            report = await self.round.run()
        except JournalUnavailable as error:
            _log.warning("a run of the loop could not be recorded", error=error.public)
        except Exception as error:  # noqa: BLE001 - the next run may be luckier; the gate goes on
            _log.error("a run of the loop failed", error=repr(error))
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
            _log.error("the weekly digest was not told", error=repr(error))

    async def close(self) -> None:
        """Let changes come to their end, then close the books."""
        await self.owner.close(grace=0.2)
        try:
            async with self.book.turn:
                await self.book.count_untold()
        except GatekeepError as error:
            _log.warning("what was not told is not counted", error=error.public)
        await self._witness.close()
        self._thinking.close()
        self._thread.close()
        self._books.close()


def assemble_loop(settings: Settings, needs: LoopNeeds) -> LoopHalf:
    """Every part, made but not running."""
    loop = LoopHalf(settings, needs, needs.witness, thinking_over(needs.directory))
    needs.approvals.sampler.on_after = loop.desk.looked_at_later
    needs.approvals.front.listen(loop.desk.on_request)
    return loop


def thinking_over(directory: Directory) -> Thinking:
    """What finds and proves suggestions, over the groups as they are at that time."""
    return Thinking(
        candidates,
        lambda suggestion, evidence, version, now_us: prove(
            suggestion, evidence, version, persons_in(directory), now_us
        ),
        lambda suggestion, deeds, version: matches(
            suggestion, deeds, version, persons_in(directory)
        ),
    )


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
    return (now_us - begins) // (7 * DAY_US)


def _limits(settings: Settings) -> Limits:
    given = settings.feedback
    return Limits(
        shadow_us=given.shadow_days * DAY_US,
        shadow_hits=given.shadow_hits,
        canary_us=given.canary_days * DAY_US,
        expires_us=given.expires_days * DAY_US,
        single_person=settings.policy.single_person,
    )
