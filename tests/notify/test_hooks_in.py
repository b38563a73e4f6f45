"""Incoming webhooks: signed by whoever has the key, as a machine, never for a quorum."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from support.approval_world import BOB, BOT, CAROL, ApprovalWorld

from gatekeep.domain.approvals import ApprovalRequest, RequestState, VoteVerdict
from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.gate.approval_ports import Ballot
from gatekeep.messages import hooks as words
from gatekeep.notify.hooks_in import MAX_BODY, HookNeeds, IncomingEndpoint, IncomingHooks
from gatekeep.notify.signing import SIGNATURE, SKEW_S, TIMESTAMP, signed_headers

KEY = "a key of more than twenty-four characters"
OTHER = "the key of another endpoint, as long as that"
GUARD = Principal("guard", "guard", frozenset({"dba"}), owner="p-sam")
"""A machine in the group that is asked."""

Post = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def broken() -> str:
    """A secret that is not there."""
    raise SettingsError("cannot be read")


@pytest.fixture
async def post(
    asking: ApprovalWorld, refusals: list[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Post]:
    """Calls over real HTTP: body, key, endpoint and headers as told."""
    known = {GUARD.name: GUARD, "person": BOB}
    principal = asking.people.principal
    everybody = asking.people.principals
    monkeypatch.setattr(asking.people, "principal", lambda name: known.get(name) or principal(name))
    monkeypatch.setattr(asking.people, "principals", lambda: [*everybody(), GUARD])
    endpoints = (
        IncomingEndpoint("guard", "guard", lambda: KEY),
        IncomingEndpoint("other", "bot", lambda: OTHER),
        IncomingEndpoint("person", "person", lambda: KEY),
        IncomingEndpoint("nobody", "gone", lambda: KEY),
        IncomingEndpoint("broken", "guard", broken),
    )
    hooks = IncomingHooks(
        endpoints,
        HookNeeds(
            asking.desk, asking.people, asking.clock.wall_us,
            lambda _request, why: refusals.append(why),
            lambda request: "X-In-Clear" not in request.headers,
        ),
    )  # fmt: skip
    app = web.Application()
    app.add_subapp("/hooks", hooks.http_app())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/in/"
    session = aiohttp.ClientSession()

    async def call(
        body: object, *, key: str = KEY, to: str = "guard", headers: dict[str, str] | None = None,
        more: dict[str, str] | None = None, chunked: bool | None = None,
    ) -> tuple[int, dict[str, Any]]:  # fmt: skip
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = signed_headers(key, asking.clock.wall_us(), raw) if headers is None else headers
        sent = session.post(
            base + to, data=raw, headers={**signed, **(more or {})}, chunked=chunked
        )
        async with sent as answer:
            return answer.status, await answer.json()

    yield call
    await session.close()
    await runner.cleanup()


@pytest.fixture
def refusals() -> list[str]:
    """Why calls were refused that nobody of ours signed."""
    return []


def ballot(request: ApprovalRequest, verdict: str = "approve", **more: object) -> dict[str, object]:
    """A body."""
    return {"request": request.id, "verdict": verdict, "digest": request.digest[:12], **more}


async def test_a_machine_of_the_group_may_bar_the_way(asking: ApprovalWorld, post: Post) -> None:
    """A scanner that finds something says no, with its reason, and that is an event as any vote."""
    request = await asking.held()
    status, told = await post(ballot(request, "deny", reason="touches a frozen table", id="s-1"))
    assert (status, told["counted"], told["state"], told["id"]) == (200, True, "denied", "s-1")
    kept = await asking.desk.request(request.id)
    assert kept is not None
    assert (kept.decided_by, kept.decision_reason) == ("guard", "touches a frozen table")
    assert kept.votes[0].via == "webhook"
    voted = next(one for one in asking.journal.events if one.kind == "approval.voted")
    assert (voted.payload["voter"], voted.payload["via"]) == ("guard", "webhook")


async def test_a_machine_never_fills_a_seat(asking: ApprovalWorld, post: Post) -> None:
    """Whatever it signs, the quorum takes persons: one or two of them."""
    for approvers in ((("dba",),), (("dba:2",),)):
        request = await asking.held(f"DELETE {approvers[0][0]}", approvers=approvers)
        status, told = await post(ballot(request))
        assert (status, told["counted"], told["refusal"]) == (409, False, "machine")
        kept = await asking.desk.request(request.id)
        assert kept is not None
        assert (kept.state, kept.votes) == (RequestState.PENDING, ())
    cast = Ballot(VoteVerdict.APPROVE, request.digest, "web")
    assert (await asking.desk.cast(request.id, BOB, cast)).request.state is RequestState.PENDING
    asking.clock.pass_s(1)
    assert (await post(ballot(request)))[1]["refusal"] == "machine"
    assert (await asking.desk.cast(request.id, CAROL, cast)).request.state is RequestState.APPROVED


async def test_a_machine_of_another_group_bars_nothing(asking: ApprovalWorld, post: Post) -> None:
    """Else any key of any endpoint could stop everybody."""
    request = await asking.held()
    status, told = await post(ballot(request, "deny", reason="no"), key=OTHER, to="other")
    assert (status, told["refusal"]) == (409, "outsider")


async def test_a_machine_has_no_say_over_its_owners_requests(
    asking: ApprovalWorld, post: Post
) -> None:
    """Its word would be its owner's own."""
    request = await asking.held(by=BOT)
    status, told = await post(ballot(request, "deny", reason="no"), key=OTHER, to="other")
    assert (status, told["refusal"]) == (409, "own")


