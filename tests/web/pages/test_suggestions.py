"""The pages of suggestions: evidence, change, checks, effect; deciding; and samples."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.page_world import PageWorld
from support.plain_browser import PlainBrowser
from support.told_suggestions import BACKTEST, CANARY, GATE, HELD, SAMPLE, SUGGESTION

from gatekeep.domain.events import EventKind
from gatekeep.domain.suggestions import Check, SampleAnswer, Shifted, SuggestionState
from gatekeep.errors import JournalUnavailable
from gatekeep.messages import web_suggestions as said

ID = SUGGESTION.id
PATH = f"/suggestions/{ID}"


@pytest.fixture
async def without_loop(tmp_path: Path) -> AsyncIterator[PageWorld]:
    """Pages of a gateway where no loop runs."""
    opened = await PageWorld.open(tmp_path, loop=False)
    yield opened
    await opened.close()


def token_of(browser: PlainBrowser) -> tuple[str, str]:
    """The token in this browser's forms."""
    return "token", browser.now.page.all("input", name="token")[0].attributes["value"]


def state(world: PageWorld, suggestion_id: str = ID) -> SuggestionState:
    """How it stands."""
    return world.loop.lives[suggestion_id].state


async def test_suggestions_are_listed_by_what_they_save(world: PageWorld) -> None:
    """In three lists that the top bar leads to; looking is an event; no button decides in a row of it."""
    carol = await world.signed_in("carol")
    assert any(one.text == "Suggestions" for one in carol.now.page.all("a", href="/suggestions"))
    shown = await carol.get("/suggestions")
    rows = shown.page.all("table")[0].all("tr")[1:]
    assert rows[0].all("a")[0].text == ID
    assert "about 3.2 approvals and 21 min of waiting a week" in rows[0].text
    assert rows[0].all("button") == []
    adopted = await carol.get("/suggestions?state=adopted")
    assert CANARY.suggestion.id in adopted.words
    assert ID not in adopted.words
    assert "taken back" in (await carol.get("/suggestions?state=over")).words
    assert (await carol.get("/suggestions?state=nonsense")).status == 404
    queries = [one["query"] for one in world.recorded(EventKind.AUDIT_READ)]
    assert queries == ["suggestions proposed", "suggestions adopted", "suggestions over"]


async def test_a_page_goes_from_evidence_to_effect(world: PageWorld) -> None:
    """In the order of the design, with every event, the wider form and why not, the matrix, and the path."""
    carol = await world.signed_in("carol")
    shown = await carol.get(PATH)
    assert shown.heading == (
        "Let sre restart nginx on production web servers without asking; expires in 90 days; saves about"
        " 3.2 approvals and 21 min of waiting a week."
    )
    parts = (
        "Evidence", "largest share of one asker and approver31%", "approved on 20 of 40 days", "184467 184501 185002",
        "12 not counted: repeats of one person on one day",
        "restart *: would also pass what was denied twice", "173002 173044",
        "Change of the policy", "adopted-3f9a12bc", "is askedpasses4114",
        "systemctl restart sshd: is asked → is asked", "p-ann: 12 decided otherwise",
        "● passed: hold-out: 14 of 14 of the last third were approved", "It has not been in force yet.",
        "2 persons have to accept it", "On trial for 7 days",
    )  # fmt: skip
    assert [one for one in parts if one not in shown.words] == []
    places = [shown.words.index(one) for one in parts]
    assert places == sorted(places)
    strip = shown.page.one("svg")
    dots = strip.all("circle")
    assert (len(dots), sum(one.attributes["fill"] == "currentColor" for one in dots)) == (40, 20)
    assert strip.attributes["aria-label"] == "approved on 20 of 40 days"
    assert world.recorded(EventKind.AUDIT_READ)[-1]["query"] == f"suggestion:{ID}"


async def test_what_cannot_be_recorded_is_not_shown(world: PageWorld) -> None:
    """No event, no page."""
    carol = await world.signed_in("carol")
    world.journal.broken_sync = JournalUnavailable("no space")
    for path in ("/suggestions", PATH):
        shown = await carol.get(path)
        assert shown.status == 503
        assert "nginx" not in shown.text


