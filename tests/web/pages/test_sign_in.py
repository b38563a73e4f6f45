"""Signing in: who gets in, what a stranger learns, and what is recorded."""

from __future__ import annotations

import pytest
from support.page_world import PASSWORD, PageWorld, entries_of, people

from gatekeep.domain.events import EventKind
from gatekeep.proxies.ssh import front
from gatekeep.web.second_step import SECOND_STEP


async def test_a_name_and_a_password_sign_in(world: PageWorld) -> None:
    """Carol, who has no authenticator, gets in; the event is durable and says how."""
    browser = await world.signed_in("carol")
    assert browser.now.heading == "Inbox"
    (event,) = world.recorded(EventKind.AUTH_SUCCEEDED)
    assert event == {
        "code": False, "method": "password", "person": "carol", "principal": "carol",
        "source": "127.0.0.1", "via": "web",
    }  # fmt: skip


async def test_who_has_an_authenticator_needs_its_code(world: PageWorld) -> None:
    """Bob's password alone is refused, with the words of any other refusal; with the code he is in."""
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.press("Sign in", **{**world.proof("bob"), "code": ""})
    assert shown.status == 403
    alone = shown.alert
    shown = await browser.press("Sign in", **{**world.proof("bob"), "password": "wrong one"})
    assert shown.alert == alone
    shown = await browser.press("Sign in", **world.proof("bob"))
    assert (shown.status, shown.path) == (200, "/inbox")


async def test_a_code_signs_in_once(world: PageWorld) -> None:
    """Who saw bob type his code cannot use it again; nor is it worth anything over SSH."""
    used = world.code("bob")
    await world.signed_in("bob")
    browser = world.browser()
    await browser.get("/sign-in")
    shown = await browser.press("Sign in", **{**world.proof("bob"), "code": used})
    assert shown.status == 403
    assert not world.proofs.accept_code("bob", used)
    assert (await browser.press("Sign in", **{**world.proof("bob"), "code": world.next_code("bob")})).status == 200


def test_wrong_codes_count_at_all_doors_together() -> None:
    """SSH's door and this one count wrong codes under the same word, so nobody gets twice the tries."""
    assert front.SECOND_STEP == SECOND_STEP


@pytest.mark.parametrize("name", ["mallory", "erin", "Bob", "", "x" * 63])
async def test_refusals_are_alike(world: PageWorld, name: str) -> None:
    """A stranger, one without a password, another spelling: the same page as for a wrong password."""
    browser = world.browser()
    await browser.get("/sign-in")
    fields = [(one.attributes["name"], one.attributes.get("value", ""))
              for one in browser.now.page.one("form").all("input", type="hidden")]  # fmt: skip
    wrong = await browser.post("/sign-in", [*fields, ("name", "carol"), ("password", "wrong")])
    strange = await browser.post("/sign-in", [*fields, ("name", name), ("password", "wrong")])
    assert strange.status == wrong.status == 403
    assert strange.text.replace(f'value="{name}"', "") == wrong.text.replace('value="carol"', "")


async def test_guessing_locks_the_name_for_that_neighbourhood(world: PageWorld) -> None:
    """After ten failures even the right password is refused there for a while; events say so."""
    browser = world.browser()
    await browser.get("/sign-in")
    for number in range(10):
        await browser.press("Sign in", name="carol", password=f"guess number {number}")
    assert (await browser.press("Sign in", **world.proof("carol"))).status == 403
    world.folds.flush(everything=True)
    told = {(one.kind, one.cause): one.count for one in world.folded}
    assert told[(EventKind.AUTH_FAILED, "wrong password")] == 10
    assert told[(EventKind.AUTH_FAILED, "locked")] == 1
    assert told[(EventKind.AUTH_LOCKED, "too many failures")] == 1
    world.clock.pass_s(301)
    assert (await browser.press("Sign in", **world.proof("carol"))).path == "/inbox"


