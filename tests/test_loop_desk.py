"""One suggestion's story through desk, state, policy and sampler: from evidence to its return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.loop_world import ANN, BOT, ID, LEA, LEO, RULE_ID, YES, LoopWorld, relaxation

from gatekeep.domain.suggestions import SuggestionState
from gatekeep.feedback.deeds import Answer
from gatekeep.feedback.ports import Wish


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LoopWorld]:
    """A loop that runs."""
    made = LoopWorld(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_what_is_always_approved_is_proposed_accepted_tried_and_comes_into_force(
    world: LoopWorld,
) -> None:
    """The whole way, and at its end the version that rules has the standing rule."""
    report = await world.desk.run()
    assert report.proposed == (ID,)
    first = await world.desk.accept(ID, LEA, YES)
    assert (first.counted, first.life.state) == (True, SuggestionState.PROPOSED)
    second = await world.desk.accept("3f9a", LEO, YES)
    assert second.life.state is SuggestionState.SHADOW
    assert not world.in_force
    world.deed()
    world.pass_days(7)
    await world.desk.run()
    assert world.life.state is SuggestionState.CANARY
    assert world.in_force
    assert world.sampler.counts(RULE_ID) is not None
    assert world.states() == ["proposed", "accepted", "accepted", "shadow", "canary"]
    activated = world.told("policy.activated")[-1]
    assert activated["via"] == "suggestion"
    assert activated["accepted_by"] == ["lea", "leo"]
    assert activated["suggestions"] == [ID]
    layer = world.place / "state" / "policy" / "adopted.cedar"
    assert RULE_ID in layer.read_text()
    assert layer.stat().st_mode & 0o777 == 0o600


async def test_the_first_sample_that_a_person_denies_takes_it_back(world: LoopWorld) -> None:
    """A bad adoption is over with the first look at it."""
    await world.bring_to(SuggestionState.CANARY)
    world.pass_days(1)
    world.hit(answer=Answer.DENIED)
    report = await world.desk.run()
    assert report.reverted == (ID,)
    assert world.life.state is SuggestionState.REVERTED
    assert not world.in_force
    assert world.sampler.counts(RULE_ID) is None
    assert world.states()[-1] == "reverted"
    assert not (world.place / "state" / "policy" / "adopted.cedar").exists()


async def test_one_person_is_not_two(world: LoopWorld) -> None:
    """The same person again, without a factor, a machine, who gains most: none of them counts."""
    await world.desk.run()
    await world.desk.accept(ID, LEA, YES)
    said = [
        await world.desk.accept(ID, LEA, YES),
        await world.desk.accept(ID, LEO, Wish("yes", "web")),
        await world.desk.accept(ID, BOT, YES),
        await world.desk.accept(ID, ANN, YES),
        await world.desk.accept(ID, LEO, Wish(" ", "web", mfa=True)),
        await world.desk.accept(ID, LEO, Wish("yes", "web", mfa=True, seen="0" * 12)),
    ]
    refusals = [one.refusal for one in said]
    assert refusals == ["twice", "mfa", "rights", "self", "reason", "digest"]
    assert not any(one.counted for one in said)
    assert world.life.state is SuggestionState.PROPOSED


async def test_a_no_while_it_is_tried_ends_it(world: LoopWorld) -> None:
    """Shadow is a trial: nothing has passed by it, and nothing will."""
    await world.bring_to(SuggestionState.SHADOW)
    world.deed(answer=Answer.DENIED)
    await world.desk.run()
    assert world.life.state is SuggestionState.REVERTED
    assert "canary" not in world.states()


async def test_dismissed_stays_away_until_its_evidence_has_doubled(world: LoopWorld) -> None:
    """41 approvals were not enough; 81 are not either; 82 are asked about again."""
    await world.desk.run()
    await world.desk.dismiss(ID, LEA, Wish("not on these servers", "web"))
    assert world.life.weight == 41
    known = relaxation()
    for asked, state in ((81, SuggestionState.DISMISSED), (82, SuggestionState.PROPOSED)):
        vector = replace(known.vector, asked=asked, approved=asked)
        world.found = [replace(known, vector=vector)]
        await world.desk.run()
        assert world.life.state is state
