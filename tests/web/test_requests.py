"""Requests over the API: who sees what, how they are found, asked ahead of time and withdrawn."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from support.api_callers import Callers
from support.approval_world import DELETE, ApprovalWorld, yes
from support.hostile_terminal import HOSTILE

from gatekeep.domain.events import EventKind
from gatekeep.web import requests as requests_module


async def test_a_request_is_shown_whole(asking: ApprovalWorld, call: Callers) -> None:
    """Who may decide gets everything to decide by, the digest and the time that is left."""
    held = await asking.held(sight={"rows": 1_204_331})
    asking.clock.pass_s(120)
    shown = (await call("bob", "GET", f"requests/{held.id.lower()}")).body
    assert shown["text"] == DELETE
    assert shown["digest"] == held.digest
    assert shown["left_s"] == 780
    assert shown["may_decide"] == ["p-bob", "p-carol", "p-erin"]
    assert shown["approvers"] == [["dba"]]
    assert shown["sight"] == {"rows": 1_204_331}
    assert shown["scopes"] == ["once", "template", "session"]
    assert (shown["state"], shown["needs_code"], shown["session_code"]) == (
        "pending", False, "S-8QZ4",
    )  # fmt: skip


async def test_a_request_is_withdrawn_by_its_asker_alone(
    asking: ApprovalWorld, call: Callers
) -> None:
    """Others are refused; afterwards a vote comes too late."""
    held = await asking.held()
    path = f"requests/{held.id}"
    assert (await call("bob", "POST", f"{path}/withdraw", {})).status == 403
    assert (await call("dan", "POST", f"{path}/withdraw", {})).status == 404
    taken = await call("alice", "POST", f"{path}/withdraw", {"reason": "a slip"})
    assert taken.body["request"]["state"] == "withdrawn"
    late = await call("bob", "POST", f"{path}/votes", yes(held))
    assert (late.status, "was withdrawn by alice" in late.what) == (409, True)
    assert (await call("alice", "POST", f"{path}/withdraw", {})).status == 409


async def test_what_one_may_not_see_does_not_exist(asking: ApprovalWorld, call: Callers) -> None:
    """Unknown and unseen are told alike, on every address."""
    held = await asking.held()
    for name in (held.id, "ZZZZ", "x" * 5000, "%00", "..%2f"):
        for method, path, body in (
            ("GET", f"requests/{name}", None),
            ("POST", f"requests/{name}/votes", yes(held)),
            ("POST", f"requests/{name}/withdraw", {}),
        ):
            answer = await call("dan", method, path, body)
            assert answer.status == 404, (name, method)
            assert answer.what.startswith(("no request", "not found"))
    assert asking.recorded == []


async def test_reading_what_others_ask_is_an_event(asking: ApprovalWorld, call: Callers) -> None:
    """Durable before it is given, with the rule that let them or none; one's own is one's own."""
    held = await asking.held()
    await call("alice", "GET", f"requests/{held.id}")
    await call("alice", "GET", "requests")
    assert asking.recorded == []
    await call("bob", "GET", f"requests/{held.id}")
    await call("sam", "GET", "requests", q="customers", state="pending")
    (bob, sam) = asking.recorded
    assert bob[0] is EventKind.AUDIT_READ
    assert (bob[1]["principal"], bob[1]["query"], bob[1]["via"], bob[2]) == (
        "bob", f"request:{held.id}", "api", {},
    )  # fmt: skip
    assert (sam[1]["query"], sam[1]["found"], sam[2]["decision"]) == (
        "requests state:pending customers", 1, "allow",
    )  # fmt: skip
    asking.journal_down = True
    answer = await call("bob", "GET", f"requests/{held.id}")
    assert answer.status == 503
    assert "customers" not in str(answer.body)


async def test_no_get_changes_anything(asking: ApprovalWorld, call: Callers) -> None:
    """Whoever follows links decides nothing; votes are not even found by GET."""
    held = await asking.held()
    for path in ("votes", "withdraw"):
        answer = await call("bob", "GET", f"requests/{held.id}/{path}", verdict="approve")
        assert answer.status == 405
    head = await call.session.head(f"/api/v1/requests/{held.id}")
    assert head.status in (401, 405)
    assert await asking.desk.request(held.id) == held or held.sight == {}
    assert [event.kind for event in asking.journal.events] == [EventKind.APPROVAL_REQUESTED]


async def test_requests_are_found_and_paged(asking: ApprovalWorld, call: Callers) -> None:
    """Filters fit all at once; pages follow each other without a gap, whoever asked in between."""
    asked = [await asking.held(f"TRUNCATE t{number};") for number in range(7)]
    ids = [one.id for one in asked]
    await call("bob", "POST", f"requests/{ids[3]}/votes", yes(asked[3]))
    listed = (await call("bob", "GET", "requests", state="pending", limit=4)).body
    assert [one["id"] for one in listed["requests"]] == [ids[6], ids[5], ids[4], ids[2]]
    await asking.held("DELETE FROM late;")
    rest = (await call("bob", "GET", "requests", state="pending", before=listed["before"])).body
    assert [one["id"] for one in rest["requests"]] == [ids[1], ids[0]]
    assert rest["before"] is None
    for query in ({"q": "truncate T5"}, {"q": "t5", "target": "orders-prod", "principal": "alice"}):
        found = (await call("bob", "GET", "requests", **query)).body["requests"]
        assert [one["id"] for one in found] == [ids[5]]
    for query in ({"target": "elsewhere"}, {"principal": "dan"}, {"before": "ZZZZ"}):
        assert (await call("bob", "GET", "requests", **query)).body["requests"] == []
    assert (await call("dan", "GET", "requests")).body == {"requests": [], "before": None}


async def test_a_page_is_bounded_by_what_it_holds(
    asking: ApprovalWorld, call: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long texts, or many requests of others, make pages short, never incomplete."""
    monkeypatch.setattr(requests_module, "MAX_PAGE_CHARS", 2500)
    monkeypatch.setattr(requests_module, "MAX_LOOKED_AT", 4)
    monkeypatch.setattr(requests_module, "_PAGE", 4)
    ids = [(await asking.held(f"DELETE {'x' * 1000} {number};")).id for number in range(9)]
    for name, expected in (("bob", ids), ("dan", [])):
        found, before, pages = [], "", 0
        while before is not None:
            page = (await call(name, "GET", "requests", before=before)).body
            assert sum(len(one["text"]) for one in page["requests"]) < 4000
            found += [one["id"] for one in page["requests"]]
            before, pages = page["before"], pages + 1
        assert found == expected[::-1]
        assert pages >= 3


