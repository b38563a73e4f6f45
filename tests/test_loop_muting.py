"""A rule that nobody reads any more is muted by two, counted, and told again by its day or its change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import proof_world as example
from support.loop_world import BOT, LEA, LEO, YES, LoopWorld

from gatekeep.domain.suggestions import (
    EvidenceVector,
    SourceRule,
    Suggestion,
    SuggestionKind,
    SuggestionScope,
    SuggestionState,
)

ID = "S-0a0a0a0a"
NOISY = example.version().rule("looks")


def mute() -> Suggestion:
    """Telling less of the rule `looks`, as `feedback.upkeep` proposes it."""
    assert NOISY is not None
    return Suggestion(
        ID, SuggestionKind.MUTE, "Tell of rule looks once a week", (SourceRule("looks", NOISY.digest),),
        SuggestionScope("", "", "", (), "", verb="looks"), EvidenceVector(), 8.0, 0.0, 0.0, "", (),
    )  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LoopWorld]:
    """A loop that proposes it."""
    made = LoopWorld(tmp_path)
    made.found = [mute()]
    await made.start()
    await made.desk.run()
    yield made
    await made.stop()


async def muted(world: LoopWorld) -> str:
    """Two say yes; the mark of the rule."""
    for who in (LEA, LEO):
        await world.desk.accept(ID, who, YES)
    assert NOISY is not None
    return NOISY.mark


async def test_two_mute_a_rule_and_its_decisions_are_counted_from_then_on(world: LoopWorld) -> None:
    """One yes mutes nothing; a machine's is none; other rules are told as ever."""
    assert NOISY is not None
    assert not (await world.desk.accept(ID, BOT, YES)).counted
    await world.desk.accept(ID, LEA, YES)
    assert not world.book.hushed(NOISY.mark, 1)
    came = await world.desk.accept(ID, LEO, YES)
    assert came.life.state is SuggestionState.ACTIVE
    assert "once a week" in came.words
    assert world.book.hushed(NOISY.mark, 40)
    assert not world.book.hushed("other:0a1b2c3d4e5f", 1)
    await world.book.tick()
    assert world.book.lives[ID].effect.hits == 40
    assert world.states() == ["proposed", "accepted", "accepted", "active"]


async def test_a_restart_keeps_the_mute_and_its_count(world: LoopWorld) -> None:
    """The suggestion is the only place where it stands."""
    mark = await muted(world)
    world.book.hushed(mark, 40)
    await world.book.tick()
    await world.restart()
    assert world.book.hushed(mark, 2)
    await world.book.tick()
    assert world.book.lives[ID].effect.hits == 42


async def test_after_thirty_days_it_is_told_again_without_a_run(world: LoopWorld) -> None:
    """To the microsecond; the next run says that it is over, and may propose it anew."""
    mark = await muted(world)
    world.pass_days(29)
    assert world.book.hushed(mark, 1)
    world.pass_days(1)
    assert not world.book.hushed(mark, 1)
    await world.desk.run()
    assert world.states()[-1] == "expired"
    await world.desk.run()
    assert world.book.lives[ID].state is SuggestionState.PROPOSED


async def test_one_word_takes_it_back(world: LoopWorld) -> None:
    """At once."""
    mark = await muted(world)
    await world.desk.take_back(ID, LEA, YES)
    assert not world.book.hushed(mark, 1)
    assert world.book.lives[ID].state is SuggestionState.REVERTED


async def test_a_rule_that_reads_otherwise_is_told_again(world: LoopWorld) -> None:
    """Whatever was muted was muted as it read then; the next run says so."""
    await muted(world)
    rules = world.place / "policy" / "rules.cedar"
    rules.write_text(rules.read_text().replace('@id("looks")', '@id("looks") @title("Look")'))
    await world.restart()
    now = world.policy.active.rule("looks")
    assert now is not None
    assert not world.book.hushed(now.mark, 1)
    await world.desk.run()
    life = world.book.lives[ID]
    assert (life.state, life.reason) == (
        SuggestionState.REVERTED, "the rule looks reads otherwise now, or is gone",
    )  # fmt: skip


async def test_a_journal_that_does_not_verify_ends_it(world: LoopWorld) -> None:
    """What spoke for it may be forged: people hear again."""
    mark = await muted(world)
    world.witness.evidence = replace(world.witness.evidence, verified=False, broken=True)
    await world.desk.run()
    assert not world.book.hushed(mark, 1)
    assert world.book.lives[ID].state is SuggestionState.REVERTED
