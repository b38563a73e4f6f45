"""What every request passes before a page is made: form, origin, network, and what a GET may do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from support.page_world import PageWorld
from support.plain_browser import PlainBrowser, Shown

from gatekeep.domain.approvals import RequestState
from gatekeep.domain.events import EventKind
from gatekeep.messages import web as words
from gatekeep.web.pages.crossing import safe_next
from gatekeep.web.pages.routes import SIGNED_IN, TO_ALL
from gatekeep.web.pages.sign_in import sign_in
from gatekeep.web.pages.visits import HEADERS


async def form_of(world: PageWorld) -> tuple[PlainBrowser, str, list[tuple[str, str]]]:
    """Carol before a request, and the fields by which she would deny it."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    await carol.get(f"/r/{request.id}")
    form, _ = carol._form_of("Deny")
    hidden = [(one.attributes["name"], one.attributes["value"]) for one in form.all("input", type="hidden")]  # fmt: skip
    return carol, f"/r/{request.id}", [*hidden, ("reason", "no"), ("do", "deny")]


def without_token(fields: list[tuple[str, str]], *instead: tuple[str, str]) -> list[tuple[str, str]]:
    """The same form with another token, or none."""
    return [*(one for one in fields if one[0] != "token"), *instead]


async def test_a_form_without_its_token_changes_nothing(world: PageWorld) -> None:
    """CSRF: missing, empty, another's, or one of before the sign-in: 403, and nothing changed."""
    carol, path, fields = await form_of(world)
    dave = await world.signed_in("dave")
    await dave.get("/sign-out")
    foreign = dave.now.page.one("input", name="token").attributes["value"]
    stranger = world.browser()
    await stranger.get("/sign-in")
    early = stranger.now.page.one("input", name="token").attributes["value"]
    for instead in ([], [("token", "")], [("token", foreign)], [("token", early)], [("token", "ä" * 64)]):
        shown = await carol.post(path, without_token(fields, *instead))
        assert (shown.status, shown.heading) == (403, words.OLD_FORM.what)
    (pending,) = await world.half.front.requests(state=RequestState.PENDING)
    assert pending.votes == ()
    assert (await carol.post(path, fields)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://localhost"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "", "Sec_Fetch_Site": ""},
        {"Content_Type": "text/plain"},
        {"Content_Type": "multipart/form-data; boundary=x"},
    ],
)
async def test_a_form_of_another_page_changes_nothing(
    world: PageWorld, headers: dict[str, str]
) -> None:
    """Even with the token: another site, another program's port on this machine, or no word of where from."""
    carol, path, fields = await form_of(world)
    shown = await carol.post(path, fields, **headers)
    assert shown.status == 403
    (pending,) = await world.half.front.requests(state=RequestState.PENDING)
    assert pending.votes == ()


async def test_a_browser_that_says_only_one_of_the_two(world: PageWorld) -> None:
    """Old browsers send Origin alone; ours counts."""
    carol, path, fields = await form_of(world)
    assert (await carol.post(path, fields, Sec_Fetch_Site="")).status == 200


async def test_behind_a_proxy_the_origin_is_the_one_people_see(tmp_path: Path) -> None:
    """With base_url, forms of that address count, and no others under that name."""
    http = {"base_url": "https://gw.example", "proxy_from": ["127.0.0.1/32"]}
    world = await PageWorld.open(tmp_path, http=http)
    try:
        browser = world.browser()
        browser.extra = {"Host": "gw.example", "X-Forwarded-For": "203.0.113.9"}
        await browser.get("/sign-in")
        for origin in ("http://gw.example", "https://gw.example:8443", "https://other.example"):
            browser.base, kept = world.base, browser.base
            shown = await browser.post("/sign-in", [("token", "x")], Origin=origin)
            browser.base = kept
            assert shown.status == 403
        await browser.get("/sign-in")
        hidden = [(one.attributes["name"], one.attributes["value"]) for one in browser.now.page.all("input", type="hidden")]  # fmt: skip
        fields = [*hidden, *world.proof("carol").items()]
        shown = await browser.post("/sign-in", fields, Origin="https://gw.example")
        assert shown.path == "/inbox"
        (event,) = world.recorded(EventKind.AUTH_SUCCEEDED)
        assert event["source"] == "203.0.113.9"
    finally:
        await world.close()


