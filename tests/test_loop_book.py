"""Store, journal, effect of suggestions: restarts in every state, journals that fail, files that change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import session as a_session
from support.builders import target
from support.loop_world import ID, LEA, LEO, RULE_ID, YES, LoopWorld, relaxation

from gatekeep.domain.suggestions import SuggestionState
from gatekeep.errors import JournalUnavailable
from gatekeep.feedback.deeds import Answer
from gatekeep.loop_layer import fitted

_S = SuggestionState


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LoopWorld]:
    """A loop that runs."""
    made = LoopWorld(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize(
    "state", [_S.PROPOSED, _S.SHADOW, _S.CANARY, _S.ACTIVE, _S.VERIFIED], ids=str
)
async def test_a_restart_changes_nothing(world: LoopWorld, state: SuggestionState) -> None:
    """In whatever state: the same life, the same layer in force, the sampler told of it."""
    before = await world.bring_to(state)
    events = len(world.told())
    await world.restart()
    assert world.life == before
    assert world.in_force is state.rules
    assert (world.sampler.counts(RULE_ID) is not None) is state.rules
    assert len(world.told()) == events


async def test_what_was_reverted_is_not_in_force_after_a_restart(world: LoopWorld) -> None:
    """Even if its file is put back by hand."""
    await world.bring_to(_S.CANARY)
    layer = world.place / "state" / "policy" / "adopted.cedar"
    text = layer.read_text()
    await world.desk.take_back(ID, LEA, YES)
    assert not world.in_force
    layer.write_text(text)
    await world.restart()
    assert not world.in_force
    assert not layer.exists()


async def test_a_journal_that_breaks_behind_the_store_lets_nothing_pass_until_it_was_told(
    world: LoopWorld,
) -> None:
    """Kept, owed, not in force; once the journal works again it is told, and counts."""
    await world.bring_to(_S.SHADOW)
    world.pass_days(7)
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.desk.run()
    assert not world.in_force
    assert world.life.state is _S.SHADOW
    world.journal.mend()
    await world.book.tick()
    assert world.life.state is _S.CANARY
    assert world.in_force
    assert world.sampler.counts(RULE_ID) is not None


async def test_killed_between_store_and_journal_it_is_told_at_the_start(world: LoopWorld) -> None:
    """The change was kept; the event follows at the next start, before anything counts."""
    await world.bring_to(_S.SHADOW)
    world.pass_days(7)
    world.journal.broken_sync = JournalUnavailable("killed")
    with pytest.raises(JournalUnavailable):
        await world.desk.run()
    world.journal.mend()
    await world.restart()
    assert world.life.state is _S.CANARY
    assert world.life.settled
    assert world.in_force
    assert world.states()[-1] == "canary"


async def test_killed_between_journal_and_effect_the_effect_follows(world: LoopWorld) -> None:
    """The event is durable, the version was not activated: the start does it, with who accepted."""
    await world.bring_to(_S.SHADOW)
    world.pass_days(7)
    n = len(world.journal.events)
    world.journal.break_append_at = n + 1  # the canary is told, the activation is not
    with pytest.raises(JournalUnavailable):
        await world.desk.run()
    assert not world.in_force
    world.journal.mend()
    await world.restart()
    assert world.in_force
    activated = world.told("policy.activated")[-1]
    assert (activated["via"], activated["suggestions"]) == ("suggestion", [])


async def test_a_return_holds_at_once_while_the_journal_accepts_nothing(world: LoopWorld) -> None:
    """The rule may still be in the version: the sampler does not know it, so people are asked."""
    await world.bring_to(_S.CANARY)
    world.journal.broken_sync = JournalUnavailable("no space")
    world.journal.accepting = False
    with pytest.raises(JournalUnavailable):
        await world.desk.take_back(ID, LEA, YES)
    assert world.sampler.counts(RULE_ID) is None
    world.journal.mend()
    await world.desk.run()
    assert world.life.state is _S.REVERTED
    assert not world.in_force
    assert world.states().count("reverted") >= 1


async def test_no_yes_is_kept_while_the_journal_accepts_nothing(world: LoopWorld) -> None:
    """What gives something is not made."""
    await world.desk.run()
    world.journal.accepting = False
    with pytest.raises(JournalUnavailable):
        await world.desk.accept(ID, LEA, YES)
    world.journal.mend()
    assert world.life.accepted_by == ()
    await world.restart()
    assert world.life.accepted_by == ()


async def test_a_rule_that_the_files_no_longer_fit_is_dropped_and_reverted(
    world: LoopWorld,
) -> None:
    """Its id was used in the files meanwhile: the gateway starts, without it."""
    await world.bring_to(_S.CANARY)
    clash = world.place / "policy" / "more.cedar"
    clash.write_text(f'@id("{RULE_ID}") forbid (principal, action == Action::"ssh.exec", resource) when {{ context.argv.contains("rm") }};')
    found = fitted(world.place / "policy", world.versions.adopted_layer())
    assert [one.rule_id for one in found.dropped] == [RULE_ID]
    await world.book.drop(found.dropped[0])
    assert world.life.state is _S.REVERTED
    assert "does not fit" in world.life.reason
    assert not world.in_force


async def test_a_rule_that_does_not_load_is_reverted_in_the_same_breath(world: LoopWorld) -> None:
    """What people accepted is told, and so is that it does not fit."""
    await world.bring_to(_S.SHADOW)
    world.pass_days(7)
    life = world.life
    broken = replace(life, suggestion=replace(life.suggestion, rule='@id("adopted-3f9a12bc") permit(principal'))
    world.book.lives[ID] = broken
    await world.desk.run()
    assert world.life.state is _S.REVERTED
    assert not world.in_force


async def test_a_rule_that_somebody_wrote_into_the_layer_stays(world: LoopWorld) -> None:
    """The loop takes out what is its own, and nothing else."""
    await world.bring_to(_S.CANARY)
    own = '@id("by-hand") forbid (principal, action == Action::"ssh.exec", resource) when { context.argv.contains("dd") };'
    texts = dict(world.policy.active.texts)
    texts["adopted.cedar"] += f"\n{own}\n"
    layer = world.book.layer(texts)
    assert layer is not None
    assert own in layer
    await world.desk.take_back(ID, LEO, YES)
    layer = world.book.layer(texts)
    assert layer is not None
    assert own in layer
    assert RULE_ID not in layer


async def test_a_changed_source_rule_ends_what_relaxes_it(world: LoopWorld) -> None:
    """The rule falls silent by itself; the suggestion says so."""
    await world.bring_to(_S.CANARY)
    rules = world.place / "policy" / "rules.cedar"
    rules.write_text(rules.read_text().replace("restarted by two", "restarted by three"))
    await world.restart()
    await world.desk.run()
    assert world.life.state is _S.REVERTED
    assert "prod-systemctl" in world.life.reason


async def test_a_journal_that_does_not_verify_takes_every_relaxation_back(world: LoopWorld) -> None:
    """And one that is only late takes none, and suggests nothing."""
    await world.bring_to(_S.CANARY)
    seen = world.witness.evidence
    world.witness.evidence = replace(seen, verified=False, unverified="not signed yet")
    report = await world.desk.run()
    assert report.stopped == "not signed yet"
    assert world.life.state is _S.CANARY
    world.witness.evidence = replace(seen, verified=False, unverified="torn", broken=True)
    report = await world.desk.run()
    assert report.reverted == (ID,)
    assert not world.in_force


async def test_it_ends_by_its_day_and_may_be_proposed_again(world: LoopWorld) -> None:
    """At most 90 days; with more evidence than then it comes back."""
    await world.bring_to(_S.CANARY)
    world.hit(answer=Answer.APPROVED)
    world.pass_days(84)
    await world.desk.run()
    world.pass_days(7)
    world.found = []
    await world.desk.run()
    assert world.life.state is _S.EXPIRED
    assert not world.in_force
    more = relaxation()
    world.found = [replace(more, vector=replace(more.vector, asked=42, approved=42))]
    await world.desk.run()
    assert world.life.state is _S.PROPOSED
    assert world.life.accepted_by == ()


def unwritable(world: LoopWorld, *, so: bool = True) -> None:
    """The state of the loop takes nothing any more, or does again."""
    world.books._db.execute(f"PRAGMA query_only = {'ON' if so else 'OFF'}")


async def test_a_return_that_the_state_cannot_keep_holds_until_it_can(world: LoopWorld) -> None:
    """A disk that is full keeps neither state nor journal: nothing passes by the rule meanwhile."""
    await world.bring_to(_S.CANARY)
    unwritable(world)
    with pytest.raises(JournalUnavailable):
        await world.desk.take_back(ID, LEA, YES)
    for _ in range(3):
        await world.book.tick()
        assert world.sampler.counts(RULE_ID) is None
    unwritable(world, so=False)
    await world.book.tick()
    assert world.life.state is _S.REVERTED
    assert (world.life.decided_by, world.told()[-1]["by"]) == ("lea", "lea")
    assert not world.in_force
    await world.restart()
    assert world.life.state is _S.REVERTED


async def test_a_return_while_its_own_canary_is_owed_is_not_lost(world: LoopWorld) -> None:
    """The state knows more than anybody was told: the word still counts, once it can be told."""
    await world.bring_to(_S.SHADOW)
    world.pass_days(7)
    world.journal.broken_sync = JournalUnavailable("no space")
    with pytest.raises(JournalUnavailable):
        await world.desk.run()
    with pytest.raises(JournalUnavailable):
        await world.desk.take_back(ID, LEA, YES)
    world.journal.mend()
    await world.book.tick()
    assert world.life.state is _S.REVERTED
    assert not world.in_force
    assert world.sampler.counts(RULE_ID) is None


async def test_a_sample_that_the_state_cannot_keep_is_kept_later(world: LoopWorld) -> None:
    """The sampler counts it as looked at, so somebody has to look."""
    await world.bring_to(_S.CANARY)
    unwritable(world)
    session = a_session(target=target("web-1"))
    world.desk.looked_at_later(RULE_ID, 1234, session, "systemctl restart nginx")
    await world.owner.close(grace=5.0)
    assert not world.book.samples
    unwritable(world, so=False)
    await world.book.tick()
    assert list(world.book.samples) == ["M-1234"]
    assert world.states()[-1] == "sampled"


async def test_cases_that_somebody_is_about_to_write_hold_no_return(world: LoopWorld) -> None:
    """They are for what comes into force; what goes out of force goes."""
    await world.bring_to(_S.CANARY)
    cases = world.place / "policy" / "cases"
    cases.mkdir()
    (cases / "own.yaml").write_text("cases: [")
    await world.desk.take_back(ID, LEA, YES)
    assert world.life.state is _S.REVERTED
    assert not world.in_force
