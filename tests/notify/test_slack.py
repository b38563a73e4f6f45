"""The whole of it: what becomes of requests while Slack limits, fails, or is not there at all."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

from support.approval_world import ALICE, BOB
from support.slack_samples import sample
from support.slack_world import SlackWorld, until

from gatekeep.domain.approvals import VoteVerdict
from gatekeep.gate.approval_ports import Ballot


async def test_slack_down_for_the_whole_life_of_a_request(tmp_path: Path) -> None:
    """The desk is never delayed: asking, voting and ends by themselves go on; nothing is left over."""
    world = SlackWorld(tmp_path)
    await world.start(slack_is_up=False)
    loop = asyncio.get_running_loop()
    try:
        await world.link(ALICE, BOB)
        began = loop.time()
        approved, expired = await world.ask(), await world.ask("DELETE FROM orders;")
        cast = await world.approvals.cast(
            approved.id, BOB, Ballot(VoteVerdict.APPROVE, approved.digest, "web")
        )
        assert cast.counted
        world.pass_s(901)
        await world.world.parts.tick()
        assert await world.state_of(approved) == "approved"
        assert await world.state_of(expired) == "expired"
        await world.world.parts.desk.outcome(approved.id, "DELETE 3 in 0.1 s")
        assert loop.time() - began < 2
        await until(lambda: len(world.slack._queue) == 2, "only the verdicts wait")
    finally:
        await world.close()
    assert world.fake.messages == []


async def test_what_happened_while_slack_was_down_is_said_afterwards(world: SlackWorld) -> None:
    """Open ones are shown, shown ones are closed, the requester is told; each once."""
    shown, message = await world.asked()
    await world.fake.down()
    opened = await world.ask("DELETE FROM orders;")
    await world.approvals.cast(
        shown.id, BOB, Ballot(VoteVerdict.DENY, shown.digest, "web", reason="no")
    )
    assert await world.state_of(shown) == "denied"
    await world.fake.start()
    later = await world.shown(opened)
    await until(lambda: not message.buttons(), "it is closed")
    assert set(later.buttons()) == {"approve", "deny", "open"}
    await until(lambda: world.fake.direct("alice"), "the requester is told")
    assert len(world.fake.posted("C0APPROVALS")) == 2


async def test_a_storm_of_429_is_waited_out(world: SlackWorld) -> None:
    """Retry-After is kept to, for the method in every channel; nothing is lost or said twice."""
    world.fake.storms["chat.postMessage"] = [1, 1]
    world.fake.storms["chat.update"] = [1, 1, 1]
    request = await world.ask()
    message = await world.shown(request)
    calls = world.fake.methods("chat.postMessage")
    assert len(calls) == 3
    assert all(later - earlier >= 0.99 for earlier, later in itertools.pairwise(calls))
    await world.rest()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")
    await until(lambda: not message.buttons(), "it is closed")
    calls = world.fake.methods("chat.update")
    assert len(calls) == 4
    assert all(later - earlier >= 0.99 for earlier, later in itertools.pairwise(calls))
    assert len(message.versions) == 2


async def test_faults_of_slack_are_tried_again(world: SlackWorld) -> None:
    """Its own errors, and answers that are none."""
    world.fake.errors["chat.postMessage"] = ["internal_error", "http 500", "http 503", "http 200"]
    request = await world.ask()
    await world.shown(request)
    assert len(world.fake.methods("chat.postMessage")) == 5


async def test_a_channel_that_is_not_there_is_given_up(tmp_path: Path) -> None:
    """It keeps no other one waiting, and the status counts it."""
    world = SlackWorld(tmp_path, channels={"dba": "C0NOWHERE"})
    await world.start()
    try:
        request = await world.ask(approvers=(("dba",), ("security",)))
        await world.shown(request, "C0APPROVALS")
        await until(lambda: world.slack.status.dropped == 1, "it is given up")
        await until(lambda: world.slack.status.waiting == 0, "nothing waits")
    finally:
        await world.close()


async def test_many_requests_are_paced(tmp_path: Path) -> None:
    """One message a time and channel, in the order in which they were asked."""
    world = SlackWorld(tmp_path, pace_s=0.1)
    await world.start()
    try:
        asked = [await world.ask(f"TRUNCATE t{number};") for number in range(6)]
        await until(lambda: len(world.fake.posted()) == 6, "all are shown")
        calls = world.fake.methods("chat.postMessage")
        assert all(later - earlier >= 0.095 for earlier, later in itertools.pairwise(calls))
        assert [one.id in message.text for one, message in zip(asked, world.fake.posted(), strict=True)] == [True] * 6
    finally:
        await world.close()


async def test_slack_refuses_nothing_that_we_send(world: SlackWorld) -> None:
    """Over a whole life with hostile texts, within every limit of the fake."""
    hostile = "```<!channel> <@U000000001>\x1b]0;x\x07\u202e\u200b" + "\U0001f600" * 50
    request, message = await world.asked(
        hostile, reason="\x1b[2J\x07\u202e" + "y" * 10_000, verb="./<!here>", risk="high"
    )
    await world.click("bob", message, "deny")
    await world.submit(await world.dialogue(), hostile + "z" * 700)
    await world.is_now(request, "denied")
    await until(lambda: not message.buttons(), "it is closed")
    await until(lambda: world.fake.direct("alice"), "the requester is told")
    assert world.fake.refusals == []
    for method, body in world.fake.bodies:
        if method in ("chat.postMessage", "chat.update"):
            # Slack makes no mention, link or picture of anything by itself.
            assert body["mrkdwn"] is body["link_names"] is body["unfurl_links"] is False
            assert (body["parse"], body["unfurl_media"]) == ("none", False)
        assert "<" not in body.get("text", "")
        assert not set(str(body.get("text", ""))) & set("\x1b\x07\u202e\u200b")


async def test_closing_leaves_nothing_running(tmp_path: Path) -> None:
    """Also in the middle of everything."""
    world = SlackWorld(tmp_path, pace_s=5.0)
    await world.start()
    for number in range(5):
        await world.ask(f"TRUNCATE t{number};")
    slack = world.slack
    await world.close()
    assert [len(one) for one in (slack._speaking, slack._working, slack._keeping)] == [0, 0, 0]
    slack.board.heard("requested", sample())
    assert len(slack._speaking) == 0
