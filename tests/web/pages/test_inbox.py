"""The inbox: three lists, each with what is its own."""

from __future__ import annotations

from support.page_world import PageWorld
from support.plain_browser import PlainBrowser

from gatekeep.domain.delegations import OnCall
from gatekeep.domain.events import EventKind


def ids(browser: PlainBrowser) -> list[str]:
    """The requests in the list."""
    return [row.all("th")[0].text.strip() for row in browser.now.page.one("tbody").all("tr")]


async def test_what_waits_for_me_oldest_first(world: PageWorld) -> None:
    """What I may decide and have not voted on; no buttons in the rows."""
    first = await world.ask("DELETE FROM a", why__approvers=(("dba:2",),))
    world.clock.pass_s(60)
    second = await world.ask("DELETE\n  FROM   b\x1b[2J", template="b")
    await world.ask("DROP TABLE c", template="c", why__approvers=(("owners",), ("dba",)))
    carol, alice = await world.signed_in("carol"), await world.signed_in("alice")
    assert ids(carol)[:2] == [first.id, second.id]
    assert len(ids(carol)) == 3
    assert "14 min left" in carol.now.words
    assert "alice → orders-prod" in carol.now.words
    assert "DELETE FROM b\\x1b[2J" in carol.now.words
    assert "0 of 2" in carol.now.words
    assert carol.now.page.all("form") == []
    await carol.get(f"/r/{first.id}")
    await carol.press("Vote to approve: run once")
    await carol.get("/inbox")
    assert first.id not in ids(carol)
    assert "Nothing waits for you." in alice.now.words


async def test_an_empty_inbox_says_who_is_asked(world: PageWorld) -> None:
    """Who is on call for my groups, and nothing of others' groups."""
    world.special.called = [OnCall("dba", ("bob", "carol")), OnCall("storage", ("zoe",))]
    dave = await world.signed_in("dave")
    assert "Nothing waits for you. bob and carol are on call for dba." in dave.now.words
    assert "zoe" not in dave.now.words


async def test_a_long_inbox_begins_with_the_oldest(world: PageWorld) -> None:
    """Fifty at a time: deciding some brings the others; nobody has to look through pages."""
    asked = []
    for number in range(55):
        who = {"place__principal": f"p{number}", "place__person": f"p{number}"}
        asked.append((await world.ask(f"TRUNCATE t{number}", template=f"t{number}", **who)).id)
    carol = await world.signed_in("carol")
    assert ids(carol) == asked[:50]
    assert "The oldest 50 are shown" in carol.now.words


async def test_what_i_asked(world: PageWorld) -> None:
    """The requester finds hers, whatever became of them, newest first."""
    first = await world.ask("DELETE FROM a")
    second = await world.ask("DELETE FROM b", template="b")
    await world.half.front.withdraw(first.id, world.circle.kept["alice"], "cancelled")
    alice, carol = await world.signed_in("alice"), await world.signed_in("carol")
    await alice.get("/inbox?state=mine")
    assert ids(alice) == [second.id, first.id]
    assert "Withdrawn by alice" in alice.now.words
    await carol.get("/inbox?state=mine")
    assert "You have asked for nothing yet." in carol.now.words


async def test_what_was_decided(world: PageWorld) -> None:
    """Nothing disappears; who may not see a request does not see it here; reading is recorded."""
    first = await world.ask("DELETE FROM a")
    carol, alice = await world.signed_in("carol"), await world.signed_in("alice")
    await carol.get(f"/r/{first.id}")
    await carol.press("Deny", reason="no")
    second = await world.ask("x", template="x", place__principal="erin", place__person="erin")
    await carol.get(f"/r/{second.id}")
    await carol.press("Approve and run once")
    await carol.get("/inbox?state=decided")
    assert ids(carol) == [second.id, first.id]
    assert "■ carol denied it" in carol.now.words
    reading = world.recorded(EventKind.AUDIT_READ)[-1]
    assert (reading["query"], reading["found"]) == ("requests decided", 2)
    await alice.get("/inbox?state=decided")
    assert ids(alice) == [first.id]


async def test_long_lists_go_on(world: PageWorld) -> None:
    """Fifty a page, and a link to the older ones, none lost and none twice."""
    alice = world.circle.kept["alice"]
    asked = []
    for number in range(120):
        request = await world.ask(f"TRUNCATE t{number}", template=f"t{number}")
        await world.half.front.withdraw(request.id, alice, "cancelled")
        asked.append(request.id)
    browser = await world.signed_in("alice")
    seen: list[str] = []
    await browser.get("/inbox?state=mine")
    while True:
        seen += ids(browser)
        older = [one for one in browser.now.page.one("main").all("a") if one.text == "Older"]
        if not older:
            break
        await browser.get(older[0].attributes["href"])
    assert seen == asked[::-1]


async def test_nonsense_is_not_a_list(world: PageWorld) -> None:
    """Lists that there are not, and places that there are not, do no harm."""
    carol = await world.signed_in("carol")
    assert (await carol.get("/inbox?state=all")).status == 404
    assert (await carol.get("/inbox?state=mine&before=%27%20OR%201=1")).status == 200
    assert (await carol.get("/")).path == "/inbox"
