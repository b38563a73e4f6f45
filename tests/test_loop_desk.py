"""One suggestion's story through desk, state, policy and sampler: from evidence to its return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import session as a_session
from support.builders import target
from support.loop_world import ANN, BOT, ID, LEA, LEO, RULE_ID, YES, LoopWorld, days, relaxation
from support.polling import until
from support.proof_world import NGINX, standing_rule, version

from gatekeep.domain.approvals import (
    ApprovalRequest,
    Place,
    RequestKind,
    RequestState,
    Subject,
    Why,
)
from gatekeep.domain.identity import Principal
from gatekeep.domain.sessions import Session
from gatekeep.domain.suggestions import SampleAnswer, SuggestionKind, SuggestionState
from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.feedback.deeds import Answer
from gatekeep.feedback.life import proposed
from gatekeep.feedback.ports import Wish
from gatekeep.gate.holding import SAMPLE


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


async def test_a_machine_decides_nothing(world: LoopWorld) -> None:
    """No yes, no no, not now and not back: whoever holds its token cannot steer what people are asked."""
    await world.bring_to(SuggestionState.PROPOSED)
    later = world.clock.wall_us() + days(7)
    for came in (
        await world.desk.accept(ID, BOT, YES), await world.desk.dismiss(ID, BOT, YES),
        await world.desk.snooze(ID, BOT, YES, later), await world.desk.take_back(ID, BOT, YES),
    ):  # fmt: skip
        assert (came.counted, came.refusal) == (False, "rights")
    assert world.book.lives[ID].state is SuggestionState.PROPOSED


async def test_what_cannot_be_done_says_how_it_stands(world: LoopWorld) -> None:
    """Nothing to take back, too long, already over: each by the state it is in and the way that is left."""
    await world.bring_to(SuggestionState.PROPOSED)
    back = await world.desk.take_back(ID, LEA, YES)
    assert "is proposed: there is nothing to take back" in back.words
    late = await world.desk.snooze(ID, LEA, YES, world.clock.wall_us() + days(91))
    assert "it can be put off for 90 days at most" in late.words
    await world.desk.dismiss(ID, LEA, YES)
    over = await world.desk.dismiss(ID, LEO, YES)
    assert over.words == f"{ID} is dismissed already by lea. Nothing changed."


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


async def test_a_match_that_is_called_wrong_afterwards_takes_it_back_at_once(
    world: LoopWorld,
) -> None:
    """Without waiting for the next run; who did it cannot answer, nor can a machine."""
    await world.bring_to(SuggestionState.CANARY)
    n = 1234
    world.desk.looked_at_later(RULE_ID, n, session("ann"), "systemctl restart nginx")
    await until(lambda: world.book.samples, "a sample")
    (sample,) = await world.desk.samples()
    assert (sample.id, sample.n, sample.person, sample.groups) == ("M-1234", n, "ann", ("leads",))
    for who in (ANN, BOT):
        with pytest.raises(NotPermitted):
            await world.desk.answer(sample.id, who, SampleAnswer.RIGHT, YES)
    with pytest.raises(NotPermitted):
        await world.desk.answer(sample.id, LEA, SampleAnswer.WRONG, Wish("", "web"))
    said = await world.desk.answer("m-1234", LEA, SampleAnswer.WRONG, Wish("not at noon", "web"))
    assert (said.answer, said.answered_by) == (SampleAnswer.WRONG, "lea")
    assert world.life.state is SuggestionState.REVERTED
    assert not world.in_force
    assert await world.desk.samples() == []
    assert world.states()[-3:] == ["sampled", "answered", "reverted"]
    again = await world.desk.answer(sample.id, LEO, SampleAnswer.RIGHT, YES)
    assert again == said
    await world.restart()
    assert await world.desk.samples(unanswered=False) == [said]


async def test_wrong_counts_at_once_while_the_journal_takes_nothing(world: LoopWorld) -> None:
    """People are asked again from then on; what is owed is told once it can be."""
    await world.bring_to(SuggestionState.CANARY)
    world.desk.looked_at_later(RULE_ID, 1234, session("ann"), NGINX)
    await until(lambda: world.book.samples, "a sample")
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.desk.answer("M-1234", LEA, SampleAnswer.WRONG, Wish("not at noon", "web"))
    assert world.sampler.counts(RULE_ID) is None
    world.journal.mend()
    await world.book.tick()
    assert world.life.state is SuggestionState.REVERTED
    assert not world.in_force
    (sample,) = await world.desk.samples(unanswered=False)
    assert sample.answer is SampleAnswer.WRONG


async def test_a_held_sample_that_is_denied_takes_it_back_at_once(world: LoopWorld) -> None:
    """The desk of approvals tells; a request that is no sample changes nothing."""
    await world.bring_to(SuggestionState.CANARY)
    world.desk.on_request("decided", request({}, RequestState.DENIED))
    world.desk.on_request("decided", request({SAMPLE: RULE_ID}, RequestState.APPROVED))
    assert world.life.state is SuggestionState.CANARY
    world.desk.on_request("decided", request({SAMPLE: RULE_ID}, RequestState.DENIED))
    await until(lambda: not world.in_force, "its return")
    assert world.life.reason == "lea denied a sample of it (K3F9)"


async def test_forecast_and_effect_are_told_to_who_accepted_it(world: LoopWorld) -> None:
    """After one day, seven, thirty; verified then, because all that was looked at was right."""
    await world.bring_to(SuggestionState.VERIFIED)
    looked = world.told("suggestion.checked")
    assert [one["day"] for one in looked] == [7, 30]
    assert all(one["accepted_by"] == ["lea", "leo"] for one in looked)
    assert world.life.effect.hits == 24
    assert "24 matches" in world.life.reason


async def test_put_off_it_comes_back_by_itself(world: LoopWorld) -> None:
    """And who said yes before has to look again."""
    await world.desk.run()
    await world.desk.accept(ID, LEA, YES)
    until_us = world.clock.wall_us() + days(3)
    came = await world.desk.snooze(ID, LEO, Wish("after the release", "cli"), until_us)
    assert came.life.state is SuggestionState.SNOOZED
    await world.desk.run()
    assert world.life.state is SuggestionState.SNOOZED
    world.pass_days(3)
    await world.desk.run()
    assert world.life.state is SuggestionState.PROPOSED
    assert world.life.accepted_by == ()


async def test_what_the_evidence_no_longer_carries_is_withdrawn(world: LoopWorld) -> None:
    """A denial among its like, and nobody is asked about it any more."""
    await world.desk.run()
    world.found = []
    report = await world.desk.run()
    assert report.withdrawn == (ID,)
    assert world.life.state is SuggestionState.EXPIRED
    late = await world.desk.accept(ID, LEA, YES)
    assert late.refusal == "state"


async def test_the_narrower_form_is_proven_and_accepted_instead(world: LoopWorld) -> None:
    """Only web-1; both persons have to mean it."""
    narrow = standing_rule(version(), targets=("web-1",))
    world.found = [relaxation(narrower=narrow)]
    await world.desk.run()
    await world.desk.accept(ID, LEA, YES)
    came = await world.desk.accept(ID, LEO, Wish("web-1 is enough", "web", mfa=True, narrower=True))
    assert came.life.suggestion.rule == narrow
    assert [one.person for one in came.life.accepted_by] == ["leo"]
    await world.desk.run()
    assert world.life.suggestion.rule == narrow
    last = await world.desk.accept(ID, LEA, YES)
    assert last.life.state is SuggestionState.SHADOW


async def test_the_narrower_form_is_proven_also_right_after_a_start(world: LoopWorld) -> None:
    """Before the first run its evidence is read; what people said no to meanwhile counts."""
    world.found = [relaxation(narrower=standing_rule(version(), targets=("web-1",)))]
    await world.desk.run()
    world.deed(answer=Answer.DENIED)
    await world.restart()
    came = await world.desk.accept(ID, LEO, Wish("web-1 is enough", "web", mfa=True, narrower=True))
    assert came.refusal == "state"
    assert world.life.accepted_by == ()


async def test_with_a_rule_its_renewal_goes_too(world: LoopWorld) -> None:
    """At once, in whichever state: it is the same text with other days."""
    await world.bring_to(SuggestionState.CANARY)
    rule = world.life.suggestion.rule.replace(RULE_ID, "adopted-0badcafe")
    renewal = replace(world.life.suggestion, id="S-0badcafe", rule_id="adopted-0badcafe", rule=rule)
    async with world.book.turn:
        await world.book.make(proposed(renewal, world.clock.wall_us()))
    for who in (LEA, LEO):
        await world.desk.accept("S-0badcafe", who, YES)
    assert world.book.lives["S-0badcafe"].state is SuggestionState.SHADOW
    world.desk.on_request("decided", request({SAMPLE: RULE_ID}, RequestState.DENIED))
    await until(lambda: world.book.lives["S-0badcafe"].state.over, "its return")
    assert world.life.state is SuggestionState.REVERTED
    assert world.book.lives["S-0badcafe"].state is SuggestionState.REVERTED


async def test_no_machine_takes_back_what_asks_more(world: LoopWorld) -> None:
    """That lets more pass, so it is for persons."""
    await world.bring_to(SuggestionState.CANARY)
    gate = replace(world.life.suggestion, kind=SuggestionKind.GATE)
    world.book.lives[ID] = replace(world.life, suggestion=gate)
    came = await world.desk.take_back(ID, BOT, YES)
    assert (came.counted, came.refusal) == (False, "rights")


async def test_history_is_replayed_again_on_demand(world: LoopWorld) -> None:
    """With the evidence of that moment."""
    await world.desk.run()
    found = await world.desk.backtest("S-3F9A12BC")
    assert found.matrix["ask>allow"] == 41
    with pytest.raises(KeyError):
        await world.desk.backtest("S-nothing")


async def test_one_person_is_enough_where_one_may_decide(tmp_path: Path) -> None:
    """`policy.single_person`; the event of the activation says so."""
    alone = LoopWorld(tmp_path, single_person=True)
    await alone.start()
    try:
        await alone.bring_to(SuggestionState.CANARY)
        assert alone.in_force
        assert alone.told("policy.activated")[-1]["single_person"]
    finally:
        await alone.stop()


def session(name: str) -> Session:
    """A session of this principal on web-1."""
    who = Principal(name, name, frozenset({"sre"}))
    return a_session(principal=who, target=target("web-1"))


def request(facts: dict[str, str], state: RequestState) -> ApprovalRequest:
    """A request that lea decided."""
    subject = Subject(RequestKind.COMMAND, "systemctl", NGINX, NGINX, facts=facts)
    return ApprovalRequest(
        "K3F9", Place("ann", "ann", "web-1", "deploy"), subject,
        Why("prod-systemctl", "w", "p", (("leads",),)), "0" * 64, 1, 2, state=state,
        decided_by="lea",
    )  # fmt: skip
