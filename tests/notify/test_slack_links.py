"""An account votes as somebody only after both have shown what only they were shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import slack_hands as hands
from support.approval_world import ALICE, BOB, BOT, CAROL, DAN
from support.slack_block_kit import texts_of
from support.slack_calls import call_http, form_of
from support.slack_world import SlackWorld, until

from gatekeep.errors import JournalUnavailable, NotPermitted
from gatekeep.messages import slack_links as words
from gatekeep.notify.slack_links import MOST_WORDS, MOST_WRONG, OPEN_S

CODE = re.compile(r"\b([2-9A-Z]{4}-[2-9A-Z]{4})\b")


async def told(world: SlackWorld, name: str, count: int = 1) -> str:
    """What this account was told last, once it was told so often."""
    await until(lambda: len(world.fake.direct(name)) >= count, f"{name} is told {count} times")
    return " ".join(texts_of(world.fake.direct(name)[count - 1].blocks))


async def begun(world: SlackWorld, principal: object = BOB) -> str:
    """The word on the page."""
    invitation = await world.slack.links.begin(principal)  # type: ignore[arg-type]  # a principal
    found = re.search(r"/gatekeep link ([2-9A-Z]{6})", invitation.instruction)
    assert found, invitation.instruction
    return found[1]


async def send(world: SlackWorld, name: str, text: str, **how: str) -> object:
    """An account sends the command; what it sees at once."""
    payload = hands.command(world.fake, name, text, **how)
    return (await world.fake.calls.deliver(payload, "slash_commands")).payload


async def fresh(tmp_path: Path) -> SlackWorld:
    """A workspace where nobody is linked."""
    return await SlackWorld(tmp_path).start()


async def test_an_account_is_linked_from_both_ends(tmp_path: Path) -> None:
    """Word from the page, code from Slack, and from then on its clicks are his; both are told."""
    world = await fresh(tmp_path)
    try:
        word = await begun(world)
        assert word not in str(world.fake.messages)
        assert await send(world, "bob", f"link {word}") == {"text": words.LOOK_IN_DM}
        said = await told(world, "bob")
        found = CODE.search(said)
        assert found, said
        assert "lets this Slack account vote as bob" in said
        assert found[1] not in world.fake.direct("bob")[0].text
        assert await world.slack.links.linked(BOB) is None
        link = await world.slack.links.finish(BOB, f" {found[1].lower()} ")
        assert (link.workspace, link.account, link.display_name) == (
            "Acme", world.fake.account("bob"), "bob",
        )  # fmt: skip
        assert "votes as bob" in await told(world, "bob", 2)
        kept = await world.slack.links.linked(BOB)
        assert kept is not None
        assert kept.settled
        (event,) = world.world.journal.events
        assert (event.kind, event.payload["what"]) == ("directory.changed", "slack.linked")
        assert (event.payload["principal"], event.payload["account"]) == ("bob", link.account)
        request, message = await world.asked()
        await world.click("bob", message, "approve")
        await world.is_now(request, "approved")
    finally:
        await world.close()


async def test_it_works_over_http_as_well(over_http: SlackWorld) -> None:
    """The command comes signed, in a form."""
    word = await begun(over_http, CAROL)
    body = form_of(hands.command(over_http.fake, "erin", f"link {word}"), "slash_commands")
    status, said = await call_http(over_http.url, body, over_http.signing())
    assert (status, said) == (200, words.LOOK_IN_DM)
    found = CODE.search(await told(over_http, "erin"))
    assert found
    link = await over_http.slack.links.finish(CAROL, found[1])
    assert link.account == over_http.fake.account("erin")


async def test_a_wrong_code_links_nothing_and_five_end_it(tmp_path: Path) -> None:
    """Nobody guesses."""
    world = await fresh(tmp_path)
    try:
        word = await begun(world)
        await send(world, "bob", f"link {word}")
        found = CODE.search(await told(world, "bob"))
        assert found
        for number in range(1, MOST_WRONG + 1):
            with pytest.raises(NotPermitted) as caught:
                await world.slack.links.finish(BOB, "2222-2222")
            last = number == MOST_WRONG
            assert caught.value.public == (words.TOO_OFTEN if last else words.WRONG_CODE)
        with pytest.raises(NotPermitted, match="begin again"):
            await world.slack.links.finish(BOB, found[1])
        assert await world.slack.links.linked(BOB) is None
    finally:
        await world.close()


async def test_somebody_elses_code_is_none(tmp_path: Path) -> None:
    """A code belongs to the page whose word was sent; talked out of Bob, it helps nobody."""
    world = await fresh(tmp_path)
    try:
        bobs, carols = await begun(world), await begun(world, CAROL)
        await send(world, "erin", f"link {carols}")
        stolen = CODE.search(await told(world, "erin"))
        assert stolen
        with pytest.raises(NotPermitted):
            await world.slack.links.finish(BOB, stolen[1])
        with pytest.raises(NotPermitted):
            await world.slack.links.finish(ALICE, stolen[1])
        await send(world, "bob", f"link {bobs}")
        assert CODE.search(await told(world, "bob"))
    finally:
        await world.close()


async def test_ten_minutes_and_it_is_over(tmp_path: Path) -> None:
    """For the word as for the code."""
    world = await fresh(tmp_path)
    try:
        word = await begun(world)
        await send(world, "bob", f"link {word}")
        found = CODE.search(await told(world, "bob"))
        assert found
        world.pass_s(OPEN_S)
        with pytest.raises(NotPermitted):
            await world.slack.links.finish(BOB, found[1])
        await send(world, "bob", f"link {word}")
        assert await told(world, "bob", 2) == words.NO_SUCH_WORD
    finally:
        await world.close()


async def test_beginning_again_voids_what_was_begun(tmp_path: Path) -> None:
    """Word and code alike."""
    world = await fresh(tmp_path)
    try:
        word = await begun(world)
        await send(world, "bob", f"link {word}")
        found = CODE.search(await told(world, "bob"))
        assert found
        await begun(world)
        with pytest.raises(NotPermitted):
            await world.slack.links.finish(BOB, found[1])
        await send(world, "bob", f"link {word}")
        assert await told(world, "bob", 2) == words.NO_SUCH_WORD
    finally:
        await world.close()


async def test_one_account_is_one_principal(world: SlackWorld) -> None:
    """Neither end takes what is another's, and of two that are begun the first is linked."""
    carols, dans = await begun(world, CAROL), await begun(world, DAN)
    await send(world, "bob", f"link {carols}")
    assert await told(world, "bob") == words.ACCOUNT_TAKEN
    codes = []
    for number, word in enumerate((carols, dans), 1):
        await send(world, "erin", f"link {word}")
        found = CODE.search(await told(world, "erin", number))
        assert found
        codes.append(found[1])
    await world.slack.links.finish(CAROL, codes[0])
    with pytest.raises(NotPermitted) as caught:
        await world.slack.links.finish(DAN, codes[1])
    assert caught.value.public == words.TAKEN


