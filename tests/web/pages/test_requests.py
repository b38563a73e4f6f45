"""The page of one request: what it shows, and how somebody decides on it."""

from __future__ import annotations

import re
from dataclasses import replace

from support.api_world import released
from support.page_world import PageWorld
from support.plain_browser import PlainBrowser

from gatekeep.domain.approvals import RequestKind, Scope, VoteVerdict
from gatekeep.domain.events import EventKind
from gatekeep.gate.approval_ports import Ballot
from gatekeep.messages import web_requests as said

ORDER = [
    "What would run", "Reason given by the requester", "Why gatekeep asks", "What it would do",
    "What happened to this before", "The session so far", "Votes", "Decide",
]  # fmt: skip


def headings(browser: PlainBrowser) -> list[str]:
    """The page's sections, in reading order."""
    return [" ".join(one.text.split()) for one in browser.now.page.all("h2")]


def fields(browser: PlainBrowser, button: str) -> list[tuple[str, str]]:
    """The hidden fields of a button's form."""
    form, _ = browser._form_of(button)
    return [(one.attributes["name"], one.attributes["value"]) for one in form.all("input", type="hidden")]  # fmt: skip


async def test_everything_stands_in_the_order_of_reading(world: PageWorld) -> None:
    """State and title, the whole command, her reason, why, what it would do, before, session, votes, panel."""
    request = await world.ask(reason="ticket OPS-412", sight={"rows_estimate": 1204331, "verb": "DELETE", "index_used": ""})
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert shown.status == 200
    assert shown.heading == "alice wants to run DELETE on orders-prod"
    found = [one.split(" 1 line")[0] for one in headings(carol)]
    assert found == ORDER
    for piece in (
        "◆ waiting", "15 min left", "DELETE FROM customers", "ticket OPS-412",
        "prod-writes: Writes need a dba", "Writes on production are looked at.", "destroys data",
        "moderate ▮▮▯▯", "about 1,204,331 rows, no index", "10.1.4.7", "app_rw", "shop", "never asked before",
        "It takes one of dba", "bob, carol and dave", "the rows that it meets when it runs",
        request.digest[:12],
    ):  # fmt: skip
        assert piece in shown.words, piece


async def test_a_sample_says_of_which_rule_it_is_one(world: PageWorld) -> None:
    """Beside the rule that asks; of what is no sample nothing is said."""
    request = await world.ask(subject__facts={"scopes": [], "sample": "adopted-1"})
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert "adopted rule adopted-1 would let this pass" in shown.words
    drawn = await world.ask("DELETE FROM b", subject__facts={"scopes": [], "sample": "adopted-3f9a12bc"})
    linked = await carol.get(f"/r/{drawn.id}")
    assert linked.page.one("a", href="/suggestions/S-3f9a12bc").text == "Suggestion S-3f9a12bc"
    plain = await world.ask("DELETE FROM a")
    other = await carol.get(f"/r/{plain.id}")
    assert "adopted rule" not in other.words


async def test_what_one_may_not_see_is_not_there(world: PageWorld) -> None:
    """Erin's colleague gets the page of an address that never was, to look and to decide."""
    request = await world.ask(place__principal="erin", place__person="erin")
    alice = await world.signed_in("alice")
    there = await alice.get(f"/r/{request.id}")
    never = await alice.get("/r/ZZZZ")
    assert (there.status, there.text) == (404, never.text.replace("ZZZZ", request.id))
    token = await alice.get("/sign-out")
    hidden = ("token", token.page.one("input", name="token").attributes["value"])
    shown = await alice.post(f"/r/{request.id}", [hidden, ("do", "deny"), ("reason", "x"), ("digest", request.digest)])
    assert shown.status == 404
    assert (await alice.get("/r/" + "A" * 5000)).status == 404


async def test_hostile_text_is_inert_and_visible(world: PageWorld) -> None:
    """Script tags, quotes, escapes, bidi marks and 10 kB of it: shown as text, all of it."""
    hostile = (
        "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{7*7}} \x1b[2J \u202etxt.exe"
        "\u200b\x00 \u0430\n" + "A" * 10_000 + "\n</code></div><form action=https://evil>"
    )
    request = await world.ask(
        hostile, reason=f"because <b>{hostile}", place__account="<i>app</i>",
        subject__verb="<script>", why__reason=hostile, subject__tags=frozenset({"<script>"}),
    )  # fmt: skip
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    page = shown.page
    assert not page.all("script")
    assert not page.all("img")
    assert [one.attributes["action"] for one in page.all("form")] == [f"/r/{request.id}"] * 2
    assert not any(name.startswith("on") or name == "style" for one in page.all() for name in one.attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u200b\u2066-\u2069]", shown.text)
    command = page.all(class_="command")[0].text
    assert "<script>alert(1)</script>" in command
    assert "\\x1b[2J \\u202etxt.exe\\u200b\\x00 \u0430U+0430" in command
    assert "A" * 10_000 in command
    assert len(page.one("blockquote").text) == 2001, "reasons are cut"
    assert "{{7*7}} " in command
    assert "49" not in command