async def test_strangers_lock_nobody_out_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Behind a proxy the lock is on the address that it names, not on everybody behind it."""
    world = await PageWorld.open(
        tmp_path_factory.mktemp("w"), http={"proxy_from": ["127.0.0.0/8"]}
    )
    try:
        stranger, carol = world.browser(), world.browser()
        stranger.extra = {"X-Forwarded-For": "203.0.113.9"}
        carol.extra = {"X-Forwarded-For": "198.51.100.7"}
        await stranger.get("/sign-in")
        for number in range(12):
            await stranger.press("Sign in", name="carol", password=f"guess number {number}")
        assert (await stranger.press("Sign in", **world.proof("carol"))).status == 403
        await carol.get("/sign-in")
        assert (await carol.press("Sign in", **world.proof("carol"))).path == "/inbox"
    finally:
        await world.close()


async def test_a_flood_is_paced(world: PageWorld) -> None:
    """A neighbourhood that sends forms without end gets 429 before any password is computed."""
    browser = world.browser()
    await browser.get("/sign-in")
    statuses = {
        (await browser.press("Sign in", **{**world.proof("carol"), "name": f"nobody{number}"})).status
        for number in range(30)
    }
    assert statuses == {403}
    assert (await browser.get("/sign-in")).status == 200
    shown = await browser.press("Sign in", **world.proof("carol"))
    assert (shown.status, shown.heading) == (429, "Too many requests at once")
    world.clock.pass_s(60)
    await browser.get("/sign-in")
    assert (await browser.press("Sign in", **world.proof("carol"))).path == "/inbox"


async def test_what_cannot_be_recorded_does_not_sign_in(world: PageWorld) -> None:
    """A dead journal: nobody gets in, and the page says that nothing was done."""
    browser = world.browser()
    await browser.get("/sign-in")
    world.journal.break_append_at = len(world.journal.events)
    shown = await browser.press("Sign in", **world.proof("carol"))
    assert shown.status == 503
    assert (await browser.get("/inbox")).path.startswith("/sign-in")


async def test_an_id_planted_before_is_worth_nothing(world: PageWorld) -> None:
    """Session fixation: the id changes at sign-in, and the old one is nobody's."""
    thief = world.browser()
    await thief.get("/sign-in")
    planted = dict(thief.cookies)
    victim = world.browser()
    victim.cookies = dict(planted)
    await victim.get("/sign-in")
    await victim.press("Sign in", **world.proof("carol"))
    assert victim.now.path == "/inbox"
    assert victim.cookies != planted
    assert (await thief.get("/inbox")).path.startswith("/sign-in")


async def test_an_id_of_ones_own_choice_is_not_taken(world: PageWorld) -> None:
    """A cookie that we did not make is replaced, whatever it says."""
    browser = world.browser()
    browser.cookies = {"gatekeep": "admin"}
    await browser.get("/sign-in")
    assert len(browser.cookies["gatekeep"]) == 64


async def test_signing_out_ends_it(world: PageWorld) -> None:
    """The id is worth nothing afterwards, also to somebody who kept it."""
    browser = await world.signed_in("carol")
    kept = dict(browser.cookies)
    assert (await browser.get("/sign-out")).heading == "Sign out"
    assert (await browser.press("Sign out")).path == "/sign-in"
    browser.cookies = kept
    assert (await browser.get("/inbox")).path.startswith("/sign-in")


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/r/K3F9", "/r/K3F9"),
        ("/inbox?state=decided", "/inbox?state=decided"),
        ("//evil.example", "/inbox"),
        ("https://evil.example/", "/inbox"),
        ("/\\evil.example", "/inbox"),
        ("/%5Cevil.example", "/inbox"),
        ("/inbox//evil", "/inbox"),
        ("javascript:alert(1)", "/inbox"),
        ("/sign-out", "/inbox"),
        ("/inbox\r\nSet-Cookie: a=b", "/inbox"),
        ("\t//evil.example", "/inbox"),
    ],
)
async def test_one_goes_on_only_to_pages_of_ours(
    world: PageWorld, wanted: str, goes_to: str
) -> None:
    """No address of a form leads a person who has just signed in to somebody else's page."""
    browser = world.browser()
    await browser.get("/sign-in")
    await browser.press("Sign in", **world.proof("carol"), next=wanted)
    assert browser.now.path == goes_to
    assert str(browser.now.headers.get("Location", "")) == ""