async def test_a_new_account_takes_the_place_of_the_old_and_the_old_is_told(
    world: SlackWorld,
) -> None:
    """Unique both ways."""
    word = await begun(world)
    await send(world, "erin", f"link {word}")
    found = CODE.search(await told(world, "erin"))
    assert found
    await world.slack.links.finish(BOB, found[1])
    assert "does not vote as bob any more" in await told(world, "bob")
    request, message = await world.asked()
    await world.click("bob", message, "approve")
    assert "not linked" in (await world.whispered())[0]
    await world.click("erin", message, "approve")
    await world.is_now(request, "approved")


async def test_unlinking_counts_at_once(world: SlackWorld) -> None:
    """And is an event; a second time there is nothing to end."""
    await world.slack.links.unlink(BOB)
    assert await world.slack.links.linked(BOB) is None
    assert "does not vote as bob" in await told(world, "bob")
    assert world.world.journal.events[-1].payload["what"] == "slack.unlinked"
    with pytest.raises(NotPermitted):
        await world.slack.links.unlink(BOB)


async def test_a_link_counts_once_its_event_is_durable(tmp_path: Path) -> None:
    """Store, journal, effect: without the journal nobody votes by it."""
    world = await fresh(tmp_path)
    try:
        word = await begun(world)
        await send(world, "bob", f"link {word}")
        found = CODE.search(await told(world, "bob"))
        assert found
        world.world.journal.broken_sync = JournalUnavailable("no space")
        with pytest.raises(JournalUnavailable):
            await world.slack.links.finish(BOB, found[1])
        assert await world.slack.links.linked(BOB) is None
        assert await world.slack.links.principal_of(world.fake.team, world.fake.account("bob")) is None
        world.world.journal.broken_sync = None
        await world.telling.tell()
        assert await world.slack.links.linked(BOB) is not None
    finally:
        await world.close()


@pytest.mark.parametrize(
    "what",
    [{"is_bot": True}, {"deleted": True}, {"team_id": "T0EVIL"}, {"is_stranger": True}],
)
async def test_only_a_person_of_the_workspace_is_linked(
    world: SlackWorld, what: dict[str, object]
) -> None:
    """No bot, nobody who is gone, no guest of a shared channel."""
    world.fake.add_account("U0STRANGE", "mallory", **what)
    word = await begun(world)
    await send(world, "mallory", f"link {word}")
    assert await told(world, "mallory") == words.NOT_A_PERSON


async def test_a_command_from_another_workspace_is_ignored(world: SlackWorld) -> None:
    """Nothing is sent to anybody."""
    word = await begun(world)
    await send(world, "erin", f"link {word}", team="T0EVIL")
    await send(world, "erin", "link AAAAAA")
    assert await told(world, "erin") == words.NO_SUCH_WORD
    assert len(world.fake.direct("erin")) == 1


async def test_words_cannot_be_tried_out(world: SlackWorld) -> None:
    """Ten in ten minutes, then the right one fails, too."""
    word = await begun(world)
    for _ in range(MOST_WORDS):
        await send(world, "erin", "link AAAAAA")
    await send(world, "erin", f"link {word}")
    await until(
        lambda: texts_of(world.fake.direct("erin")[-1].blocks) == [words.TOO_MANY_WORDS],
        "it is too often",
    )


@pytest.mark.parametrize("text", ["", "help", "link", "link A B", "unlink A"])
async def test_any_other_command_says_how_it_is_used(world: SlackWorld, text: str) -> None:
    """At once, and to nobody else."""
    assert await send(world, "bob", text) == {"text": words.USAGE}
    assert world.fake.direct("bob") == []


async def test_a_machine_is_not_linked(world: SlackWorld) -> None:
    """Votes of machines fill no seat, so none comes through an account."""
    with pytest.raises(NotPermitted):
        await world.slack.links.begin(BOT)


async def test_without_slack_nothing_is_begun(world: SlackWorld) -> None:
    """The page says so; the wrong workspace is none."""
    world.fake.team_name = "Other"
    world.fake.team = "T0OTHER"
    with pytest.raises(NotPermitted) as caught:
        await world.slack.links.begin(BOB)
    assert caught.value.public == words.NO_ANSWER
    await world.fake.down()
    with pytest.raises(NotPermitted):
        await world.slack.links.begin(BOB)