async def test_a_signed_out_form_changes_nothing(world: PageWorld) -> None:
    """A form that was open while the sign-in ended: 403, in words, and nothing changed."""
    carol, path, fields = await form_of(world)
    world.clock.pass_s(13 * 3600)
    shown = await carol.post(path, fields)
    assert (shown.status, shown.heading) == (403, words.SIGNED_OUT.what)


async def test_a_link_from_slack_finds_its_page(world: PageWorld) -> None:
    """The Strict cookie stays at home when a link elsewhere is followed; a page of ours leads on, with it."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    kept = dict(carol.cookies)
    shown = await carol.get(f"/r/{request.id}", site="cross-site")
    (refresh,) = shown.page.all("meta", http_equiv="refresh")
    assert refresh.attributes["content"] == f"0;url=/r/{request.id}"
    assert carol.cookies == kept, "no new cookie may take the place of the one that stayed at home"
    shown = await carol.get(f"/r/{request.id}", site="same-origin")
    assert shown.heading.startswith("alice wants")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_is_given_over_a_network_in_clear(world: PageWorld, method: str) -> None:
    """Who is neither on this machine nor a proxy of ours gets no page, and no password of his is looked at."""
    request = make_mocked_request(method, "/sign-in", {"Host": "gw.example"})
    far = request.clone(remote="203.0.113.9")
    handler = world.web.pages.house.opened(sign_in, to_all=True)
    answer = await handler(far)
    assert isinstance(answer, web.Response)
    assert answer.status == 403
    assert words.IN_CLEAR.what in (answer.text or "")


async def test_every_page_says_what_it_may_do(world: PageWorld) -> None:
    """Each page, of trouble too: no scripts, no frames, nothing kept, nothing told to others."""
    request = await world.ask()
    carol = await world.signed_in("carol")
    for path in ("/inbox", f"/r/{request.id}", "/grants", "/nowhere", "/sign-out", "/me/slack"):
        headers = (await carol.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert policy == HEADERS["Content-Security-Policy"]
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_no_get_changes_anything(world: PageWorld) -> None:
    """A link scanner with an approver's cookie opens every address there is: no row, no event but of reading."""
    request = await world.ask(template="delete from t where id = $1:int")
    dave = await world.signed_in("dave")
    await dave.get(f"/r/{request.id}")
    await dave.press("Approve and run, and this session", scope="session")
    (grant,) = await world.half.front.grants()
    waiting = await world.ask("DELETE FROM other", template="other")
    carol = await world.signed_in("carol")
    before, events = world.rows(), len(world.journal.events)
    names = {"id": [waiting.id, request.id, grant.id]}
    paths = {path for _, path, _ in (*SIGNED_IN, *TO_ALL)}
    seen: set[str] = set()
    queue = [
        path.replace("{id}", name) for path in sorted(paths)
        for name in (names["id"] if "{id}" in path else [""])
    ]  # fmt: skip
    queue += [f"/r/{waiting.id}?do=approve:once&scope=once&digest={waiting.digest}",
              f"/r/{waiting.id}?do=deny&reason=x", "/healthz", "/readyz", "/metrics"]  # fmt: skip
    statuses = set()
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        world.clock.pass_s(1)
        shown = await carol.get(path)
        statuses.add(shown.status)
        assert shown.status in {200, 404, 405}, path
        if "text/html" in shown.headers["Content-Type"]:
            queue += [one.attributes["href"] for one in shown.page.all("a") if one.attributes["href"].startswith("/")]  # fmt: skip
    assert len(seen) > 20
    assert world.rows() == before
    told = {one.kind for one in world.journal.events[events:]}
    assert told == {EventKind.AUDIT_READ}
    assert (await world.now(waiting)).state is RequestState.PENDING


async def test_changing_addresses_take_no_get(world: PageWorld) -> None:
    """What takes only a POST answers a GET with nothing."""
    carol = await world.signed_in("carol")
    posts = {path for method, path, _ in SIGNED_IN if method == "POST"}
    gets = {path for method, path, _ in (*SIGNED_IN, *TO_ALL) if method == "GET"}
    for path in posts - gets:
        assert (await carol.get(path.replace("{id}", "K3F9"))).status == 404


