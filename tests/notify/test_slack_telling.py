"""What is said once: to whom, by what account, and that it is shown on no lock screen."""

from __future__ import annotations

from support.approval_world import ALICE, BOB
from support.slack_block_kit import texts_of
from support.slack_world import SlackWorld, until

from gatekeep.domain.approvals import VoteVerdict
from gatekeep.gate.approval_ports import Ballot


async def test_the_requester_hears_the_verdict_once_with_its_reason(world: SlackWorld) -> None:
    """In one message; the lock screen says only how it ended."""
    request, _message = await world.asked()
    ballot = Ballot(VoteVerdict.DENY, request.digest, "web", reason="run it on the replica first")
    await world.approvals.cast(request.id, BOB, ballot)
    await until(lambda: world.fake.direct("alice"), "the requester is told")
    await until(lambda: not len(world.slack._queue), "all is said")
    (told,) = world.fake.direct("alice")
    assert texts_of(told.blocks) == [
        f'bob denied {request.id}: "run it on the replica first" (alice asks to run DELETE on orders-prod)'
    ]
    assert told.text == f"alice asks to run DELETE on orders-prod: denied, {request.id}"


async def test_who_is_not_linked_is_told_nothing(world: SlackWorld) -> None:
    """There is no account to tell."""
    await world.slack.links.unlink(ALICE)
    await until(lambda: world.fake.direct("alice"), "he is told that he is unlinked")
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")
    await until(lambda: not message.buttons(), "it is closed")
    await until(lambda: not len(world.slack._queue), "all is said")
    assert len(world.fake.direct("alice")) == 1


async def test_a_direct_channel_is_opened_once(world: SlackWorld) -> None:
    """And used again."""
    for text in ("DELETE FROM a;", "DELETE FROM b;"):
        _request, message = await world.asked(text)
        await world.click("bob", message, "approve")
        await until(lambda one=message: not one.buttons(), "it is closed")
    await until(lambda: len(world.fake.direct("alice")) == 2, "both verdicts are told")
    assert len(world.fake.methods("conversations.open")) == 1
