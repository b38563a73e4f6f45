"""Socket Mode: every call is answered in time, and a lost connection is made anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.approval_world import BOB
from support.slack_world import SlackWorld, until


async def test_every_call_is_answered_well_within_three_seconds(world: SlackWorld) -> None:
    """Also while Slack's own API takes its time, and the journal does not write."""
    request, message = await world.asked()
    world.fake.delay_s = 1.0
    world.world.journal.synced.clear()
    for name, deed in (("bob", "approve"), ("carol", "deny"), ("alice", "approve"), ("bob", "open")):
        await world.click(name, message, deed)
    acks = world.fake.calls.acks
    assert len(acks) == 4
    assert not [one for one in acks if one.late]
    assert max(one.after_s for one in acks) < 1.0
    assert await world.state_of(request) == "pending"
    world.fake.delay_s = 0.0
    world.world.journal.synced.set()
    await world.is_now(request, "approved")


async def test_a_refresh_that_slack_asks_for_loses_no_click(world: SlackWorld) -> None:
    """Slack closes each connection every few hours."""
    await world.fake.calls.refresh()
    await until(lambda: world.fake.calls.connections == 2, "it dialled anew")
    await until(lambda: len(world.fake.calls.sockets) == 1, "the old one is gone")
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")


async def test_a_connection_that_is_cut_is_made_anew(world: SlackWorld) -> None:
    """Without a word, as when a network fails."""
    await world.fake.calls.cut()
    await until(lambda: world.fake.calls.connections >= 2 and world.fake.calls.sockets, "again", 30)
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")


async def test_it_comes_back_after_slack_was_down(world: SlackWorld) -> None:
    """However long that takes; until then its status says so."""
    await world.fake.down()
    await until(lambda: not world.slack.status.connected, "it is seen", 20)
    await world.fake.start()
    await until(lambda: world.slack.status.connected, "it is back", 40)
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    await world.is_now(request, "approved")


async def test_it_starts_while_slack_is_down(tmp_path: Path) -> None:
    """The gateway's start does not wait for Slack."""
    world = SlackWorld(tmp_path)
    began = asyncio.get_running_loop().time()
    await world.start(slack_is_up=False)
    try:
        assert asyncio.get_running_loop().time() - began < 3
        assert not world.slack.status.connected
        await world.fake.start()
        await until(lambda: world.fake.calls.sockets, "it dialled", 60)
        await world.link(BOB)
        request, message = await world.asked()
        await world.click("bob", message, "approve")
        await world.is_now(request, "approved")
    finally:
        await world.close()


async def test_a_wrong_token_is_no_end(world: SlackWorld) -> None:
    """Refused is tried again, later each time."""
    world.fake.errors["apps.connections.open"] = ["invalid_auth"] * 2
    await world.fake.calls.cut()
    await until(lambda: world.fake.calls.connections >= 2 and world.fake.calls.sockets, "again", 60)