@pytest.mark.parametrize(
    "query",
    [
        {"state": "open"}, {"limit": "0"}, {"limit": "101"}, {"limit": "5.0"}, {"limit": "1_0"},
        {"limit": "+5"}, {"stat": "pending"}, {"q": "x" * 201}, {"before": "x" * 201},
    ],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused(
    call: Callers, query: dict[str, str]
) -> None:
    """A slip in a filter never shows everything."""
    assert (await call("bob", "GET", "requests", **query)).status == 400


async def test_a_parameter_stands_once(call: Callers) -> None:
    """Which of two would count is nobody's guess."""
    answer = await call.session.get(
        "/api/v1/requests?state=pending&state=denied",
        headers={"Authorization": f"Bearer {call.world.token('bob')}"},
    )
    assert answer.status == 400


async def test_what_became_of_the_same_before_is_shown(
    asking: ApprovalWorld, call: Callers
) -> None:
    """With who decided and why, newest first, at most five; a list does not carry it."""
    asking.parts.desk.limits = replace(asking.parts.desk.limits, after_denial_s=0)
    ids = []
    for number in range(7):
        held = await asking.held()
        ids.append(held.id)
        ballot = {"verdict": "deny", "digest": held.digest, "reason": f"no {number}"}
        assert (await call("bob", "POST", f"requests/{held.id}/votes", ballot)).status == 200
    await asking.held("TRUNCATE other;")
    held = await asking.held()
    before = (await call("carol", "GET", f"requests/{held.id}")).body["before"]
    assert [one["id"] for one in before] == ids[:1:-1]
    assert (before[0]["state"], before[0]["decided_by"], before[0]["decision_reason"]) == (
        "denied", "bob", "no 6",
    )  # fmt: skip
    listed = (await call("carol", "GET", "requests", state="pending")).body["requests"]
    assert all(one["before"] == [] for one in listed)


async def test_asking_ahead_of_time(asking: ApprovalWorld, call: Callers) -> None:
    """For a target, or for one text; then a grant of it, once somebody has said yes."""
    asked = await call(
        "alice", "POST", "requests",
        {"target": "orders", "account": "app", "reason": "migration", "ticket": "OPS-1",
         "for_s": 7200, "starts_us": asking.clock.wall_us() + 3_600_000_000},
    )  # fmt: skip
    assert asked.status == 201
    assert (asked.body["kind"], asked.body["grant_s"], asked.body["facts"]["ticket"]) == (
        "access", 7200, "OPS-1",
    )  # fmt: skip
    assert asked.body["scopes"] == ["access"]
    line = await call(
        "alice", "POST", "requests", {"target": "orders", "account": "app", "statement": DELETE}
    )
    assert (line.body["kind"], line.body["text"]) == ("statement", DELETE)
    ballot = {"verdict": "approve", "digest": line.body["digest"], "scope": line.body["scopes"][0]}
    voted = await call("bob", "POST", f"requests/{line.body['id']}/votes", ballot)
    assert voted.body["request"]["state"] == "approved"
    assert len((await call("alice", "GET", "grants")).body["grants"]) == 1


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"target": "orders", "account": "app", "statement": "x", "command": "y"}, 400),
        ({"account": "app"}, 400),
        ({"target": "orders", "account": "app", "statement": " "}, 400),
        ({"target": "orders", "account": "app", "for_s": -1}, 400),
        ({"target": "orders", "account": "app", "for_s": "1"}, 400),
        ({"target": "orders", "account": "app", "principal": "bob"}, 400),
        ([], 400),
        ({"target": "orders", "account": "app", "statement": "?"}, 400),
        ({"target": "nowhere", "account": "app"}, 403),
        ({"target": "orders", "account": "app", "for_s": 30 * 86_400}, 403),
    ],
)
async def test_what_cannot_be_asked(call: Callers, wish: object, status: int) -> None:
    """Nothing is guessed: not whom it is for, not a number from a text."""
    assert (await call("alice", "POST", "requests", wish)).status == status