async def test_two_persons_accept_with_their_codes(world: PageWorld) -> None:
    """The form carries the digest of what was shown; bob's yes and dave's let the trial begin."""
    for name, button, after in (
        ("bob", said.ACCEPT_TOO, SuggestionState.PROPOSED), ("dave", said.ACCEPT, SuggestionState.SHADOW),
    ):  # fmt: skip
        browser = await world.signed_in(name)
        await browser.get(PATH)
        code = world.next_code(name)
        shown = await browser.press(button, reason="seen often enough", code=code)
        assert (shown.status, shown.path) == (200, PATH)
        assert state(world) is after
    assert "Accepted by bob and dave." in shown.words
    assert "on trial, not in force" in shown.words
    _, _, wish = world.loop.wished[-1]
    assert (wish.via, wish.mfa, wish.narrower, wish.reason) == ("web", True, False, "seen often enough")
    bob = await world.signed_in("bob")
    await bob.get(PATH)
    assert bob.buttons() == [said.TAKE_BACK]


async def test_one_person_accepts_once(world: PageWorld) -> None:
    """Afterwards only a sentence is left of the form; a yes that is sent all the same is refused."""
    bob = await world.signed_in("bob")
    await bob.get(PATH)
    digest = bob.now.page.one("input", name="digest").attributes["value"]
    await bob.press(said.ACCEPT_TOO, reason="yes", code=world.next_code("bob"), form="narrower")
    assert world.loop.wished[-1][2].narrower
    assert said.ACCEPTED_BEFORE in bob.now.words
    assert said.ACCEPT_TOO not in bob.buttons()
    fields = [token_of(bob), ("digest", digest), ("reason", "x"), ("do", "accept")]
    shown = await bob.post(PATH, [*fields, ("code", world.next_code("bob"))])
    assert (shown.status, "accepted it already" in shown.alert) == (409, True)


async def test_what_was_not_seen_is_not_accepted(world: PageWorld) -> None:
    """If it has changed since, no yes counts, and no code is used up; nor without a reason or the right code."""
    bob = await world.signed_in("bob")
    await bob.get(PATH)
    code = world.next_code("bob")
    life = world.loop.lives[ID]
    failed = Check("never-list", passed=False, why="it reaches a secret")
    world.loop.lives[ID] = replace(life, suggestion=replace(life.suggestion, checks=(failed,)))
    shown = await bob.press(said.ACCEPT_TOO, reason="yes", code=code)
    assert (shown.status, shown.alert) == (409, said.OTHER_DIGEST)
    assert "■ failed: never-list: it reaches a secret" in shown.words
    token = token_of(bob)
    digest = ("digest", bob.now.page.one("input", name="digest").attributes["value"])
    shown = await bob.post(PATH, [token, digest, ("do", "accept"), ("reason", " "), ("code", code)])
    assert (shown.status, shown.alert) == (422, said.NEEDS_REASON)
    fields = [token, digest, ("do", "accept"), ("reason", "yes")]
    shown = await bob.post(PATH, [*fields, ("code", "000000")])
    assert (shown.status, shown.alert) == (403, said.PROOF_REFUSED)
    assert world.loop.wished == []
    shown = await bob.post(PATH, [*fields, ("code", code)])
    assert (shown.status, [one[0] for one in world.loop.wished]) == (200, ["accept"])


async def test_who_has_no_codes_may_still_say_no(world: PageWorld) -> None:
    """What loosens takes one; carol has no authenticator, and dismisses it with a reason."""
    carol = await world.signed_in("carol")
    shown = await carol.get(PATH)
    assert said.NEEDS_CODES in shown.words
    assert carol.buttons() == [said.DISMISS, said.SNOOZE]
    shown = await carol.press(said.DISMISS, reason="too wide")
    assert "dismissed" in shown.words
    assert (state(world), world.loop.lives[ID].reason) == (SuggestionState.DISMISSED, "too wide")


