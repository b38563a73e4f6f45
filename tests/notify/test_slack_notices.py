"""Notices in Slack: the channel of the rule's group, few lines, no markup, no values, no secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.notice_samples import FOR_DBA, FOR_NOBODY, notice
from support.slack_block_kit import texts_of
from support.slack_world import SlackWorld, until

from gatekeep.gate.notice_ports import Notice
from gatekeep.messages import notices as words
from gatekeep.notify import slack_queue
from gatekeep.notify.notice_folds import Batch, Folded

COMMON, DBA = "C0APPROVALS", "C0DBA"


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[SlackWorld]:
    """A workspace with a channel for dba, and one for everybody."""
    made = SlackWorld(tmp_path, channels={"dba": DBA})
    await made.start()
    yield made
    await made.close()


def batch(*notices: Notice, left_out: int = 0, **counts: int) -> Batch:
    """Each of these, as often as is said."""
    return Batch(tuple(Folded(one, counts or {one.came_to: 1}) for one in notices), left_out)


async def lines(world: SlackWorld, channel: str = COMMON) -> list[str]:
    """The lines of the only message there."""
    await until(lambda: world.fake.posted(channel), "it is said")
    (message,) = world.fake.posted(channel)
    return [one.rstrip("\n") for one in texts_of(message.blocks)]


async def test_who_what_where_and_where_to_look(told: SlackWorld) -> None:
    """Two lines a fold; the lock screen says how many, and neither a name nor a text."""
    told.slack.notices.tell(batch(notice(), released=12, refused=1))
    assert await lines(told) == [
        "prod-writes (Writes in production): alice on orders-prod: 12 times released, refused",
        "update customers set name = $1:text where id = $2:int · S-8QZ4 · last: gatekeep audit show 4711",
    ]
    (message,) = told.fake.posted(COMMON)
    assert message.text == "gatekeep: 13 decisions of rules that notify"


async def test_each_group_in_its_channel_and_the_rest_in_the_default_one(told: SlackWorld) -> None:
    """A group without a channel is told in the default one; one message a channel."""
    told.slack.notices.tell(batch(notice(), notice(FOR_DBA), notice(FOR_NOBODY)))
    assert [one.partition(":")[0] for one in (await lines(told, DBA))[::2]] == ["ddl"]
    assert [one.partition(":")[0] for one in (await lines(told))[::2]] == [
        "prod-writes (Writes in production)", "dcl",
    ]  # fmt: skip


async def test_a_target_whose_texts_stay_out_of_slack_shows_its_verb_alone(told: SlackWorld) -> None:
    """What is in Slack cannot be erased."""
    told.slack.notices.tell(batch(notice(target="hush")))
    assert (await lines(told))[1] == "UPDATE · S-8QZ4 · gatekeep audit show 4711"


async def test_hostile_names_are_text(told: SlackWorld) -> None:
    """Neither markup nor hidden characters, nor endless length, on lock screens neither."""
    bad = "<!channel> *x* \u202e\n```" + "y" * 5000
    told.slack.notices.tell(batch(notice(template=bad, principal=bad)))
    shown = await lines(told)
    (message,) = told.fake.posted(COMMON)
    assert max(map(len, shown)) < 700
    assert "\u202e" not in str(message.blocks)
    assert "mrkdwn" not in str(message.blocks)
    assert "channel" not in message.text


async def test_what_was_too_much_is_said(told: SlackWorld) -> None:
    """In the default channel, also where nothing else is to be said there."""
    told.slack.notices.tell(batch(notice(FOR_DBA), left_out=1234))
    assert await lines(told) == [words.left_out(1234)]
    assert "1,234 more decisions" in words.left_out(1234)


async def test_a_full_queue_is_made_good_by_a_count(
    told: SlackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What found no room is not tried again: the next message says how many it was."""
    with monkeypatch.context() as full:
        full.setattr(slack_queue, "MOST_WAITING", 0)
        told.slack.notices.tell(batch(notice(), released=40))
    told.slack.notices.tell(batch(notice(FOR_NOBODY)))
    assert (await lines(told))[-1] == words.left_out(40)


async def test_without_a_channel_nothing_is_said(tmp_path: Path) -> None:
    """Requests then go to persons; notices are for channels."""
    world = SlackWorld(tmp_path, default_channel="")
    await world.start()
    world.slack.notices.tell(batch(notice(), left_out=3))
    await until(lambda: not len(world.slack._queue), "all is said")
    assert world.fake.posted("") == []
    await world.close()
