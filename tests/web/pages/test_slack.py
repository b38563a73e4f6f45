"""Linking one's Slack account: begun with a second factor, finished with Slack's code."""

from __future__ import annotations

from pathlib import Path

from support.page_world import FakeSlack, PageWorld

from gatekeep.messages import web as words


async def test_bob_links_his_account(world: PageWorld) -> None:
    """A fresh code begins it, the code that Slack showed ends it; the page names account and workspace."""
    bob = await world.signed_in("bob")
    shown = await bob.get("/me/slack")
    assert words.SLACK_UNLINKED in shown.words
    shown = await bob.press("Begin linking", code=world.next_code("bob"))
    assert "In the workspace acme: send link to @gatekeep." in shown.words
    shown = await bob.press("Link this account", slack_code=f" {FakeSlack.code} ")
    assert shown.path == "/me/slack"
    assert "Linked to bobby (U024BE7LH) in the workspace acme since 2023-11-14" in shown.words


async def test_it_takes_a_fresh_factor(world: PageWorld) -> None:
    """Neither an old sign-in nor a used or wrong code begins it."""
    used = world.code("bob")
    bob = await world.signed_in("bob")
    await bob.get("/me/slack")
    for code in (used, "123456"):
        shown = await bob.press("Begin linking", code=code)
        assert (shown.status, shown.alert) == (403, words.SLACK_REFUSED)
    world.clock.pass_s(700)
    await bob.get("/me/slack")
    shown = await bob.press("Begin linking", password=world.proof("alice")["password"], code=world.code("bob"))
    assert shown.status == 403
    assert world.slack.begun == set()


async def test_without_an_authenticator_there_is_no_linking(world: PageWorld) -> None:
    """Carol is told so, and a form of her own making begins nothing."""
    carol = await world.signed_in("carol")
    shown = await carol.get("/me/slack")
    assert words.SLACK_NEEDS_CODES in shown.words
    await carol.get("/sign-out")
    token = ("token", carol.now.page.one("input", name="token").attributes["value"])
    assert (await carol.post("/me/slack/begin", [token, ("code", "123456")])).status == 403
    assert world.slack.begun == set()


async def test_a_wrong_code_of_slack(world: PageWorld) -> None:
    """The words of whoever checks it are shown; nothing is linked."""
    bob = await world.signed_in("bob")
    await bob.get("/me/slack")
    await bob.press("Begin linking", code=world.next_code("bob"))
    shown = await bob.press("Link this account", slack_code="SHOWN-0000")
    assert (shown.status, shown.alert) == (403, "no account was shown this code")
    assert world.slack.links == {}


async def test_where_slack_is_not_set_up(tmp_path: Path) -> None:
    """The page says so, and so do the forms' addresses."""
    world = await PageWorld.open(tmp_path, slack=False)
    try:
        bob = await world.signed_in("bob")
        shown = await bob.get("/me/slack")
        assert (shown.status, shown.heading) == (404, "Slack is not set up here")
        await bob.get("/sign-out")
        token = ("token", bob.now.page.one("input", name="token").attributes["value"])
        for path in ("/me/slack/begin", "/me/slack/finish"):
            assert (await bob.post(path, [token])).status == 404
    finally:
        await world.close()
