"""A run that is lost in its middle, two runs at once, and what cannot be proven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from support.loop_world import ID, LEA, LEO, LoopWorld, ThoughtsHere, relaxation
from support.proof_world import NGINX, standing_rule, version

from gatekeep.domain.suggestions import Sample, Suggestion, SuggestionLife, SuggestionState
from gatekeep.errors import LoopUnavailable
from gatekeep.feedback.life import Observation
from gatekeep.feedback.ports import Wish
from gatekeep.loop_round import LoopRound
from gatekeep.loop_thinker import Reading, Thinker, Thinking
from gatekeep.policy.rules import PolicyVersion


class Losing(ThoughtsHere):
    """Thoughts whose process is lost where it is told to be; notes what it was asked."""

    def __init__(self, thinker: Thinker) -> None:
        super().__init__(thinker)
        self.lost = ""
        self.asked: list[str] = []

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.sleep(0)
        if what == self.lost:
            raise LoopUnavailable("it was lost")

    async def read(self) -> Reading:
        """Or not."""
        await self._ask("read")
        return await super().read()

    async def search(
        self, version: PolicyVersion, now_us: int, lives: Sequence[SuggestionLife]
    ) -> Mapping[str, Suggestion]:
        """Or not."""
        await self._ask("search")
        return await super().search(version, now_us, lives)

    async def look_back(
        self, version: PolicyVersion, now_us: int, life: SuggestionLife, samples: Sequence[Sample]
    ) -> Observation:
        """Or not."""
        await self._ask("look back")
        return await super().look_back(version, now_us, life, samples)


class Town(LoopWorld):
    """The example's loop over thoughts that can be lost."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        thinking = Thinking(lambda _evidence, _version, _now: list(self.found))
        self.thoughts = Losing(Thinker(self.witness.read, thinking))
        self.round = LoopRound(self.book, self.thoughts)
        self.desk._round = self.round


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """It runs."""
    made = Town(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("where", ["read", "search"])
async def test_a_run_that_is_lost_changes_nothing_and_the_next_one_goes_on(
    town: Town, where: str
) -> None:
    """Wherever it was lost before anything was told."""
    town.thoughts.lost = where
    with pytest.raises(LoopUnavailable):
        await town.desk.run()
    assert town.states() == []
    town.thoughts.lost = ""
    report = await town.desk.run()
    assert report.proposed == (ID,)


async def test_what_is_in_force_stays_as_it_is_where_nobody_could_look_back(town: Town) -> None:
    """The change that was due is made by the next run."""
    await town.bring_to(SuggestionState.CANARY)
    told = town.states()
    town.pass_days(14)
    town.thoughts.lost = "look back"
    with pytest.raises(LoopUnavailable):
        await town.desk.run()
    assert (town.states(), town.life.state) == (told, SuggestionState.CANARY)
    assert town.in_force
    town.thoughts.lost = ""
    await town.desk.run()
    assert town.life.state is SuggestionState.ACTIVE


async def test_a_run_thinks_of_what_it_read_itself(town: Town) -> None:
    """Two that are started at once follow each other, and so does a backtest."""
    await town.desk.run()
    town.thoughts.asked.clear()
    await asyncio.gather(town.desk.run(), town.desk.backtest(ID), town.desk.run())
    assert town.thoughts.asked == ["read", "search", "read", "read", "search"]


async def test_a_narrower_form_is_not_accepted_unproven(town: Town) -> None:
    """What was read is gone with the process that read it, and cannot be read again: it waits."""
    narrow = standing_rule(version(), templates=[NGINX])
    town.found = [relaxation(narrower=narrow)]
    await town.desk.run()
    town.thoughts.thinker = Thinker(town.witness.read)
    town.thoughts.lost = "read"
    wish = Wish("web-1 is enough", "web", mfa=True, narrower=True)
    for who in (LEA, LEO):
        with pytest.raises(LoopUnavailable, match="lost"):
            await town.desk.accept(ID, who, wish)
    assert town.life.state is SuggestionState.PROPOSED
    assert town.life.accepted_by == ()
    assert town.life.suggestion.narrower == narrow