async def test_pages_are_paced(world: PageWorld) -> None:
    """Who loads pages without end is slowed down, and only he."""
    carol, dave = await world.signed_in("carol"), await world.signed_in("dave")
    statuses = [(await carol.get("/sign-out")).status for _ in range(220)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert (await dave.get("/sign-out")).status == 200


async def test_a_fault_of_ours_tells_nothing(world: PageWorld) -> None:
    """An unforeseen error is a page with an incident code; its text, which may hold anything, is not there."""
    carol = await world.signed_in("carol")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret: hunter2")

    world.half.front.deciders = broken  # type: ignore[method-assign]  # the fault
    await world.ask()
    shown = await carol.get("/inbox")
    assert shown.status == 500
    assert re.fullmatch(r"The gateway failed inside, incident [0-9A-F]{8}", shown.heading)
    assert "hunter2" not in shown.text


async def test_a_form_beyond_measure_is_refused(world: PageWorld) -> None:
    """64 KiB are enough for any form."""
    carol, path, fields = await form_of(world)
    shown = await carol.post(path, [*fields, ("more", "x" * 100_000)])
    assert shown.status == 413


async def test_programs_are_answered_as_ever(world: PageWorld) -> None:
    """Who does not ask for a page gets JSON where nothing is; the style sheet is there to stay."""
    browser = world.browser()
    shown = await browser.get("/nowhere", Accept="application/json")
    assert shown.headers["Content-Type"].startswith("application/json")
    shown = await browser.get("/nowhere")
    assert shown.heading == words.NOT_FOUND.what
    await browser.get("/sign-in")
    link = browser.now.page.one("link", rel="stylesheet").attributes["href"]
    style = await browser.get(link)
    assert "immutable" in style.headers["Cache-Control"]
    assert style.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/", "/inbox", "/r/K3F9", "/inbox?state=mine&before=K3F9"])
def test_our_own_paths_are_safe(path: str) -> None:
    """A person goes on to where he wanted."""
    assert safe_next(path) == path


# --- what every page is made of

LANDMARKS = ("header", "main", "footer")


async def pages(world: PageWorld) -> list[Shown]:
    """Every kind of page, filled."""
    long = await world.ask("\n".join(f"line {n}" for n in range(60)), template="t $1:int", why__risk="high")  # fmt: skip
    other = await world.ask("DELETE FROM t WHERE id = 42", template="u $1:int")
    bob, dave, alice = [await world.signed_in(name) for name in ("bob", "dave", "alice")]
    await dave.get(f"/r/{other.id}")
    await dave.press("Approve and run, and this session", scope="session")
    world.clock.pass_s(700)
    shown = [await world.browser().get("/sign-in")]
    shown += [await bob.get(path) for path in (f"/r/{long.id}", "/inbox", "/inbox?state=decided", "/me/slack", "/sign-out", "/nowhere")]  # fmt: skip
    shown += [await alice.get(path) for path in (f"/r/{long.id}", f"/r/{other.id}", "/grants")]
    shown.append(await bob.get(f"/r/{long.id}", site="cross-site"))
    return shown


async def test_every_page_is_well_made(world: PageWorld) -> None:
    """Language, one h1, landmarks, a way past the bar, a name for each control, headers in each table, ids that are unique."""
    for shown in await pages(world):
        page = shown.page
        where = f"{shown.path} {shown.status}"
        assert page.one("html").attributes["lang"] == "en", where
        assert page.one("title").text.strip(), where
        assert len(page.all("h1")) == 1, where
        assert all(len(page.all(tag)) == 1 for tag in LANDMARKS), where
        assert page.all(class_="skip")[0].attributes["href"] == "#content", where
        assert page.one(id="content").tag == "main", where
        ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
        assert len(ids) == len(set(ids)), where
        labelled = {one.attributes["for"] for one in page.all("label")}
        for control in page.all("input") + page.all("textarea"):
            if control.attributes.get("type") != "hidden":
                assert control.attributes["id"] in labelled, where
        for element in page.all():
            for name in ("aria-labelledby", "aria-describedby"):
                for wanted in element.attributes.get(name, "").split():
                    assert wanted in ids, f"{where}: {wanted}"
        for table in page.all("table"):
            assert all(one.attributes["scope"] == "col" for one in table.one("thead").all("th")), where  # fmt: skip
            assert all(row.all("th", scope="row") for row in table.one("tbody").all("tr")), where
        assert all(one.all("legend") for one in page.all("fieldset")), where
        assert all(one.text.strip() for one in page.all("button") + page.all("a")), where
        for form in page.all("form"):
            assert form.attributes["method"] == "post", where
            assert form.all("input", name="token"), where