async def test_redacted_parts_say_that_they_are_secrets(world: PageWorld) -> None:
    """Where a secret was, a mark stands; the same stars in a text without secrets are stars."""
    carol = await world.signed_in("carol")
    request = await world.ask("mysql --password=*** -e 'x'", subject__redacted=True)
    shown = await carol.get(f"/r/{request.id}")
    assert "mysql --password=▇ secret -e 'x'" in shown.words
    request = await world.ask("SELECT '***'")
    shown = await carol.get(f"/r/{request.id}")
    assert "SELECT '***'" in shown.words


async def test_looking_is_recorded_before_it_is_shown(world: PageWorld) -> None:
    """Whoever looks at another's request leaves an event; without it he sees nothing."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert "That you looked at this request is recorded." in shown.text
    (event,) = world.recorded(EventKind.AUDIT_READ)
    assert event == {"found": 1, "principal": "carol", "query": f"request:{request.id}",
                     "verb": "audit.read", "via": "web"}  # fmt: skip
    world.journal.break_append_at = len(world.journal.events)
    shown = await carol.get(f"/r/{request.id}")
    assert shown.status == 503
    assert "DELETE" not in shown.text


async def test_history_shows_denials_and_withdrawals(world: PageWorld) -> None:
    """What became of the same before comes first to the eye, refusals as well as approvals."""
    template = "delete from customers where id = $1:int"
    carol = await world.signed_in("carol")
    first = await world.ask("DELETE FROM customers WHERE id = 1", template=template)
    await carol.get(f"/r/{first.id}")
    await carol.press("Approve and run once")
    world.clock.pass_s(5)
    second = await world.ask("DELETE FROM customers WHERE id = 2", template=template)
    await world.half.front.withdraw(second.id, world.circle.kept["alice"], "cancelled")
    world.clock.pass_s(5)
    third = await world.ask("DELETE FROM customers\nWHERE id = 3", template=template)
    shown = await carol.get(f"/r/{third.id}")
    assert "Asked 2 times before: 1 approved, 1 withdrawn." in shown.words
    before = shown.page.one("section", aria_labelledby="h-before")
    assert [one.text for one in before.all("a")] == [second.id, first.id]
    marked = [one.text for one in shown.page.all(class_="line changed")]
    assert len(marked) == 2
    assert f"not in the last request of this kind ({second.id})" in shown.words


async def test_after_a_denial_the_page_says_what_it_takes(world: PageWorld) -> None:
    """The denier or one vote more is needed, and the denial is among what happened before."""
    template = "delete from customers where id = $1:int"
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    first = await world.ask("DELETE FROM customers WHERE id = 1", template=template)
    await carol.get(f"/r/{first.id}")
    await carol.press("Deny", reason="no")
    world.clock.pass_s(901)
    again = await world.ask("DELETE FROM customers WHERE id = 1", template=template)
    shown = await dave.get(f"/r/{again.id}")
    assert "carol or one vote more" in shown.words
    assert "■ carol denied it" in shown.words
    assert "Vote to approve: run once" in dave.buttons()


async def test_the_session_so_far(world: PageWorld) -> None:
    """The last five lines of the session, oldest first, each with what was decided."""
    for number in range(8):
        world.archive.add(released(number, text=f"show {number}\n  more"))
    request = await world.ask()
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    lines = shown.page.one("ol", class_="session").all("li")
    assert [one.one("code").text for one in lines] == [f"show {n} more" for n in range(3, 8)]
    assert "● allowed" in lines[0].text
    assert "gatekeep sessions show S-8QZ4ABCD" in shown.words
    (query,) = world.archive.asked
    assert ("session", request.place.session) in query.terms


async def test_a_request_ahead_of_time_for_access(world: PageWorld) -> None:
    """Access has one reach, with how long it lasts on the button; there is no session to look at."""
    request = await world.ask(
        "", subject__kind=RequestKind.ACCESS, subject__verb="access", place__session="",
        place__session_code="", grant_s=7200,
    )  # fmt: skip
    world.half.desk._open[request.id].request = replace(request, scope=Scope.ACCESS)
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert shown.heading == "alice wants access to orders-prod"
    assert said.NO_SESSION in shown.words
    assert carol.buttons() == ["Approve and give access for 2 h", "Deny"]
    assert (await carol.press("Approve and give access for 2 h")).status == 200
    (grant,) = await world.half.front.grants()
    assert (grant.scope, (grant.ends_us - grant.starts_us) // 1_000_000) == (Scope.ACCESS, 7200)


async def test_a_decision_of_the_api_shows_here(world: PageWorld) -> None:
    """Whatever door it was decided at, the page tells the end and what came of it."""
    request = await world.ask()
    await world.half.front.cast(
        request.id, world.circle.kept["dave"],
        Ballot(VoteVerdict.APPROVE, request.digest, "cli", reason="fine"),
    )  # fmt: skip
    await world.half.desk.outcome(request.id, "DELETE 38112")
    carol = await world.signed_in("carol")
    shown = await carol.get(f"/r/{request.id}")
    assert "● dave approved it (once)" in shown.words
    assert "What came of it: DELETE 38112." in shown.words


async def test_ids_are_read_in_any_case(world: PageWorld) -> None:
    """`/r/k3f9`, as somebody types it from a terminal, is the same page."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    assert (await carol.get(f"/r/{request.id.lower()}")).status == 200
