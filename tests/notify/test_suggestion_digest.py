"""The weekly digest: at most five lines, the most saving first; who accepted hears what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.approval_world import BOB, CAROL
from support.slack_block_kit import texts_of
from support.slack_world import CONSOLE, SlackWorld, until
from support.told_suggestions import (
    ADVICE,
    CANARY,
    GATE,
    NOW_US,
    RESTART,
    REVERTED,
    VERIFIED,
    made,
)

from gatekeep.domain.suggestions import (
    DAY_US,
    WEEK_US,
    Effect,
    SuggestionKind,
    SuggestionLife,
    SuggestionScope,
    SuggestionState,
)
from gatekeep.messages import suggestions as words
from gatekeep.notify.suggestion_digest import ended_of, proposed_of

DIGEST = "C0SRE"
NOISE = SuggestionScope("", "", "", (), "", verb="noisy")
ALL = (ADVICE, CANARY, GATE, RESTART, REVERTED, VERIFIED)


@pytest.fixture
async def digesting(tmp_path: Path) -> AsyncIterator[SlackWorld]:
    """A workspace with a channel for it; bob and carol are linked."""
    made_world = SlackWorld(tmp_path, digest_channel=DIGEST)
    await made_world.start()
    await made_world.link(BOB, CAROL)
    yield made_world
    await made_world.close()


def many(count: int) -> list[SuggestionLife]:
    """So many that are proposed, the later ones more saving."""
    return [
        replace(
            RESTART,
            suggestion=replace(
                made(f"S-{number:08x}", SuggestionKind.RELAX, f"number {number}"), saves_per_week=number
            ),
        )
        for number in range(count)
    ]


def test_five_at_most_the_most_saving_first() -> None:
    """And nothing that is put off, adopted or over."""
    found = proposed_of([*many(9), replace(RESTART, state=SuggestionState.SNOOZED), CANARY, REVERTED])
    assert [one.suggestion.saves_per_week for one in found] == [8, 7, 6, 5, 4]


def test_what_became_of_adopted_ones_is_told_for_a_week() -> None:
    """The newest first; not what is older, nor what only came into force."""
    assert ended_of(ALL, NOW_US) == [VERIFIED, REVERTED]
    assert ended_of(ALL, NOW_US + WEEK_US) == []


async def test_the_channel_gets_one_message(digesting: SlackWorld) -> None:
    """A line each with a link; the lock screen shows only how many; no command text anywhere."""
    assert await digesting.slack.digest.tell(ALL, NOW_US)
    await until(lambda: digesting.fake.posted(DIGEST), "it is said")
    (message,) = digesting.fake.posted(DIGEST)
    assert message.text == "gatekeep: 3 suggestions wait for an answer"
    told = [one.rstrip() for one in texts_of(message.blocks)]
    first = (
        "S-3f9a12bc: Let sre restart nginx on production web servers without asking; expires in 90 days;"
        " saves about 3.2 approvals and 21 min of waiting a week"
    )
    assert told[:3] == ["gatekeep: 3 suggestions wait for an answer", "Proposed, most saving first:", first]
    assert "S-dead0001 ■ taken back: Let sre flush the cache without asking: a sample was denied" in told
    assert [one["url"] for one in message.buttons().values()] == [f"{CONSOLE}/suggestions"]
    assert "permit" not in str(message.blocks)


async def test_what_is_left_out_is_counted(digesting: SlackWorld) -> None:
    """Five are named, and the title counts all; with none proposed it does not say so many."""
    await digesting.slack.digest.tell(many(9), NOW_US)
    await until(lambda: digesting.fake.posted(DIGEST), "it is said")
    (message,) = digesting.fake.posted(DIGEST)
    assert message.text == "gatekeep: 9 suggestions wait for an answer"
    assert "Proposed, most saving first (5 of 9):" in [one.rstrip() for one in texts_of(message.blocks)]
    assert words.digest_title(0) == "gatekeep: what became of adopted suggestions"
MUTED = SuggestionLife(
    made("S-5eee0001", SuggestionKind.MUTE, "Tell of rule noisy once a week", before="", scope=NOISE),
    SuggestionState.ACTIVE, NOW_US, in_force_us=NOW_US, expires_us=NOW_US + 30 * DAY_US,
    effect=Effect(hits=1234),
)  # fmt: skip


async def test_muted_rules_are_counted_once_a_week(digesting: SlackWorld) -> None:
    """Each with its count and the day from which it is told again; a mute that is over is not there."""
    over = replace(MUTED, expires_us=NOW_US)
    assert not await digesting.slack.digest.tell((over,), NOW_US)
    assert await digesting.slack.digest.tell((MUTED,), NOW_US)
    await until(lambda: digesting.fake.posted(DIGEST), "it is said")
    (message,) = digesting.fake.posted(DIGEST)
    told = [one.rstrip() for one in texts_of(message.blocks)]
    rule = MUTED.suggestion.sources[0].id
    assert "Muted rules, counted since they were muted:" in told
    assert any(one.startswith(f"{rule}: 1,234 decisions so far; each is told again") for one in told)


async def test_who_accepted_hears_what_became_of_it(digesting: SlackWorld) -> None:
    """Each by direct message, one line for each of his."""
    await digesting.slack.digest.tell(ALL, NOW_US)
    for name in ("bob", "carol"):
        await until(lambda one=name: len(digesting.fake.direct(one)) == 2, f"{name} is told")
        said = {text for message in digesting.fake.direct(name) for text in texts_of(message.blocks)}
        assert said == {
            "S-0ed00ed0 ● in force, verified: Let sre read the web logs without asking",
            "S-dead0001 ■ taken back: Let sre flush the cache without asking: a sample was denied",
        }


async def test_twice_in_a_week_is_once_while_it_waits(digesting: SlackWorld) -> None:
    """Slack is down: the newer digest takes the place of the one that waits."""
    await digesting.fake.down()
    await digesting.slack.digest.tell(ALL, NOW_US)
    await digesting.slack.digest.tell((RESTART,), NOW_US)
    assert len(digesting.slack._queue._lanes[DIGEST].pieces) == 1


async def test_nothing_to_say_is_not_said(digesting: SlackWorld, world: SlackWorld) -> None:
    """No suggestion, or no channel: no message."""
    assert not await digesting.slack.digest.tell((CANARY,), NOW_US)
    assert not await world.slack.digest.tell((RESTART,), NOW_US)
    assert digesting.fake.posted(DIGEST) == []


async def test_hostile_titles_are_text(digesting: SlackWorld) -> None:
    """Neither markup nor hidden characters, nor endless length."""
    bad = "<!channel> *x* \u202e" + "y" * 5000
    life = replace(RESTART, suggestion=replace(RESTART.suggestion, title=bad))
    await digesting.slack.digest.tell((life,), NOW_US)
    await until(lambda: digesting.fake.posted(DIGEST), "it is said")
    (message,) = digesting.fake.posted(DIGEST)
    assert max(map(len, texts_of(message.blocks))) < 500
    assert "\u202e" not in str(message.blocks)
    assert "channel" not in message.text
