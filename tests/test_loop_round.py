"""A run of the loop: what it looks at, in which order, and what goes on beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.loop_world import ID, LEA, LEO, RULE_ID, YES, LoopWorld, ThoughtsHere, relaxation

from gatekeep.domain.suggestions import Sample, SuggestionLife, SuggestionState
from gatekeep.errors import JournalUnavailable
from gatekeep.feedback.deeds import Answer
from gatekeep.feedback.life import Observation, proposed
from gatekeep.loop_thinker import Thinker
from gatekeep.policy.rules import PolicyVersion


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LoopWorld]:
    """A loop that runs."""
    made = LoopWorld(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_a_no_between_its_proof_and_its_acceptance_counts(world: LoopWorld) -> None:
    """It was in no evidence yet, and was said before the trial began."""
    await world.desk.run()
    world.deed(answer=Answer.DENIED)
    world.pass_days(0.01)
    for who in (LEA, LEO):
        await world.desk.accept(ID, who, YES)
    assert world.life.state is SuggestionState.SHADOW
    await world.desk.run()
    assert world.life.state is SuggestionState.REVERTED


async def test_what_nobody_answered_is_no_trial(world: LoopWorld) -> None:
    """Twenty questions of one hour prove nothing; twenty that people said yes to do."""
    await world.bring_to(SuggestionState.SHADOW)
    for answer in (Answer.NONE, Answer.WITHDRAWN, Answer.EXPIRED):
        for _ in range(20):
            world.deed(answer=answer)
    await world.desk.run()
    assert world.life.state is SuggestionState.SHADOW
    for _ in range(20):
        world.deed()
    await world.desk.run()
    assert world.life.state is SuggestionState.CANARY


async def test_a_clock_set_forward_and_right_again_hides_nothing(world: LoopWorld) -> None:
    """Its trial takes as long as ever, and what people say meanwhile is seen."""
    world.clock.step_s(9 * 86_400)
    world.steady.onward_us()
    world.clock.step_s(-9 * 86_400)
    await world.bring_to(SuggestionState.SHADOW)
    world.pass_days(1)
    await world.desk.run()
    assert world.life.state is SuggestionState.SHADOW
    world.deed(answer=Answer.DENIED)
    await world.desk.run()
    assert world.life.state is SuggestionState.REVERTED


async def test_a_no_to_a_sample_of_another_rule_speaks_against_all_that_let_it_pass(
    world: LoopWorld,
) -> None:
    """Where two rules overlap, a match is the sample of one of them."""
    await world.bring_to(SuggestionState.CANARY)
    world.hit(answer=Answer.DENIED, adopted="adopted-other")
    report = await world.desk.run()
    assert report.reverted == (ID,)
    assert not world.in_force


async def test_a_search_that_fails_keeps_nobody_from_looking_at_what_is_in_force(
    world: LoopWorld,
) -> None:
    """The run says that it failed; until then a denied sample had its effect, and nothing else."""
    await world.bring_to(SuggestionState.CANARY)
    other = replace(relaxation(), id="S-0badcafe", rule_id="adopted-0badcafe")
    async with world.book.turn:
        await world.book.make(proposed(other, world.clock.wall_us()))
    world.hit(answer=Answer.DENIED)
    world.found = None  # type: ignore[assignment]  # which nobody can go through
    with pytest.raises(TypeError):
        await world.desk.run()
    assert world.life.state is SuggestionState.REVERTED
    assert not world.in_force
    assert world.book.lives["S-0badcafe"].state is SuggestionState.PROPOSED


async def test_a_broken_journal_that_takes_nothing_holds_every_relaxation(world: LoopWorld) -> None:
    """Each of them, not only the first that cannot be told."""
    await world.bring_to(SuggestionState.CANARY)
    life = world.life
    second = replace(life.suggestion, id="S-00000000", rule_id="adopted-00000000")
    first = {"S-00000000": replace(life, suggestion=second)}
    world.book.lives = {**first, **world.book.lives}
    world.sampler.adopt("adopted-00000000", life.in_force_us)
    world.journal.accepting, world.journal.broken_sync = False, JournalUnavailable("no space")
    seen = world.witness.evidence
    world.witness.evidence = replace(seen, verified=False, unverified="torn", broken=True)
    with pytest.raises(JournalUnavailable):
        await world.desk.run()
    assert world.sampler.counts("adopted-00000000") is None
    assert world.sampler.counts(RULE_ID) is None


class Slow(ThoughtsHere):
    """Thoughts that look back for as long as they are held."""

    def __init__(self, thinker: Thinker) -> None:
        super().__init__(thinker)
        self.looking, self.goes_on = asyncio.Event(), asyncio.Event()

    async def look_back(
        self, version: PolicyVersion, now_us: int, life: SuggestionLife, samples: Sequence[Sample]
    ) -> Observation:
        """When it may."""
        self.looking.set()
        await self.goes_on.wait()
        return await super().look_back(version, now_us, life, samples)


async def test_who_takes_it_back_does_not_wait_for_what_is_thought_about(world: LoopWorld) -> None:
    """A run looks at it for long: the word holds meanwhile, and the run changes nothing of it."""
    await world.bring_to(SuggestionState.CANARY)
    slow = world.round._thoughts = Slow(world.thoughts.thinker)
    world.deed(answer=Answer.DENIED)
    run = world.owner.spawn(world.desk.run(), name="run")
    await slow.looking.wait()
    back = await world.desk.take_back(ID, LEA, YES)
    assert (back.counted, world.in_force) == (True, False)
    slow.goes_on.set()
    assert (await run).reverted == ()
    assert world.life.decided_by == "lea"


async def test_two_runs_come_one_after_the_other(world: LoopWorld) -> None:
    """One that somebody starts waits for the hourly one: its older look undoes nothing."""
    reports = await asyncio.gather(world.desk.run(), world.desk.run())
    assert [one.proposed for one in reports] == [(ID,), ()]