@pytest.mark.parametrize("to", ["person", "nobody"])
async def test_an_endpoint_that_votes_as_no_machine_votes_not_at_all(
    asking: ApprovalWorld, post: Post, to: str
) -> None:
    """A principal who is a person (now), or is gone: the key of a hook is nobody's vote."""
    request = await asking.held()
    for verdict in ("approve", "deny"):
        status, _ = await post(ballot(request, verdict, reason="no"), to=to)
        assert status == 403
    kept = await asking.desk.request(request.id)
    assert kept is not None
    assert kept.votes == ()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"key": OTHER}, "signature"),
        ({"to": "unknown"}, "signature"),
        ({"to": "other"}, "signature"),
        ({"to": "broken"}, "signature"),
        ({"headers": {}}, "signature"),
        ({"headers": {TIMESTAMP: "x", SIGNATURE: "v1=0"}}, "signature"),
    ],
)
async def test_what_is_not_signed_by_the_endpoints_own_key_is_not_read(
    asking: ApprovalWorld, post: Post, refusals: list[str], how: dict[str, Any], why: str
) -> None:
    """All are answered alike, and each is noted."""
    request = await asking.held()
    status, told = await post(ballot(request, "deny", reason="no"), **how)
    assert (status, told["error"]["what"]) == (401, words.UNSIGNED)
    assert refusals == [why]
    kept = await asking.desk.request(request.id)
    assert kept is not None
    assert kept.votes == ()


async def test_a_call_counts_once_and_only_in_its_minutes(
    asking: ApprovalWorld, post: Post, refusals: list[str]
) -> None:
    """Replayed at once or later, with the very same bytes."""
    request = await asking.held()
    body = json.dumps(ballot(request)).encode()
    headers = signed_headers(KEY, asking.clock.wall_us(), body)
    assert (await post(body, headers=headers))[0] == 409
    status, told = await post(body, headers=headers)
    assert (status, told["error"]["what"]) == (409, words.SEEN)
    asking.clock.pass_s(SKEW_S + 1)
    assert (await post(body, headers=headers))[0] == 401
    assert refusals == ["seen", "late"]


async def test_what_we_send_does_not_come_back_as_a_vote(asking: ApprovalWorld, post: Post) -> None:
    """A body of an outgoing webhook, signed with the same key, is no ballot."""
    request = await asking.held()
    sent = {"at_us": 1, "delivery": "d", "kind": "requested", "request": {"id": request.id}}
    assert (await post(sent))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b'{"request":"K3F9"}',
        b'{"request":"K3F9","verdict":"maybe","digest":"123456789012"}',
        b'{"request":"K3F9","verdict":"deny","digest":"1234"}',
        b'{"request":["K3F9"],"verdict":"deny","digest":"123456789012"}',
        b'{"request":"K3F9","verdict":"deny","digest":"123456789012","principal":"bob"}',
        b'{"request":"K3F9","verdict":"deny","digest":"123456789012","via":"web"}',
        b"[" * 10_000,
    ],
)  # fmt: skip
async def test_what_is_no_ballot_is_refused(asking: ApprovalWorld, post: Post, body: bytes) -> None:
    """Nothing in it says who votes, or by which door."""
    assert (await post(body))[0] == 400


async def test_a_request_that_is_not_there_is_told(asking: ApprovalWorld, post: Post) -> None:
    """To whoever has a key."""
    status, _ = await post({"request": "ZZZZ", "verdict": "deny", "digest": "1" * 12})
    assert status == 404


async def test_another_digest_or_no_reason_does_not_count(asking: ApprovalWorld, post: Post) -> None:
    """The desk's own rules hold here, too; it comes too late where somebody was first."""
    request = await asking.held()
    no = {"request": request.id, "verdict": "deny", "digest": "0" * 12, "reason": "no"}
    assert (await post(no))[1]["refusal"] == "digest"
    assert (await post(ballot(request, "deny")))[1]["refusal"] == "reason"
    await asking.desk.cast(request.id, BOB, Ballot(VoteVerdict.APPROVE, request.digest, "web"))
    status, told = await post(ballot(request, "deny", reason="no"))
    assert (status, told["refusal"], told["state"]) == (409, "late", "approved")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_long_body_is_not_kept(asking: ApprovalWorld, post: Post, chunked: bool) -> None:
    """By its announced length, or as soon as it is too long."""
    body = b'{"reason":"' + b"x" * MAX_BODY + b'"}'
    assert (await post(body, chunked=chunked or None))[0] == 413


async def test_what_comes_in_clear_over_a_network_is_not_taken(
    asking: ApprovalWorld, post: Post
) -> None:
    """The HTTP door has no TLS of its own; who decides what that is stands before this."""
    request = await asking.held()
    status, _ = await post(ballot(request, "deny", reason="no"), more={"X-In-Clear": "1"})
    assert status == 403


async def test_a_vote_that_cannot_be_recorded_is_not_counted(
    asking: ApprovalWorld, post: Post
) -> None:
    """The sender may try again."""
    request = await asking.held()
    asking.break_journal()
    assert (await post(ballot(request, "deny", reason="no")))[0] == 503