async def test_a_body_is_announced_as_json(asking: ApprovalWorld, call: Callers) -> None:
    """What a page of somebody else's can send unasked is refused before it is read."""
    held = await asking.held()
    token = asking.token("bob")
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await call.session.post(
            f"/api/v1/requests/{held.id}/votes",
            data=b'{"verdict":"approve","digest":"%s"}' % held.digest.encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": kind},
        )
        assert answer.status == 415, kind
    now = await asking.desk.request(held.id)
    assert now is not None
    assert now.votes == ()


async def test_whoever_waits_is_told_at_once(asking: ApprovalWorld, call: Callers) -> None:
    """A call with `wait_s` is answered by the decision, and by what came of it."""
    held = await asking.held()
    path = f"requests/{held.id}"
    waiting = asyncio.ensure_future(call("alice", "GET", path, wait_s=20))
    async with asyncio.timeout(10):
        while not asking.needs().approvals.waits._count:  # type: ignore[union-attr]  # it is set
            await asyncio.sleep(0)
        await call("bob", "POST", f"{path}/votes", yes(held))
        assert (await waiting).body["state"] == "approved"
        outcome = asyncio.ensure_future(call("alice", "GET", path, wait_s=20, until="outcome"))
        while not asking.needs().approvals.waits._count:  # type: ignore[union-attr]  # it is set
            await asyncio.sleep(0)
        await asking.parts.desk.outcome(held.id, "released")
        await asking.parts.desk.outcome(held.id, "DELETE 38112")
        assert (await outcome).body["outcome"] == "DELETE 38112"
        again = await call("alice", "GET", path, wait_s=20, until="outcome")
        assert again.body["outcome"] == "DELETE 38112"


@pytest.mark.parametrize("name", HOSTILE)
async def test_any_text_is_carried(asking: ApprovalWorld, call: Callers, name: str) -> None:
    """Whatever is asked arrives as it is, as ASCII that no terminal obeys."""
    text = "SELECT '" + HOSTILE[name][:300].decode("latin-1") + "\u202e\ud800'"
    held = await asking.held(text.replace("\ud800", "\ufffd"))
    answer = await call.session.get(
        f"/api/v1/requests/{held.id}", headers={"Authorization": f"Bearer {asking.token('bob')}"}
    )
    raw = await answer.read()
    assert raw.isascii()
    assert not any(byte < 0x20 or byte == 0x7F for byte in raw.replace(b"\x7f", b""))
    assert (await answer.json())["text"] == held.subject.text