async def test_a_link_asks_to_sign_in_and_goes_on(world: PageWorld) -> None:
    """Who follows a link without being signed in lands on its page in the end."""
    request = await world.ask()
    browser = world.browser()
    shown = await browser.get(f"/r/{request.id}")
    assert shown.heading == "Sign in"
    assert (await browser.press("Sign in", **world.proof("carol"))).path == f"/r/{request.id}"


async def test_cookies_are_for_us_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """HttpOnly, Strict, for the whole site; under TLS also Secure, by a name that no other may set."""
    for http, name, secure in (({}, "gatekeep", False), ({"base_url": "https://gw.example"}, "__Host-gatekeep", True)):  # fmt: skip
        world = await PageWorld.open(tmp_path_factory.mktemp("w"), http=http)
        try:
            browser = world.browser()
            shown = await browser.get("/sign-in")
            (cookie,) = shown.headers.getall("Set-Cookie")
            parts = [one.strip() for one in cookie.split(";")]
            assert parts[0].partition("=")[0] == name
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(parts)
            assert ("Secure" in parts) is secure
            assert not any(one.lower().startswith("domain") for one in parts)
        finally:
            await world.close()


async def test_a_sign_in_ends_with_time_and_without_use(world: PageWorld) -> None:
    """After half an hour without a page, and after twelve hours in any case; a clock set back helps nobody."""
    browser = await world.signed_in("carol")
    world.clock.pass_s(1_700)
    assert (await browser.get("/inbox")).status == 200
    world.clock.pass_s(1_801)
    assert (await browser.get("/inbox")).path.startswith("/sign-in")
    browser = await world.signed_in("carol")
    for _ in range(24):
        world.clock.pass_s(1_790)
        await browser.get("/inbox")
        world.clock.step_s(-10_000)
    assert browser.now.path == "/inbox"
    world.clock.pass_s(300)
    assert (await browser.get("/inbox")).path.startswith("/sign-in")


async def test_a_sign_in_ends_with_the_principal(world: PageWorld) -> None:
    """Who is removed, or put into other groups, is signed out with the next request."""
    carol = await world.signed_in("carol")
    del world.circle.kept["carol"]
    assert (await carol.get("/inbox")).path.startswith("/sign-in")
    dave = await world.signed_in("dave")
    kept = world.circle.kept["dave"]
    world.circle.kept["dave"] = type(kept)("dave", "dave", frozenset({"engineers"}))
    assert (await dave.get("/inbox")).path.startswith("/sign-in")


async def test_a_sign_in_ends_with_the_password(world: PageWorld) -> None:
    """A password that is changed ends what was begun with the old one."""
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    changed = people()
    changed[2]["password"] = changed[3]["password"]
    world.web.passwords.reload(entries_of(changed))
    assert (await carol.get("/inbox")).path.startswith("/sign-in")
    assert (await dave.get("/inbox")).path == "/inbox"
    browser = world.browser()
    await browser.get("/sign-in")
    proof = {"name": "carol", "password": PASSWORD.format(name="dave")}
    assert (await browser.press("Sign in", **proof)).path == "/inbox"


async def test_one_browser_at_a_time_is_one_sign_in(world: PageWorld) -> None:
    """Signing in again in the same browser ends the sign-in before."""
    browser = await world.signed_in("carol")
    old = dict(browser.cookies)
    await browser.get("/sign-out")
    token = browser.now.page.one("form").one("input", name="token").attributes["value"]
    fields = [("token", token), ("next", "/"), *world.proof("dave").items()]
    assert (await browser.post("/sign-in", fields)).path == "/inbox"
    browser.cookies = old
    assert (await browser.get("/inbox")).path.startswith("/sign-in")