async def test_who_gains_most_is_told_before_he_types(world: PageWorld) -> None:
    """No form that could only be refused, and no code that is used up for it; the others are told who not."""
    life = world.loop.lives[ID]
    most = replace(life.suggestion.backtest or BACKTEST, per_person=(Shifted("bob", 12), Shifted("p-cy", 3)))
    world.loop.lives[ID] = replace(life, suggestion=replace(life.suggestion, backtest=most))
    bob = await world.signed_in("bob")
    shown = await bob.get(PATH)
    assert said.GAINS_MOST in shown.words
    assert bob.buttons() == [said.DISMISS, said.SNOOZE]
    assert "Not bob: nobody accepts what he gains most by." in shown.words


async def test_every_table_has_a_caption_and_every_end_explains_itself(world: PageWorld) -> None:
    """What is over says what is asked now, and what would bring it back."""
    carol = await world.signed_in("carol")
    for path in ("/suggestions", "/suggestions?state=over", PATH):
        shown = await carol.get(path)
        assert shown.page.all("table")
        assert all(len(one.all("caption")) == 1 for one in shown.page.all("table"))
    shown = await carol.get("/suggestions/S-dead0001")
    assert "What it let pass is asked about as before." in shown.words
    assert "82 asked, 41 then" in shown.words


async def test_not_now_and_back(world: PageWorld) -> None:
    """Put off for so many days; what is in force goes back in one step, by one person."""
    carol = await world.signed_in("carol")
    await carol.get("/suggestions/S-77c0ffee")
    await carol.press(said.SNOOZE, days="14")
    life = world.loop.lives["S-77c0ffee"]
    assert life.state is SuggestionState.SNOOZED
    assert life.snoozed_until_us - world.clock.wall_us() > 13 * 86_400_000_000
    await carol.get(f"/suggestions/{CANARY.suggestion.id}")
    assert "forecast, matches a week3.2" in carol.now.words
    shown = await carol.press(said.TAKE_BACK, reason="an incident")
    assert state(world, CANARY.suggestion.id) is SuggestionState.REVERTED
    assert "taken back" in shown.words
    await carol.get("/suggestions")
    late = [token_of(carol), ("do", "take-back"), ("reason", "x")]
    shown = await carol.post(f"/suggestions/{CANARY.suggestion.id}", late)
    assert (shown.status, "is not in force" in shown.alert) == (409, True)


async def test_taking_back_what_asks_more_takes_a_code(world: PageWorld) -> None:
    """Because that lets more pass; who has no authenticator has no button for it."""
    name = GATE.suggestion.id
    world.loop.lives[name] = replace(world.loop.lives[name], state=SuggestionState.ACTIVE)
    carol, bob = await world.signed_in("carol"), await world.signed_in("bob")
    await carol.get(f"/suggestions/{name}")
    assert (carol.buttons(), said.NEEDS_CODES in carol.now.words) == ([], True)
    await bob.get(f"/suggestions/{name}")
    shown = await bob.press(said.TAKE_BACK, reason="too many", code="000000")
    assert (shown.status, shown.alert) == (403, said.PROOF_REFUSED)
    await bob.press(said.TAKE_BACK, reason="too many", code=world.next_code("bob"))
    assert state(world, name) is SuggestionState.REVERTED
    assert world.loop.wished[-1][2].mfa


async def test_who_may_not_sees_nothing_and_changes_nothing(world: PageWorld) -> None:
    """An engineer has no right to it: 403 that names the right, for each address."""
    alice = await world.signed_in("alice")
    await alice.get("/sign-out")
    token = token_of(alice)
    for path in ("/suggestions", PATH, "/suggestions/S-00000000"):
        shown = await alice.get(path)
        assert (shown.status, "policy.read" in shown.words) == (403, True)
    for path, deed in (
        (PATH, [("do", "dismiss"), ("reason", "x")]), (f"/suggestion-samples/{HELD.id}", [("do", "right")]),
    ):  # fmt: skip
        shown = await alice.post(path, [token, *deed])
        assert shown.status == 403
    assert world.loop.wished == []


