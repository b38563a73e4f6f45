"""The API: what each address gives, to whom, and what it leaves in the journal."""

from __future__ import annotations

import aiohttp
from support.api_world import ALICE, CAROL, OWNER, World, finished, released

from gatekeep.domain.events import EventKind
from gatekeep.errors import SettingsError


def _become(world: World, principal: object) -> None:
    for uid in list(world.people.uids):
        world.people.uids[uid] = principal  # type: ignore[assignment]  # one of the three


async def test_targets_are_those_that_policy_opens(
    http: aiohttp.ClientSession, world: World
) -> None:
    """A target shows with the accounts one may use; to others it does not exist; never a secret."""
    assert (await (await http.get("/v1/targets")).json()) == {"targets": []}
    _become(world, ALICE)
    text = await (await http.get("/v1/targets")).text()
    assert '"accounts":["app"]' in text
    assert "SECRET" not in text


async def test_those_who_may_read_targets_see_all_of_them(
    http: aiohttp.ClientSession, world: World
) -> None:
    """With `target.read` a target shows without any account that one may use."""
    world.rules.gateway.add(("security", "target.read"))
    (target,) = (await (await http.get("/v1/targets")).json())["targets"]
    assert (target["name"], target["accounts"]) == ("orders", [])


async def test_live_sessions_are_ones_own_unless_one_may_watch(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Security sees every session, an engineer her own."""
    world.open_session(ALICE, "a")
    world.open_session(OWNER, "b")
    everybody = await (await http.get("/v1/sessions")).json()
    assert {row["principal"] for row in everybody["sessions"]} == {"alice", "owner"}
    assert everybody["sessions"][0]["open_s"] == 60
    _become(world, ALICE)
    own = await (await http.get("/v1/sessions")).json()
    assert [row["principal"] for row in own["sessions"]] == ["alice"]
    assert own["everybody"] is False


async def test_reading_what_others_did_is_itself_an_event(
    http: aiohttp.ClientSession, world: World
) -> None:
    """A search leaves `audit.read` with the query, the decision and how much was found."""
    world.archive.add(released(0))
    world.archive.add(finished(1, 0))
    answer = await (await http.get("/v1/audit/events", params={"q": "table:orders"})).json()
    assert [event["n"] for event in answer["events"]] == [1, 0]
    kind, payload, decision = world.recorded[0]
    assert kind is EventKind.AUDIT_READ
    assert payload["principal"] == "carol"
    assert payload["query"] == "table:orders"
    assert payload["found"] == 2
    assert decision["decision"] == "allow"


async def test_without_a_record_nothing_is_given(http: aiohttp.ClientSession, world: World) -> None:
    """When the journal cannot take `audit.read`, no event is shown, by search, number or tail."""
    world.archive.add(released(0, text="select 'private'"))
    world.journal_down = True
    for path in ("/v1/audit/events", "/v1/audit/events/0", "/v1/audit/tail?from=0"):
        answer = await http.get(path)
        assert answer.status == 503
        text = await answer.text()
        assert "private" not in text
        assert "/secret/place" not in text


async def test_reading_only_what_one_did_leaves_no_event(
    http: aiohttp.ClientSession, world: World
) -> None:
    """A query bound to oneself needs no trace; one that could find others does."""
    await http.get("/v1/audit/events", params={"q": "principal:carol"})
    assert world.recorded == []
    await http.get("/v1/audit/events", params={"q": "principal:carol principal:alice"})
    await http.get("/v1/audit/events", params={"q": "principal:car*"})
    assert len(world.recorded) == 2


async def test_policy_judges_the_reading_of_events(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Without `audit.read` there is nothing to see, and the refusal explains itself."""
    _become(world, ALICE)
    for path in ("/v1/audit/events", "/v1/audit/events/0", "/v1/audit/tail"):
        answer = await http.get(path)
        assert answer.status == 403
        error = (await answer.json())["error"]
        assert error == {
            "what": "policy does not allow audit.read",
            "why": "rule gateway-rule: because",
            "try": "ask olga, who owns the rule",
        }


async def test_ask_is_a_refusal_until_somebody_can_be_asked(
    http: aiohttp.ClientSession, world: World
) -> None:
    """A gateway action that policy wants approved is refused in words that say so."""
    world.rules.asking.add("audit.read")
    answer = await http.get("/v1/audit/events")
    assert answer.status == 403
    assert "approvals are not set up" in (await answer.json())["error"]["what"]


async def test_pages_follow_each_other(http: aiohttp.ClientSession, world: World) -> None:
    """`before` of one answer asks for the next page, until nothing is left."""
    for n in range(5):
        world.archive.add(released(n))
    seen: list[int] = []
    before: int | None = None
    while True:
        params = {"limit": "2"} | ({} if before is None else {"before": str(before)})
        page = await (await http.get("/v1/audit/events", params=params)).json()
        seen += [event["n"] for event in page["events"]]
        before = page["before"]
        if before is None:
            break
    assert seen == [4, 3, 2, 1, 0]


async def test_bad_questions_are_400(http: aiohttp.ClientSession, world: World) -> None:
    """A query, number or body that makes no sense is refused before anything happens."""
    world.rules.gateway.add(("security", "token.make"))
    for path in (
        "/v1/audit/events?limit=0",
        "/v1/audit/events?limit=1001",
        "/v1/audit/events?before=-1",
        "/v1/audit/events?limit=٣",
        "/v1/audit/events?q=principal:",
        "/v1/audit/tail?from=x",
        "/v1/audit/events?q=" + "x" * 4097,
    ):
        assert (await http.get(path)).status == 400, path
    for body in (
        "[",
        "[]",
        '{"ttl_s": 0}',
        '{"ttl_s": true}',
        '{"principal": 1}',
        '{"note": "%s"}' % ("x" * 201),
        '{"ttl_s": 99999999999}',
    ):
        assert (await http.post("/v1/tokens", data=body)).status == 400, body
    assert world.drawer.kept == []


async def test_one_event_by_number(http: aiohttp.ClientSession, world: World) -> None:
    """An event is given whole; a number that is none, or no number, is 404."""
    world.archive.add(released(0, text="select 1"))
    event = await (await http.get("/v1/audit/events/0")).json()
    assert event["payload"]["text"] == "select 1"
    assert event["envelope"]["k"] == "action.released"
    assert len(world.recorded) == 1
    for path in ("7", "x", "-1", "9" * 40):
        assert (await http.get(f"/v1/audit/events/{path}")).status == 404


async def test_ones_own_event_leaves_no_trace(http: aiohttp.ClientSession, world: World) -> None:
    """Looking at one's own event is not reading what others did."""
    world.archive.add(released(0, principal=CAROL.name))
    assert (await http.get("/v1/audit/events/0")).status == 200
    assert world.recorded == []


async def test_a_tokens_secret_is_given_once(http: aiohttp.ClientSession, world: World) -> None:
    """Making gives the secret after the event is durable; listing never does."""
    _become(world, OWNER)
    answer = await http.post("/v1/tokens", json={"principal": "alice", "ttl_s": 60, "note": "ci"})
    assert answer.status == 201
    made = await answer.json()
    assert made["secret"].startswith("gk_tk0000")
    kind, payload, _ = world.recorded[0]
    assert kind is EventKind.TOKEN_MADE
    assert payload["of"] == "alice"
    assert "secret" not in str(payload)
    assert world.drawer.settled == [("tk0000", EventKind.TOKEN_MADE)]
    listed = await (await http.get("/v1/tokens")).text()
    assert "tk0000" in listed
    assert "secret" not in listed


async def test_an_unrecorded_token_is_no_token(http: aiohttp.ClientSession, world: World) -> None:
    """If the event cannot be made durable, the secret is not told and the token is revoked."""
    _become(world, OWNER)
    world.journal_down = True
    answer = await http.post("/v1/tokens", json={"principal": "alice"})
    assert answer.status == 503
    assert "secret" not in await answer.text()
    assert world.drawer.kept[0].revoked_us > 0
    assert world.drawer.settled == []


async def test_only_those_who_may_make_tokens(http: aiohttp.ClientSession, world: World) -> None:
    """Making or revoking needs `token.make`, also for oneself; one sees only one's own."""
    world.drawer.make("alice", ttl_s=None, note="")
    world.drawer.make("owner", ttl_s=None, note="")
    _become(world, ALICE)
    assert (await http.post("/v1/tokens", json={})).status == 403
    assert (await http.delete("/v1/tokens/tk0000")).status == 403
    own = await (await http.get("/v1/tokens")).json()
    assert [row["principal"] for row in own["tokens"]] == ["alice"]


async def test_who_makes_may_unmake_only_ones_own(
    http: aiohttp.ClientSession, world: World
) -> None:
    """With `token.make` alone one revokes one's own tokens and nobody else's."""
    world.rules.gateway.add(("security", "token.make"))
    world.drawer.make("alice", ttl_s=None, note="")
    world.drawer.make("carol", ttl_s=None, note="")
    assert (await http.delete("/v1/tokens/tk0000")).status == 403
    assert (await http.delete("/v1/tokens/tk0001")).status == 200


async def test_revoking_by_prefix(http: aiohttp.ClientSession, world: World) -> None:
    """A unique prefix is enough; an unknown one is 404; the journal knows."""
    world.drawer.make("alice", ttl_s=None, note="")
    _become(world, OWNER)
    assert (await http.delete("/v1/tokens/zz")).status == 404
    assert (await http.delete("/v1/tokens/tk0")).status == 200
    assert world.recorded[0][0] is EventKind.TOKEN_REVOKED


async def test_unknown_principals_get_no_token(http: aiohttp.ClientSession, world: World) -> None:
    """The store's refusal reaches the caller as one."""
    _become(world, OWNER)
    assert (await http.post("/v1/tokens", json={"principal": "mallory"})).status == 403


async def test_principals_are_listed_to_those_who_need_them(
    http: aiohttp.ClientSession, world: World
) -> None:
    """Reviewers see everybody, an engineer herself."""
    world.rules.gateway.add(("security", "principal.read"))
    everybody = await (await http.get("/v1/principals")).json()
    assert [one["name"] for one in everybody["principals"]] == ["alice", "carol", "owner"]
    _become(world, ALICE)
    own = await (await http.get("/v1/principals")).json()
    assert [one["name"] for one in own["principals"]] == ["alice"]


async def test_reload_says_what_is_wrong_and_keeps_the_old(
    http: aiohttp.ClientSession, world: World
) -> None:
    """A reload needs `policy.apply`; a fault names file, key and fix."""
    assert (await http.post("/v1/reload")).status == 403
    _become(world, OWNER)
    assert (await (await http.post("/v1/reload")).json())["policy"] == "8a8a8a8"
    world.policy_fault = SettingsError(
        "is no port", file="targets.yaml", key="port", fix="use 5432"
    )
    answer = await http.post("/v1/reload")
    assert answer.status == 422
    assert (await answer.json())["error"] == {
        "what": "targets.yaml: port: is no port",
        "why": "what was loaded before stays active",
        "try": "use 5432",
    }
