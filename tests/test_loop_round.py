"""A run of the loop: what it looks at, in which order, and what goes on beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.loop_world import ID, LEA, LEO, RULE_ID, YES, FakeWitness, LoopWorld, relaxation
from support.polling import until

from gatekeep.domain.suggestions import SuggestionState
from gatekeep.errors import JournalUnavailable
from gatekeep.feedback.deeds import Answer, Deed, Evidence
from gatekeep.feedback.life import proposed


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


async def test_who_takes_it_back_does_not_wait_for_what_is_thought_about(world: LoopWorld) -> None:
    """A run looks at it for long: the word holds meanwhile, and the run changes nothing of it."""
    await world.bring_to(SuggestionState.CANARY)
    looking, goes_on = threading.Event(), threading.Event()

    def long_look(_one: object, _deeds: object, _version: object) -> list[Deed]:
        looking.set()
        goes_on.wait(30)
        return []

    world.round._thinking = replace(world.round._thinking, matches=long_look)
    world.deed(answer=Answer.DENIED)
    run = world.owner.spawn(world.desk.run(), name="run")
    await until(looking.is_set, "a look")
    back = await world.desk.take_back(ID, LEA, YES)
    assert (back.counted, world.in_force) == (True, False)
    goes_on.set()
    assert (await run).reverted == ()
    assert world.life.decided_by == "lea"


async def test_two_runs_come_one_after_the_other(world: LoopWorld) -> None:
    """One that somebody starts waits for the hourly one: its older look undoes nothing."""
    going = asyncio.Event()

    class Slow(FakeWitness):
        reading = most = 0

        async def read(self) -> Evidence:
            self.reading += 1
            self.most = max(self.most, self.reading)
            await going.wait()
            self.reading -= 1
            return await FakeWitness.read(self)

    slow = Slow()
    world.round._witness = slow
    both = [world.owner.spawn(world.desk.run(), name="run") for _ in range(2)]
    await until(lambda: slow.reading, "a run")
    going.set()
    reports = await asyncio.gather(*both)
    assert slow.most == 1
    assert [one.proposed for one in reports] == [(ID,), ()]