async def test_a_reader_decides_nothing(world: PageWorld) -> None:
    """Who may read the policy sees it whole, without a button; a form of his counts for nothing."""
    world.circle.kept["carol"] = replace(world.circle.kept["carol"], groups=frozenset({"security"}))
    carol = await world.signed_in("carol")
    shown = await carol.get(PATH)
    assert said.MAY_NOT in shown.words
    assert carol.buttons() == []
    await carol.get("/suggestions")
    shown = await carol.post(PATH, [token_of(carol), ("do", "dismiss"), ("reason", "x")])
    assert (shown.status, "suggestion.accept" in shown.words) == (403, True)
    assert state(world) is SuggestionState.PROPOSED


async def test_samples_are_answered_under_the_list(world: PageWorld) -> None:
    """Right at once, wrong with a reason; one's own has no button, and a form for it counts for nothing."""
    world.loop.kept_samples[HELD.id] = replace(HELD, person=world.circle.kept["carol"].person)
    carol = await world.signed_in("carol")
    shown = await carol.get("/suggestions")
    assert "VACUUM staging" in shown.words
    assert said.OWN_SAMPLE in shown.words
    token = token_of(carol)
    bare = await carol.post(f"/suggestion-samples/{SAMPLE.id}", [token, ("do", "wrong"), ("reason", "")])
    assert bare.status == 422
    own = await carol.post(f"/suggestion-samples/{HELD.id}", [token, ("do", "right"), ("reason", "")])
    assert own.status == 403
    await carol.get("/suggestions")
    shown = await carol.press(f"Wrong {SAMPLE.id}", reason="not that table")
    assert shown.path == "/suggestions"
    kept = world.loop.kept_samples[SAMPLE.id]
    assert (kept.answer, kept.answered_by, kept.reason) == (SampleAnswer.WRONG, "carol", "not that table")
    assert f"Wrong {SAMPLE.id}" not in shown.text
    for path, deed in ((f"/suggestion-samples/{SAMPLE.id}", "maybe"), ("/suggestion-samples/P-00", "right")):
        assert (await carol.post(path, [token, ("do", deed), ("reason", "")])).status in {400, 404}


async def test_foreign_forms_change_nothing(world: PageWorld) -> None:
    """Without our token, or from another origin, no deed is even looked at."""
    carol = await world.signed_in("carol")
    await carol.get(PATH)
    deed = [("do", "dismiss"), ("reason", "x")]
    assert (await carol.post(PATH, [("token", "00"), *deed])).status == 403
    await carol.get(PATH)
    shown = await carol.post(PATH, [token_of(carol), *deed], Origin="https://evil.example")
    assert shown.status == 403
    assert state(world) is SuggestionState.PROPOSED


async def test_hostile_text_is_inert(world: PageWorld) -> None:
    """Markup and hidden characters in titles, rules, reasons and probes are read, not obeyed."""
    bad = "<script>alert(1)</script>\u202e{{ 7 * 7 }}"
    life = world.loop.lives[ID]
    worse = replace(
        life.suggestion, title=bad, advice=bad, rule=f"permit {bad}", narrower=bad,
        scope=replace(life.suggestion.scope, templates=(bad,)),
    )  # fmt: skip
    world.loop.lives[ID] = replace(life, suggestion=worse, reason=bad)
    carol = await world.signed_in("carol")
    for path in ("/suggestions", PATH):
        shown = await carol.get(path)
        assert shown.page.all("script") == []
        assert "\u202e" not in shown.text
        assert "49" not in shown.page.one("h1").text


async def test_without_a_loop_the_pages_say_so(without_loop: PageWorld) -> None:
    """404, in words."""
    carol = await without_loop.signed_in("carol")
    for path in ("/suggestions", PATH):
        shown = await carol.get(path)
        assert (shown.status, "not set up" in shown.words) == (404, True)
