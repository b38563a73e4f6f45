"""Live grants: who sees which, and taking one back."""

from __future__ import annotations

from support.page_world import PageWorld

from gatekeep.domain.events import EventKind


async def given(world: PageWorld, by: str = "dave", **changes: str) -> str:
    """A grant that somebody gave to alice (or whoever asked); its id."""
    request = await world.ask(template="delete from t where id = $1:int", **changes)
    browser = await world.signed_in(by)
    await browser.get(f"/r/{request.id}")
    await browser.press("Approve and run, and this session", scope="session")
    (grant, *_) = await world.half.front.grants()
    world.clock.pass_s(31)
    return grant.id


async def test_own_given_and_all(world: PageWorld) -> None:
    """The requester sees hers, dave what he gave, carol of security all; bob, who has no part, none."""
    grant = await given(world)
    for name in ("alice", "dave", "carol"):
        browser = await world.signed_in(name)
        shown = await browser.get("/grants")
        assert grant in shown.words, name
        assert "this session" in shown.words
        assert "DELETE FROM customers" in shown.words
    bob = await world.signed_in("bob")
    assert "No grant that you may see is live." in (await bob.get("/grants")).words
    readers = {one["principal"] for one in world.recorded(EventKind.AUDIT_READ) if one["query"] == "grants live"}
    assert readers == {"dave", "carol"}, "one's own is no reading of others"


async def test_revoking_is_at_once(world: PageWorld) -> None:
    """Who holds it may revoke it; it is gone from the list, and the event is durable."""
    grant = await given(world)
    alice = await world.signed_in("alice")
    await alice.get("/grants")
    shown = await alice.press(f"Revoke {grant}")
    assert (shown.path, shown.status) == ("/grants", 200)
    assert grant not in shown.words
    assert await world.half.front.grants() == []
    assert world.recorded(EventKind.GRANT_REVOKED)[0]["by"] == "alice"


async def test_what_one_may_not_see_cannot_be_revoked(world: PageWorld) -> None:
    """Bob gets the same answer for another's grant as for none."""
    grant = await given(world)
    bob = await world.signed_in("bob")
    await bob.get("/sign-out")
    token = ("token", bob.now.page.one("input", name="token").attributes["value"])
    there = await bob.post(f"/grants/{grant}/revoke", [token])
    never = await bob.post("/grants/G-0000000000/revoke", [token])
    assert (there.status, there.text) == (404, never.text)
    assert len(await world.half.front.grants()) == 1


async def test_policy_has_the_last_word(world: PageWorld) -> None:
    """Carol may read all grants; whether she may revoke another's is a rule, and there is none."""
    grant = await given(world)
    carol = await world.signed_in("carol")
    await carol.get("/grants")
    shown = await carol.press(f"Revoke {grant}")
    assert shown.status == 403
    assert "policy does not let you revoke this grant" in shown.words
    assert len(await world.half.front.grants()) == 1
