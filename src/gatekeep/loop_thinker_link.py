"""The loop's own process seen from the gateway: asked, given up, started again, ended.

What it does is `loop_thinker`. A process that dies or hangs fails what it was asked; what it knew is
gone with it, and the next reading begins anew in another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import structlog

from gatekeep import loop_thinker
from gatekeep.domain.suggestions import Sample, Suggestion, SuggestionLife
from gatekeep.errors import LoopUnavailable
from gatekeep.feedback.life import Observation
from gatekeep.loop_thinker import Members, Place, Reading
from gatekeep.policy.rules import PolicyVersion
from gatekeep.runtime.work_process import Kept, WorkLost, WorkProcess

_log = structlog.get_logger(__name__)

RUN_S: Final = 3600.0
"""For so long it may read, and search: a first reading takes 40 s for a million events."""

TURN_S: Final = 300.0
"""So long may take what others wait for, its turn included."""

Result = TypeVar("Result")


class Thoughts(Protocol):
    """What a run wants to know. All but `read` is about what was read last.

    Raises LoopUnavailable where it cannot be told; nothing has changed then.
    """

    async def read(self) -> Reading:
        """Read the journal on to its end."""

    async def search(
        self, version: PolicyVersion, now_us: int, lives: Sequence[SuggestionLife]
    ) -> Mapping[str, Suggestion]:
        """What could be suggested, by its id, with what goes on where one of these lives ends."""

    async def look_back(
        self, version: PolicyVersion, now_us: int, life: SuggestionLife, samples: Sequence[Sample]
    ) -> Observation:
        """What was seen of an adopted one."""

    async def prove(
        self, version: PolicyVersion, now_us: int, suggestion: Suggestion
    ) -> Suggestion:
        """One suggestion, proven anew."""

    async def close(self) -> None:
        """Let go, at once."""


class ThinkerLink:
    """Implements Thoughts over a process. `members` are asked for at each call.

    `wall_us` is the clock by which events are stamped.
    """

    def __init__(
        self, place: Place, members: Callable[[], Members], wall_us: Callable[[], int],
        *, run_s: float = RUN_S,
    ) -> None:  # fmt: skip
        self._place = place
        self._members = members
        self._wall_us = wall_us
        self._run_s = run_s
        self._process = WorkProcess(limit_s=run_s)

    @property
    def pid(self) -> int:
        """Its process id; 0 while there is none."""
        return self._process.pid

    @property
    def asked(self) -> int:
        """How many questions have no answer yet."""
        return self._process.waiting

    async def read(self) -> Reading:
        """Read the journal on to its end, in a new process if the last one is gone."""
        return await self._asked(self._run_s, loop_thinker.read, self._wall_us())

    async def search(
        self, version: PolicyVersion, now_us: int, lives: Sequence[SuggestionLife]
    ) -> Mapping[str, Suggestion]:
        """What could be suggested, by its id."""
        return await self._asked(self._run_s, loop_thinker.search, *self._over(version), now_us, lives)

    async def look_back(
        self, version: PolicyVersion, now_us: int, life: SuggestionLife, samples: Sequence[Sample]
    ) -> Observation:
        """What was seen of an adopted one."""
        mine = [one for one in samples if one.suggestion == life.suggestion.id]
        return await self._asked(
            TURN_S, loop_thinker.look_back, *self._over(version), now_us, life, mine
        )

    async def prove(
        self, version: PolicyVersion, now_us: int, suggestion: Suggestion
    ) -> Suggestion:
        """One suggestion, proven anew."""
        return await self._asked(
            TURN_S, loop_thinker.prove_anew, *self._over(version), now_us, suggestion
        )

    async def close(self) -> None:
        """End the process, whatever it does: it changes nothing."""
        await self._process.kill()

    def _over(self, version: PolicyVersion) -> tuple[Kept, Members]:
        return Kept(version.digest, version), self._members()

    async def _asked(
        self, limit_s: float, function: Callable[..., Result], *arguments: object
    ) -> Result:
        try:
            async with asyncio.timeout(limit_s):
                return await self._process.run(function, self._place, *arguments)
        except (WorkLost, TimeoutError) as error:
            what = function.__name__
            _log.error("the loop's process was lost", asked=what, error=repr(error))
            raise LoopUnavailable(
                "What reads the journal for the loop was lost or did not answer, and nothing was"
                " changed. The next run begins anew.",
                cause=f"{what}: {error!r}",
            ) from error
